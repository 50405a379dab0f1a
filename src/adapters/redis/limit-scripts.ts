import { createHash } from 'node:crypto'

/** A Lua script, and the name that Redis gives it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** Lua that gives the server's time, in seconds and microseconds, as `TIME` does. */
const serverTime = "redis.call('TIME')"

/**
 * Checks all limits of a request and books all of them or none; the same rule as `ports/sliding-window.ts`, in ticks of 10
 * microseconds.
 *
 * KEYS: the overrides, then a key for each limit. ARGV: 1 to book or 0, then for each limit its name, limit, window in ms
 * and cost. Returns for each limit: limit, window in ms, what is left, ms until all is left, ms to wait (−1: for ever),
 * and until which tick the booking counts.
 *
 * A key holds a header (base tick, last tick, sum of what counts, bytes of a cell) and cells in the order in which they
 * were granted: until when it counts, as ticks after the base (5 bytes), and how much (1 byte, or 4 with a limit above
 * 100). So 100 grants take 621 bytes. It expires a sixtieth of the window after the window, and at least a second, so that
 * a clock that steps forth and back by less forgets nothing.
 * @param time Lua that gives the time; another one only in tests of a clock that steps back
 */
export function checkScript(time: string = serverTime): Script {
  return script(`
local time = ${time}
local seconds, micros = tonumber(time[1]) * 100000, tonumber(time[2])
local wall, wallCeil = seconds + math.floor(micros / 10), seconds + math.ceil(micros / 10)
local HEADER, BASE_MAX = 21, 1099511627775

local function cellFormat(size) return size == 6 and '>I5B' or '>I5I4' end

local function rewrite(cells, size, newSize, baseBy)
  local out, format, newFormat = {}, cellFormat(size), cellFormat(newSize)
  for pos = 1, #cells, size do
    local ends, cost = struct.unpack(format, cells, pos)
    out[#out + 1] = struct.pack(newFormat, ends - baseBy, cost)
  end
  return table.concat(out)
end

local function look(key, window, cost, limit)
  local w = { now = wall, nowCeil = wallCeil, used = 0, cells = '', size = 6, base = wall, last = wall }
  local stored = redis.call('GET', key)
  if stored then
    w.base, w.last, w.used, w.size = struct.unpack('>ddI4B', stored)
    local back = w.last - wall
    if back > math.max(window, 10000) * 100 then
      w.base, w.last = w.base - back, wall
    elseif back > 0 then
      w.now, w.nowCeil = w.last, math.max(w.last, wallCeil)
    end
    local pos, format = HEADER + 1, cellFormat(w.size)
    while pos <= #stored do
      local ends, granted = struct.unpack(format, stored, pos)
      if w.base + ends > w.now then break end
      w.used, pos = w.used - granted, pos + w.size
    end
    w.cells = string.sub(stored, pos)
  end
  local resetAt, format, size = w.now, cellFormat(w.size), w.size
  if #w.cells > 0 then
    local first, last = struct.unpack(format, w.cells), struct.unpack(format, w.cells, #w.cells - size + 1)
    resetAt = w.base + math.max(first, last)
  end
  w.resetAt = resetAt
  if cost > limit then
    w.wait = -1
  else
    local missing, untilAt, pos = w.used + cost - limit, w.now, 1
    while missing > 0 do
      local ends, granted = struct.unpack(format, w.cells, pos)
      untilAt, missing, pos = math.max(untilAt, w.base + ends), missing - granted, pos + size
    end
    w.wait = math.ceil((untilAt - w.now) / 100)
  end
  return w
end

local function countsUntil(w, limit, window)
  local ticks = window * 100
  if limit <= 100 then return w.nowCeil + ticks end
  local into = w.now % ticks
  local slot = math.floor(into * 60 / ticks)
  return w.now - into + math.ceil((slot + 61) * ticks / 60)
end

local function book(key, w, limit, window, cost)
  local untilAt = countsUntil(w, limit, window)
  local size = w.size
  if limit > 100 then size = 9 elseif #w.cells == 0 then size = 6 end
  local baseBy = 0
  if #w.cells == 0 then w.base = w.now elseif untilAt - w.base > BASE_MAX then baseBy = w.now - w.base end
  if size ~= w.size or baseBy > 0 then
    w.cells, w.base, w.size = rewrite(w.cells, w.size, size, baseBy), w.base + baseBy, size
  end
  local cells, format, cell = w.cells, cellFormat(size), cost
  if #cells > 0 then
    local ends, granted = struct.unpack(format, cells, #cells - size + 1)
    if w.base + ends == untilAt then cells, cell = string.sub(cells, 1, -size - 1), granted + cost end
  end
  w.used, w.last, w.resetAt, w.untilAt = w.used + cost, w.nowCeil, math.max(w.resetAt, untilAt), untilAt
  local spare = math.max(math.ceil(window / 60), 1000) + math.ceil((w.now - wall) / 100)
  local ttl = math.max(window + spare, math.ceil((w.resetAt - wall) / 100))
  local value = struct.pack('>ddI4B', w.base, w.last, w.used, size) .. cells
    .. struct.pack(format, untilAt - w.base, cell)
  redis.call('SET', key, value, 'PX', ttl)
end

local count, names = #KEYS - 1, {}
for i = 1, count do names[i] = ARGV[4 * i - 2] end
local overrides, overridden = redis.call('HMGET', KEYS[1], unpack(names)), false
local windows, limits, passes = {}, {}, true
for i = 1, count do
  local limit, window, cost = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i]), tonumber(ARGV[4 * i + 1])
  if overrides[i] then
    local own, ownWindow = string.match(overrides[i], '^(%d+):(%d+)$')
    limit, window, overridden = tonumber(own), tonumber(ownWindow), true
  end
  limits[i] = { limit, window, cost }
  windows[i] = look(KEYS[i + 1], window, cost, limit)
  if windows[i].wait ~= 0 then passes = false end
end
if overridden then redis.call('PEXPIRE', KEYS[1], ${overrideTtlMs}) end
local reply = {}
for i = 1, count do
  local w, limit, window = windows[i], limits[i][1], limits[i][2]
  if passes and ARGV[1] == '1' then book(KEYS[i + 1], w, limit, window, limits[i][3]) end
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = limit, window, math.max(0, limit - w.used)
  reply[at + 4], reply[at + 5], reply[at + 6] = math.ceil((w.resetAt - w.now) / 100), w.wait, w.untilAt or 0
end
return reply
`)
}

/** Overrides that no request has met for this long are forgotten: 90 days. */
export const overrideTtlMs: number = 7_776_000_000

/** Gives back what was booked. KEYS: the limits. ARGV: for each until which tick its booking counts, and how much. */
export const refundScript: Script = script(`
for i = 1, #KEYS do
  local stored = redis.call('GET', KEYS[i])
  if stored then
    local untilAt, cost = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local base, last, used, size = struct.unpack('>ddI4B', stored)
    local format = size == 6 and '>I5B' or '>I5I4'
    for pos = #stored - size + 1, 22, -size do
      local ends, granted = struct.unpack(format, stored, pos)
      if base + ends == untilAt then
        cost = math.min(cost, granted)
        local cell = granted > cost and struct.pack(format, ends, granted - cost) or ''
        local value = struct.pack('>ddI4B', base, last, used - cost, size)
          .. string.sub(stored, 22, pos - 1) .. cell .. string.sub(stored, pos + size)
        redis.call('SET', KEYS[i], value, 'KEEPTTL')
        break
      end
    end
  end
end
return 1
`)

/** Sets and ends overrides. KEYS: the overrides. ARGV: name and value for each; an empty value ends it. */
export const overrideScript: Script = script(`
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', KEYS[1], ${overrideTtlMs})
return 1
`)

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

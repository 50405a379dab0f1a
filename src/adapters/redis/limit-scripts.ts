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
 * KEYS: a key for each limit, then the overrides. ARGV: 1 to book or 0, then for each limit its name, limit, window in ms
 * and cost. Returns eight doubles for each limit: limit, window in ms, what was left before, ticks until all would be left
 * before, ms to wait (−1: for ever), until which tick a booking counts, ticks until all is left after it, and the base
 * tick of the key that it is in.
 *
 * A key holds a header (base tick, last tick, sum of what counts, bytes of a cell) and cells in the order in which they
 * end: until when it counts, as ticks after the base (5 bytes), and how much (1 byte, or 4 with a limit above
 * 100). So 100 grants take 621 bytes. It expires a sixtieth of the window after the window, and at least a second, so that
 * a clock that steps forth and back by less forgets nothing.
 * @param time Lua that gives the time; another one only in tests of a clock that steps back
 */
export function checkScript(time: string = serverTime): Script {
  return script(`
local call, unpackCell, packCell, sub = redis.call, struct.unpack, struct.pack, string.sub
local floor, ceil, max = math.floor, math.ceil, math.max
local time = ${time}
local seconds, micros = time[1] * 100000, time[2] / 10
local wall, wallCeil = seconds + floor(micros), seconds + ceil(micros)
local stored = call('MGET', unpack(KEYS))
local count = #KEYS - 1
local overrides = stored[count + 1] and cjson.decode(stored[count + 1])
if overrides then call('PEXPIRE', KEYS[count + 1], ${overrideTtlMs}) end
local values, ttls, replies, passes, books = {}, {}, {}, true, ARGV[1] == '1'

local function rewrite(cells, size, newSize, by)
  local rewritten, format, newFormat = {}, size == 6 and '>I5B' or '>I5I4', newSize == 6 and '>I5B' or '>I5I4'
  for pos = 1, #cells, size do
    local ends, granted = unpackCell(format, cells, pos)
    rewritten[#rewritten + 1] = packCell(newFormat, ends + by, granted)
  end
  return table.concat(rewritten)
end

-- Where the window was longer before, or is for another instance, what is granted now is over before something else.
local function putBetween(cells, size, ends, cost)
  local format = size == 6 and '>I5B' or '>I5I4'
  local pos = #cells - size + 1
  while pos > 0 do
    local otherEnds, granted = unpackCell(format, cells, pos)
    if otherEnds < ends then break end
    if otherEnds == ends then
      return sub(cells, 1, pos - 1) .. packCell(format, ends, granted + cost) .. sub(cells, pos + size)
    end
    pos = pos - size
  end
  return sub(cells, 1, pos + size - 1) .. packCell(format, ends, cost) .. sub(cells, pos + size)
end

for i = 1, count do
  local at = 4 * i - 2
  local own = overrides and overrides[ARGV[at]]
  local limit, window = own and own[1] or tonumber(ARGV[at + 1]), own and own[2] or tonumber(ARGV[at + 2])
  local cost = tonumber(ARGV[at + 3])
  local now, nowCeil, base, used, size, cells, resetAt = wall, wallCeil, wall, 0, 6, '', wall
  local format, lastEnds, lastGranted = '>I5B'
  local state = stored[i]
  if state then
    local last
    base, last, used, size = unpackCell('>ddI4B', state)
    local back = last - wall
    if back > max(window, 10000) * 100 then
      base = base - back
      call('SETRANGE', KEYS[i], 0, packCell('>dd', base, wall))
    elseif back > 0 then
      now, nowCeil = last, max(last, wallCeil)
    end
    if size == 9 then format = '>I5I4' end
    local pos, length, ends, granted = 22, #state
    while pos <= length do
      ends, granted = unpackCell(format, state, pos)
      if base + ends > now then break end
      used, pos = used - granted, pos + size
    end
    if pos <= length then
      cells = pos == 22 and state or sub(state, pos - 21)
      lastEnds, lastGranted = ends, granted
      if pos + size <= length then lastEnds, lastGranted = unpackCell(format, state, length - size + 1) end
      resetAt = base + lastEnds
    end
  end
  local wait = 0
  if cost > limit then
    wait, passes = -1, false
  elseif used + cost > limit then
    local missing, untilAt, pos = used + cost - limit, wall, 22
    while missing > 0 do
      local ends, granted = unpackCell(format, cells, pos)
      untilAt, missing, pos = base + ends, missing - granted, pos + size
    end
    wait, passes = ceil((untilAt - wall) / 100), false
  end

  local untilAt, since, left, resetBefore = 0, base, limit - used, resetAt - wall
  if passes and books then
    local ticks, newSize, newBase = window * 100, size, base
    untilAt = nowCeil + ticks
    if limit > 100 then
      local into = now % ticks
      untilAt, newSize = now - into + ceil((floor(into * 60 / ticks) + 61) * ticks / 60), 9
    end
    cells = sub(cells, 22)
    if not lastEnds then
      newBase, newSize = now, limit > 100 and 9 or 6
    elseif untilAt - base > 1099511627775 then
      newBase = now
    end
    if lastEnds and (newSize ~= size or newBase ~= base) then cells = rewrite(cells, size, newSize, base - newBase) end
    if lastEnds and base + lastEnds > untilAt then
      cells = putBetween(cells, newSize, untilAt - newBase, cost)
    else
      local cell = cost
      if lastEnds and base + lastEnds == untilAt then cells, cell = sub(cells, 1, -newSize - 1), lastGranted + cost end
      cells = cells .. packCell(newSize == 6 and '>I5B' or '>I5I4', untilAt - newBase, cell)
    end
    used, resetAt, since = used + cost, max(resetAt, untilAt), newBase
    values[i] = packCell('>ddI4B', newBase, nowCeil, used, newSize) .. cells
    local spare = max(ceil(window / 60), 1000) + ceil((now - wall) / 100)
    ttls[i] = max(window + spare, ceil((resetAt - wall) / 100))
  end
  replies[i] = packCell('>dddddddd', limit, window, left, resetBefore, wait, untilAt, resetAt - wall, since)
end

if passes and books then
  for i = 1, count do call('SET', KEYS[i], values[i], 'PX', ttls[i]) end
end
return passes and count == 1 and replies[1] or table.concat(replies)
`)
}

/** Overrides that no request has met for this long are forgotten: 90 days. */
export const overrideTtlMs: number = 7_776_000_000

/**
 * Gives back what was booked. KEYS: the limits. ARGV: for each the base tick of the key, until which tick its booking counts,
 * and how much. With another base, the booking was forgotten with the key that it was in.
 */
export const refundScript: Script = script(`
for i = 1, #KEYS do
  local stored = redis.call('GET', KEYS[i])
  if stored then
    local untilAt, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local base, last, used, size = struct.unpack('>ddI4B', stored)
    local format = size == 6 and '>I5B' or '>I5I4'
    local first = base == tonumber(ARGV[3 * i - 2]) and 22 or #stored + 1
    for pos = #stored - size + 1, first, -size do
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

/** Sets and ends overrides. KEYS: the overrides, a JSON object. ARGV: name, limit and window for each; a limit of 0 ends it. */
export const overrideScript: Script = script(`
local stored = redis.call('GET', KEYS[1])
local overrides = stored and cjson.decode(stored) or {}
for i = 1, #ARGV, 3 do
  local limit = tonumber(ARGV[i + 1])
  overrides[ARGV[i]] = limit > 0 and { limit, tonumber(ARGV[i + 2]) } or nil
end
if next(overrides) == nil then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], cjson.encode(overrides), 'PX', ${overrideTtlMs})
end
return 1
`)

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

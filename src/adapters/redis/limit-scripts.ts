import { type Script, script } from './run-script.ts'

/** Lua that gives the server's time, in seconds and microseconds, as `TIME` does. */
const serverTime = "redis.call('TIME')"

/**
 * Checks all limits of a request and books all of them or none; the same rule as `ports/sliding-window.ts`, in ticks of 10
 * microseconds.
 *
 * KEYS: a key for each limit. ARGV: 1 to book or 0, then for each limit its number, window in ms, ms that its key is kept,
 * and cost. Returns eight doubles for each limit: limit, window in ms, what was left before, ticks until all would be left before, ms to wait (−1:
 * for ever), until which tick a booking counts, ticks until all is left after it, and the base tick of the key that it is
 * in.
 *
 * A key holds a header (base tick, last tick, sum of what counts, form), then its own limit and window where those are
 * overridden (8 bytes), then cells in the order in which they end: until when it counts, as ticks after the base (5 bytes),
 * and how much (1 byte, or 4 with a limit above 100). So 100 grants take 621 bytes. It is kept longer where what
 * it holds counts longer, and with a limit of its own for 90 days after the last grant.
 * @param time Lua that gives the time; another one only in tests of a clock that steps back
 */
export function checkScript(time: string = serverTime): Script {
  return script(`
local call, unpackCell, packCell, sub = redis.call, struct.unpack, struct.pack, string.sub
local floor, ceil, max = math.floor, math.ceil, math.max
local time = ${time}
local seconds, micros = time[1] * 100000, time[2] / 10
local wall, wallCeil = seconds + floor(micros), seconds + ceil(micros)
local count, passes, books = #KEYS, true, ARGV[1] == '1'
local stored = count == 1 and { call('GET', KEYS[1]) } or call('MGET', unpack(KEYS))
local values, ttls, replies = {}, {}, {}

for i = 1, count do
  local at, state = 4 * i, stored[i]
  local limit, window, ttl, cost = ARGV[at - 2] + 0, ARGV[at - 1] + 0, ARGV[at], ARGV[at + 1] + 0
  local now, nowCeil, base, used, form, cells, resetAt = wall, wallCeil, wall, 0, 6, '', wall
  local size, format, from, own, lastEnds, lastGranted = 6, '>I5B', 22, ''
  if state then
    local last
    base, last, used, form = unpackCell('>ddI4B', state)
    if form > ${overridden} then
      limit, window = unpackCell('>I4I4', state, 22)
      own, from, form = sub(state, 22, 29), 30, form - ${overridden}
    end
    if form == 9 then size, format = 9, '>I5I4' end
    local back = last - wall
    if back > max(window, 10000) * 100 then
      base = base - back
      call('SETRANGE', KEYS[i], 0, packCell('>dd', base, wall))
    elseif back > 0 then
      now, nowCeil = last, max(last, wallCeil)
    end
    local pos, length, ends, granted = from, #state
    while pos <= length do
      ends, granted = unpackCell(format, state, pos)
      if base + ends > now then break end
      used, pos = used - granted, pos + size
    end
    if pos <= length then
      cells, lastEnds, lastGranted = sub(state, pos), ends, granted
      if pos + size <= length then lastEnds, lastGranted = unpackCell(format, state, length - size + 1) end
      resetAt = base + lastEnds
    end
  end
  local wait = 0
  if cost > limit then
    wait, passes = -1, false
  elseif used + cost > limit then
    local missing, untilAt, pos = used + cost - limit, wall, 1
    while missing > 0 do
      local ends, granted = unpackCell(format, cells, pos)
      untilAt, missing, pos = base + ends, missing - granted, pos + size
    end
    wait, passes = ceil((untilAt - wall) / 100), false
  end

  local untilAt, since, left, resetBefore = 0, base, limit - used, resetAt - wall
  if passes and books then
    local ticks, newSize = window * 100, 6
    untilAt = nowCeil + ticks
    if limit > 100 then
      local into = now % ticks
      untilAt, newSize = now - into + ceil((floor(into * 60 / ticks) + 61) * ticks / 60), 9
    end
    if not lastEnds or untilAt - base > 1099511627775 then since = now end
    local newFormat = newSize == 6 and '>I5B' or '>I5I4'
    if lastEnds and (newSize ~= size or since ~= base) then
      local rewritten = {}
      for pos = 1, #cells, size do
        local ends, granted = unpackCell(format, cells, pos)
        rewritten[#rewritten + 1] = packCell(newFormat, base + ends - since, granted)
      end
      cells = table.concat(rewritten)
    end
    local before, cell, after = cells, cost, ''
    if lastEnds and base + lastEnds >= untilAt then
      -- Where the window was longer before, or is for another instance, what is granted now is over before something else.
      local pos, ends, granted = #cells - newSize + 1, lastEnds + base - since, lastGranted
      while pos > newSize and since + ends > untilAt do
        pos = pos - newSize
        ends, granted = unpackCell(newFormat, cells, pos)
      end
      if since + ends > untilAt then
        before, after = '', cells
      elseif since + ends == untilAt then
        before, cell, after = sub(cells, 1, pos - 1), granted + cost, sub(cells, pos + newSize)
      else
        before, after = sub(cells, 1, pos + newSize - 1), sub(cells, pos + newSize)
      end
    end
    used, resetAt = used + cost, max(resetAt, untilAt)
    values[i] = packCell('>ddI4B', since, nowCeil, used, own == '' and newSize or newSize + ${overridden})
      .. own .. before .. packCell(newFormat, untilAt - since, cell) .. after
    -- A text, where it can be: Redis takes longer to write a number than to look for a key.
    if own ~= '' then
      ttl = '${overrideTtlMs}'
    elseif now > wall or resetAt - wall > ttl * 100 then
      ttl = max(ttl + ceil((now - wall) / 100), ceil((resetAt - wall) / 100))
    end
    ttls[i] = ttl
  end
  replies[i] = packCell('>dddddddd', limit, window, left, resetBefore, wait, untilAt, resetAt - wallCeil, since)
end

if passes and books then
  for i = 1, count do call('SET', KEYS[i], values[i], 'PX', ttls[i]) end
end
return count == 1 and replies[1] or table.concat(replies)
`)
}

/** Overrides under which nothing was granted for this long are forgotten: 90 days. */
export const overrideTtlMs: number = 7_776_000_000

/** Is added to the form of a key that has a limit and a window of its own. */
const overridden = 16

/**
 * Gives back what was booked. KEYS: the limits. ARGV: for each the base tick of the key, until which tick its booking counts,
 * and how much. With another base, the booking was forgotten with the key that it was in.
 */
export const refundScript: Script = script(`
for i = 1, #KEYS do
  local stored = redis.call('GET', KEYS[i])
  if stored then
    local untilAt, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local base, last, used, form = struct.unpack('>ddI4B', stored)
    local from, size = 22, form
    if form > ${overridden} then from, size = 30, form - ${overridden} end
    local format = size == 6 and '>I5B' or '>I5I4'
    local first = base == tonumber(ARGV[3 * i - 2]) and from or #stored + 1
    for pos = #stored - size + 1, first, -size do
      local ends, granted = struct.unpack(format, stored, pos)
      if base + ends == untilAt then
        cost = math.min(cost, granted)
        local cell = granted > cost and struct.pack(format, ends, granted - cost) or ''
        local value = struct.pack('>ddI4B', base, last, used - cost, form)
          .. string.sub(stored, 22, pos - 1) .. cell .. string.sub(stored, pos + size)
        redis.call('SET', KEYS[i], value, 'KEEPTTL')
        break
      end
    end
  end
end
return 1
`)

/** Forgets what was granted, and keeps limits of their own; also whatever another program wrote there. KEYS: the limits. */
export const resetScript: Script = script(`
for i = 1, #KEYS do
  local stored = redis.pcall('GET', KEYS[i])
  local own = type(stored) == 'string' and string.sub(stored, 22, 29) or ''
  local form = #own == 8 and string.byte(stored, 21)
  if form == ${overridden} + 6 or form == ${overridden} + 9 then
    redis.call('SET', KEYS[i], struct.pack('>ddI4B', 0, 0, 0, form) .. own, 'KEEPTTL')
  else
    redis.call('DEL', KEYS[i])
  end
end
return 1
`)

/**
 * Gives keys a limit of their own, or takes it back. KEYS: the limits. ARGV: limit and window in ms for each; a limit of 0
 * takes it back.
 */
export const overrideScript: Script = script(`
for i = 1, #KEYS do
  local limit, stored = tonumber(ARGV[2 * i - 1]), redis.call('GET', KEYS[i])
  local base, last, used, form = 0, 0, 0, 6
  local cells = ''
  if stored then
    base, last, used, form = struct.unpack('>ddI4B', stored)
    local from = 22
    if form > ${overridden} then from, form = 30, form - ${overridden} end
    cells = string.sub(stored, from)
  end
  if limit > 0 then
    local value = struct.pack('>ddI4BI4I4', base, last, used, form + ${overridden}, limit, tonumber(ARGV[2 * i])) .. cells
    redis.call('SET', KEYS[i], value, 'PX', ${overrideTtlMs})
  elseif stored then
    -- The clock may have stepped back since: then what was granted counts for that much longer by it.
    local time = ${serverTime}
    local wall = math.min(last, time[1] * 100000 + math.floor(time[2] / 10))
    local untilAt = cells == '' and wall or base + struct.unpack('>I5', cells, #cells - form + 1)
    local countsForMs = math.max(0, math.ceil((untilAt - wall) / 100))
    local value = struct.pack('>ddI4B', base, last, used, form) .. cells
    redis.call('SET', KEYS[i], value, 'PX', countsForMs + math.max(1000, math.ceil(countsForMs / 60)))
  end
end
return 1
`)

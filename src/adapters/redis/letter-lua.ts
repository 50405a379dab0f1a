/**
 * What scripts about letters have in common. `KEYS[1]` is the index of all letters of the organization that a script is
 * about; its other keys begin as that does and end in `l:<id>` (a letter), `i:<cell>` (an index), `cells` (the names of
 * those that hold letters, in order) and `s:<error type>` (the feed).
 */
export const letterLua = `
local call, sub, find, match = redis.call, string.sub, string.find, string.match
local floor, min, max = math.floor, math.min, math.max
local all = KEYS[1]
local prefix = sub(all, 1, -2)

local function cellOf(id)
  local version, cell = match(call('GETRANGE', prefix .. 'l:' .. id, 0, 1023) or '', '^(%d+) ([^\\n]*)\\n')
  return cell, version
end

local function feedOf(cell) return prefix .. 's:' .. match(cell, '^[^:]*') end

local function enter(id, at, cell, keptMs, isFed)
  local key = prefix .. 'i:' .. cell
  call('ZADD', key, at, id)
  if isFed then call('XADD', feedOf(cell), '*', 'id', id) end
  if call('ZCARD', key) == 1 then
    call('ZADD', prefix .. 'cells', 0, cell)
    call('PEXPIRE', feedOf(cell), keptMs)
  end
end

local function unindex(id, cell)
  local key = prefix .. 'i:' .. cell
  if call('ZREM', key, id) == 1 and call('EXISTS', key) == 0 then call('ZREM', prefix .. 'cells', cell) end
end

-- A letter goes for good, and leaves for a day that it did.
local function remove(id)
  local cell = cellOf(id)
  if not cell then return 0 end
  call('ZREM', all, id)
  unindex(id, cell)
  call('SET', prefix .. 'l:' .. id, 'gone', 'PX', 86400000)
  return 1
end

-- Says whether the letter has that version, and is another then.
local function replace(id, version, value, keptMs)
  local before, stands = cellOf(id)
  if stands ~= version then return 0 end
  local cell = match(value, '^%d+ ([^\\n]*)\\n')
  call('SET', prefix .. 'l:' .. id, value, 'KEEPTTL')
  if cell ~= before then
    unindex(id, before)
    enter(id, call('ZSCORE', all, id), cell, keptMs, feedOf(cell) ~= feedOf(before))
  end
  return 1
end
`

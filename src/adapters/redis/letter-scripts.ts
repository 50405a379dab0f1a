import { errorTypes } from './letter-keys.ts'
import { letterLua } from './letter-lua.ts'
import { type Script, script } from './run-script.ts'

/**
 * Adds letters. ARGV: ms that they are kept, since when feeds are (or '' where they were cut not long ago), then for each
 * letter: id, instant of creation, value, cell, how many there may be. Returns for each 1 (2 for the first of its
 * organization), 0 when there are too many, or the value that is there.
 */
export const addScript: Script = script(`${letterLua}
local keptMs, since, answers = ARGV[1], ARGV[2], {}
for i = 3, #ARGV, 5 do
  local id, at, cell = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  local key = prefix .. 'l:' .. id
  if not call('SET', key, ARGV[i + 2], 'NX', 'PX', keptMs) then
    answers[#answers + 1] = call('GET', key)
  else
    local letters = call('ZCARD', all)
    if letters >= ARGV[i + 4] + 0 then
      call('DEL', key)
      answers[#answers + 1] = 0
    else
      call('ZADD', all, at, id)
      enter(id, at, cell, keptMs, true)
      answers[#answers + 1] = letters == 0 and 2 or 1
    end
  end
end
if since ~= '' then
  for _, errorType in ipairs({ ${errorTypes.map((type) => `'${type}'`).join(', ')} }) do
    call('XTRIM', prefix .. 's:' .. errorType, 'MINID', '~', since)
    call('PEXPIRE', prefix .. 's:' .. errorType, keptMs)
  end
end
return answers
`)

/** ARGV: id, version before, value, ms that feeds are kept. Returns 1 if that version was there. */
export const replaceScript: Script = script(`${letterLua}
return replace(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
`)

/** ARGV: ids. Returns how many were there. */
export const removeScript: Script = script(`${letterLua}
local removed = 0
for i = 1, #ARGV do removed = removed + remove(ARGV[i]) end
return removed
`)

/**
 * Drops letters of before an instant. ARGV: the instant, how many at most. Returns how many, and when the oldest of those
 * that remain was created, if any do. An index without its letter, which expired, is cleaned.
 */
export const sweepScript: Script = script(`${letterLua}
local ids = call('ZRANGEBYSCORE', all, '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for i = 1, #ids do
  local cell = cellOf(ids[i])
  call('DEL', prefix .. 'l:' .. ids[i])
  call('ZREM', all, ids[i])
  if cell then
    unindex(ids[i], cell)
  else
    for _, other in ipairs(call('ZRANGE', prefix .. 'cells', 0, -1)) do unindex(ids[i], other) end
  end
end
return { #ids, call('ZRANGE', all, 0, 0, 'WITHSCORES')[2] }
`)

/**
 * How many letters there are in an organization, between two instants. ARGV: since, until.
 */
export const countAllScript: Script = script(`${letterLua}
return call('ZCOUNT', all, ARGV[1], ARGV[2])
`)

/**
 * Letters by cell. ARGV: since, until, after which cell, how many cells at most, `cells` (those with the names that follow)
 * or `begins` (those whose names begin so), names. Returns the last cell that was looked at, or '' at the end, then for each
 * that holds any: its name, how many, when the oldest was created.
 */
export const cellsScript: Script = script(`${letterLua}
local cells, next = {}, ''
if ARGV[5] == 'cells' then
  for i = 6, #ARGV do cells[i - 5] = ARGV[i] end
else
  cells = call('ZRANGEBYLEX', prefix .. 'cells', ARGV[3] == '' and '-' or '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])
  if #cells == tonumber(ARGV[4]) then next = cells[#cells] end
end
local function isWanted(cell)
  if ARGV[5] == 'cells' then return true end
  for i = 6, #ARGV do
    if sub(cell, 1, #ARGV[i]) == ARGV[i] then return true end
  end
  return false
end
local found = { next }
for _, cell in ipairs(cells) do
  local key = prefix .. 'i:' .. cell
  local count = isWanted(cell) and call('ZCOUNT', key, ARGV[1], ARGV[2]) or 0
  if count > 0 then
    local size = #found
    found[size + 1], found[size + 2], found[size + 3] = cell, count, call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  end
end
return found
`)

/** How many cells a listing goes through side by side; with more it goes through all letters. */
const sourcesMax = 64

/**
 * A part of a listing.
 *
 * ARGV: 1 most letters, 2 most to look at, 3 most bytes, 4 `new` or `old` (which come first), 5 and 6 the place behind which
 * it begins (instant, id; '' when it is at the beginning), 7 since, 8 until, 9 what is read of each: `ids`, `heads` or
 * `letters`, 10 `all`, `cells` (those with the names that follow) or `begins` (those whose names begin so), 11… names.
 *
 * Returns how it ended (`end`: nothing follows, `more`: something does, `cut`: something may), the instant and the id of the
 * last letter that was looked at, then for each that was found its id and what was read: its instant for `ids`.
 */
export const pageScript: Script = script(`${letterLua}
local limit, looksMax, bytesMax = ARGV[1] + 0, ARGV[2] + 0, ARGV[3] + 0
local newFirst, score, cursor, since, till, what = ARGV[4] == 'new', ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local sinceAt, tillAt = tonumber(since), tonumber(till)

-- As Redis compares: by bytes.
local function isBefore(one, other)
  for i = 1, min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function range(key, from, to)
  if newFirst then return call('ZREVRANGE', key, from, to, 'WITHSCORES') end
  return call('ZRANGE', key, from, to, 'WITHSCORES')
end

-- How many come before the place where the listing begins.
local function rankIn(key)
  local first = newFirst and call('ZCOUNT', key, '(' .. till, '+inf') or call('ZCOUNT', key, '-inf', '(' .. since)
  if score == '' then return first end
  local low = newFirst and call('ZCOUNT', key, '(' .. score, '+inf') or call('ZCOUNT', key, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', key, score, score)
  while low < high do
    local middle = floor((low + high) / 2)
    local id = range(key, middle, middle)[1]
    local isBehind = newFirst and isBefore(id, cursor) or not newFirst and isBefore(cursor, id)
    if isBehind then high = middle else low = middle + 1 end
  end
  return max(first, low)
end

-- The indexes that it goes through.
local function indexesOf()
  local cells, keys = {}, {}
  if ARGV[10] == 'all' then return { all } end
  for i = 11, #ARGV do
    if ARGV[10] == 'cells' then
      cells[#cells + 1] = ARGV[i]
    else
      local from, to = '[' .. ARGV[i], '(' .. sub(ARGV[i], 1, -2) .. ';'
      for _, cell in ipairs(call('ZRANGEBYLEX', prefix .. 'cells', from, to, 'LIMIT', 0, ${sourcesMax + 1})) do
        cells[#cells + 1] = cell
      end
    end
  end
  if #cells > ${sourcesMax} then return { all }, true end
  for _, cell in ipairs(cells) do
    local key = prefix .. 'i:' .. cell
    if call('EXISTS', key) == 1 then keys[#keys + 1] = key end
  end
  return keys
end

local indexes, wanted = indexesOf()
local reply, found, looks, bytes = { 'end', '', '' }, 0, 0, 0

local function add(id, value)
  local size = #reply
  reply[size + 1], reply[size + 2] = id, value
  found, bytes = found + 1, bytes + #value
end

-- Letters are read several at once, and few at once where they are large.
local most = 8
local function readAll(ids, from, to)
  local keys, before = {}, bytes
  for i = from, to do keys[#keys + 1] = prefix .. 'l:' .. ids[i] end
  for i, value in ipairs(call('MGET', unpack(keys))) do
    if value then add(ids[from + i - 1], value) end
  end
  most = max(1, min(100, floor(262144 * #keys / (bytes - before + 1))))
end

-- With one index there is nothing to merge, and no instant to look at.
if #indexes == 1 and not wanted and what == 'letters' then
  local key = indexes[1]
  local first = rankIn(key)
  local stop = newFirst and call('ZCOUNT', key, since, '+inf') or call('ZCOUNT', key, '-inf', till)
  local last = min(first + limit, stop) - 1
  if last < first then return reply end
  local ids, at = call(newFirst and 'ZREVRANGE' or 'ZRANGE', key, first, last), 0
  while at < #ids and bytes < bytesMax do
    local to = min(#ids, at + most)
    readAll(ids, at + 1, to)
    at = to
  end
  reply[1] = first + at == stop and 'end' or 'cut'
  if reply[1] == 'cut' and at == #ids then
    local follows = call(newFirst and 'ZREVRANGE' or 'ZRANGE', key, first + at, first + at)[1]
    if call('EXISTS', prefix .. 'l:' .. follows) == 1 then reply[1] = 'more' end
  end
  reply[2], reply[3] = call('ZSCORE', key, ids[at]), ids[at]
  return reply
end

local chunk = floor(min(limit, looksMax) / max(1, #indexes)) + 2
-- Makes the next letter of a source its head; says whether there is one.
local function advance(source)
  source.place = source.place + 2
  if source.place > #source.entries then
    if source.ended then return false end
    source.entries, source.place = range(source.key, source.next, source.next + chunk - 1), 1
    source.next, source.ended = source.next + chunk, #source.entries < 2 * chunk
    if #source.entries == 0 then return false end
  end
  source.id, source.score = source.entries[source.place], source.entries[source.place + 1]
  source.at = tonumber(source.score)
  if newFirst then return source.at >= sinceAt end
  return source.at <= tillAt
end

local sources = {}
for _, key in ipairs(indexes) do
  local source = { key = key, next = rankIn(key), entries = {}, place = 1 }
  if advance(source) then sources[#sources + 1] = source end
end

local function nearest()
  local best, which = sources[1], 1
  for i = 2, #sources do
    local other = sources[i]
    if other.at == best.at then
      if isBefore(other.id, best.id) ~= newFirst then best, which = other, i end
    elseif (other.at < best.at) ~= newFirst then
      best, which = other, i
    end
  end
  return best, which
end

local function isWanted(id)
  local cell = cellOf(id)
  for i = 11, #ARGV do
    if cell and sub(cell, 1, #ARGV[i]) == ARGV[i] then return true end
  end
  return false
end

local function headOf(id)
  local key = prefix .. 'l:' .. id
  local head = call('GETRANGE', key, 0, 4095)
  local first = find(head, '\\n', 1, true)
  local second = first and find(head, '\\n', first + 1, true)
  if first and not second then
    head = call('GET', key)
    second = find(head, '\\n', first + 1, true)
  end
  return second and sub(head, 1, second - 1)
end

local unread = {}
local function take(id, at)
  if what == 'ids' then return add(id, at) end
  if what == 'letters' then
    unread[#unread + 1] = id
    if #unread < most and found + #unread < limit then return end
    readAll(unread, 1, #unread)
    unread = {}
    return
  end
  local head = headOf(id)
  if head then add(id, head) end
end

while #sources > 0 do
  local source, which = nearest()
  local id, at = source.id, source.score
  if found == limit then
    reply[1] = not wanted and call('EXISTS', prefix .. 'l:' .. id) == 1 and 'more' or 'cut'
    break
  end
  if looks == looksMax or bytes >= bytesMax then
    reply[1] = 'cut'
    break
  end
  if not advance(source) then table.remove(sources, which) end
  looks, reply[2], reply[3] = looks + 1, at, id
  if not wanted or isWanted(id) then take(id, at) end
end
if #unread > 0 then readAll(unread, 1, #unread) end
return reply
`)

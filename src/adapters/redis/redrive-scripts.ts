import { letterLua } from './letter-lua.ts'
import { type Script, script } from './run-script.ts'

/** Facts of a job that change, in the order in which scripts give them, after the server's time. */
export const jobFacts: readonly JobFact[] = [
  ...(['state', 'pausedUntil', 'total', 'fed', 'fedAll', 'cursor'] as const),
  ...(['delivered', 'failed', 'parked', 'skipped'] as const),
]

export type JobFact =
  | ('state' | 'pausedUntil' | 'total' | 'fed' | 'fedAll' | 'cursor')
  | ('delivered' | 'failed' | 'parked' | 'skipped')

/**
 * What scripts about jobs have in common. ARGV[1] is the second half of a job's id. `job:<id>` is a hash of what is known of
 * it, `rd:<id>` a stream of the ids of its letters with one consumer group, `rb:<id>` those that were given back by when
 * they may be taken again (`<entry that it was in the stream> <id of the letter>`), `jobs` the jobs by when they were
 * started, and `cl:<id of a letter>` in whose hands that letter is: until when, the job, a line break, the turn.
 *
 * A turn is `<entry in the stream> <number> <id of the letter>`. An entry counts as left behind once it was idle for a day,
 * so whoever takes one for a while makes it idle for a day without that while: so the lease is kept by the server's own
 * clock, with a length that each taker chooses.
 */
const jobLua = `${letterLua}
local dayMs = 86400000
local jobId = ARGV[1]
local job, stream, jobs = prefix .. 'job:' .. jobId, prefix .. 'rd:' .. jobId, prefix .. 'jobs'
local back = prefix .. 'rb:' .. jobId
local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000

local function seen()
  return { string.format('%.0f', now), unpack(call('HMGET', job, '${jobFacts.join("', '")}')) }
end

-- Redis refuses what needs memory, when it has none left, to scripts that have changed nothing yet: but a redrive is what
-- makes room.
local function evenIfFull() call('PEXPIRE', job, dayMs) end

local function changed()
  local facts = call('HMGET', job, 'state', 'fedAll', 'fed', 'delivered', 'failed', 'parked', 'skipped')
  local done = facts[4] + facts[5] + facts[6] + facts[7]
  if facts[1] == 'running' and facts[2] == '1' and done == tonumber(facts[3]) then call('HSET', job, 'state', 'done') end
  for _, key in ipairs({ job, stream, back, jobs }) do call('PEXPIRE', key, dayMs) end
end

local function claimKey(id) return prefix .. 'cl:' .. id end
local function partsOf(turn) return match(turn, '^(%S+) %d+ (.*)$') end

local function claim(entry, turn, id, by, leaseMs)
  local ms = min(dayMs, leaseMs)
  call('XCLAIM', stream, 'w', by, 0, entry, 'IDLE', string.format('%.0f', dayMs - ms), 'JUSTID')
  call('SET', claimKey(id), string.format('%.0f ', now + ms) .. jobId .. '\\n' .. turn, 'PX', dayMs)
end

-- Until when a letter is in somebody's hands, and in whose.
local function claimOn(id)
  local ends, whose = match(call('GET', claimKey(id)) or '', '^(%d+) (.*)$')
  return tonumber(ends or 0), whose
end

local function isHeld(turn)
  local _, id = partsOf(turn)
  if not id then return false end
  local _, whose = claimOn(id)
  return whose == jobId .. '\\n' .. turn and call('EXISTS', job) == 1
end

local function settled(entry)
  call('XACK', stream, 'w', entry)
  call('XDEL', stream, entry)
end
`

/** Jobs of an organization that are remembered; more than those that are not over are not started. */
export const jobsMax = 1_000

/**
 * ARGV: job, plan as JSON, when it was started, most letters, rate or '', 1 if parked letters are meant too. Returns 0 when
 * there are too many that are not over.
 */
export const startScript: Script = script(`${jobLua}
if call('EXISTS', job) == 1 then return 1 end
if call('ZCARD', jobs) >= ${jobsMax} then
  local over
  for _, id in ipairs(call('ZRANGE', jobs, 0, -1)) do
    if call('HGET', prefix .. 'job:' .. id, 'state') ~= 'running' then
      over = id
      break
    end
  end
  if not over then return 0 end
  call('ZREM', jobs, over)
end
evenIfFull()
call('HSET', job, 'plan', ARGV[2], 'state', 'running', 'total', ARGV[4], 'rate', ARGV[5], 'parkedToo', ARGV[6],
  'fed', 0, 'fedAll', 0, 'cursor', '', 'delivered', 0, 'failed', 0, 'parked', 0, 'skipped', 0, 'turns', 0, 'slot', 0)
call('XGROUP', 'CREATE', stream, 'w', '0', 'MKSTREAM')
call('ZADD', jobs, ARGV[3], jobId)
changed()
return 1
`)

/** ARGV: job. Returns its facts, or nothing. */
export const seeScript: Script = script(`${jobLua}
return call('EXISTS', job) == 1 and seen()
`)

/** ARGV: '', 1 for those alone that are not over. Returns the newest 100 jobs that are not forgotten. */
export const listScript: Script = script(`${jobLua}
local found = {}
for _, id in ipairs(call('ZREVRANGE', jobs, 0, -1)) do
  if #found == 100 then break end
  local state = call('HGET', prefix .. 'job:' .. id, 'state')
  if not state then
    call('ZREM', jobs, id)
  elseif ARGV[2] == '0' or state == 'running' then
    found[#found + 1] = id
  end
end
return found
`)

/** ARGV: job, cursor, next cursor or '', ids of letters. Returns 1 if they were put in. */
export const feedScript: Script = script(`${jobLua}
local facts = call('HMGET', job, 'state', 'fedAll', 'cursor')
if facts[1] ~= 'running' or facts[2] == '1' or facts[3] ~= ARGV[2] then return 0 end
evenIfFull()
for i = 4, #ARGV do call('XADD', stream, '*', 'id', ARGV[i]) end
local fed = call('HINCRBY', job, 'fed', #ARGV - 3)
call('HSET', job, 'cursor', ARGV[3])
if ARGV[3] == '' then call('HSET', job, 'fedAll', 1, 'total', fed) end
changed()
return 1
`)

/** Letters that one taking skips, and bytes that it reads, at most. */
const skipsMax = 500
const bytesMax = 4_194_304

/**
 * ARGV: job, who takes, most letters, lease in ms. Returns nothing when there is no such job, else its facts, a list with
 * four values for each letter (turn, id, value, ms until it is due), and the ids of those that were skipped.
 */
export const takeScript: Script = script(`${jobLua}
local facts = call('HMGET', job, 'state', 'pausedUntil', 'rate', 'parkedToo', 'slot', 'scan', 'fedAll')
if not facts[1] then return false end
local by, most, leaseMs = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local rate, slot, work, skipped, bytes = tonumber(facts[3]), tonumber(facts[5]), {}, {}, 0
local from, tries = facts[6] or '0-0', 0

-- One that nobody has had.
local function newEntry()
  local reply = call('XREADGROUP', 'GROUP', 'w', by, 'COUNT', 1, 'STREAMS', stream, '>')
  return reply and reply[1][2][1]
end

-- Left behind, or new, or, once all are in, given back: that goes through the stream again.
local function nextEntry()
  while from and tries < 100 do
    tries = tries + 1
    local reply = call('XAUTOCLAIM', stream, 'w', by, dayMs, from, 'COUNT', 1)
    from = reply[1] ~= '0-0' and reply[1] or nil
    if reply[2][1] then return reply[2][1] end
  end
  local new = newEntry()
  if new or facts[7] ~= '1' then return new end
  local due = call('ZRANGEBYSCORE', back, '-inf', now, 'LIMIT', 0, 1)[1]
  if not due then return nil end
  call('ZREM', back, due)
  call('XADD', stream, '*', 'id', match(due, ' (.*)$'))
  return newEntry()
end

local function mayTake(entry, id)
  local cell = cellOf(id)
  if not cell or (match(cell, '^[^:]*:(%d)') == '1' and facts[4] ~= '1') then return false end
  local ends, whose = claimOn(id)
  local own = jobId .. '\\n' .. entry .. ' '
  return ends <= now or sub(whose, 1, #own) == own
end

if facts[1] == 'running' and tonumber(facts[2] or 0) <= now then
  while #work < 4 * most and #skipped < ${skipsMax} and bytes < ${bytesMax} do
    local found = nextEntry()
    if not found then break end
    local entry, id = found[1], found[2][2]
    if mayTake(entry, id) then
      local turn = entry .. ' ' .. call('HINCRBY', job, 'turns', 1) .. ' ' .. id
      claim(entry, turn, id, by, leaseMs)
      local slotAt = rate and max(now, slot) or now
      if rate then slot = slotAt + 1000 / rate end
      local value, size = call('GET', prefix .. 'l:' .. id), #work
      work[size + 1], work[size + 2], work[size + 3] = turn, id, value
      work[size + 4] = string.format('%.3f', slotAt - now)
      bytes = bytes + #value
    else
      settled(entry)
      skipped[#skipped + 1] = id
    end
  end
  -- Behind many that are not to be taken yet the next taking goes on.
  if tries == 100 and from then call('HSET', job, 'scan', from) elseif facts[6] then call('HDEL', job, 'scan') end
  if #work > 0 or #skipped > 0 then
    call('HINCRBY', job, 'skipped', #skipped)
    call('HSET', job, 'slot', slot)
    changed()
  end
end
return { seen(), work, skipped }
`)

/** ARGV: job, lease in ms, turns. Returns those that were still held. */
export const renewScript: Script = script(`${jobLua}
local held = {}
for i = 3, #ARGV do
  local entry, id = partsOf(ARGV[i])
  local pending = isHeld(ARGV[i]) and call('XPENDING', stream, 'w', entry, entry, 1)[1]
  if pending then
    claim(entry, ARGV[i], id, pending[2], tonumber(ARGV[2]))
    held[#held + 1] = ARGV[i]
  end
end
if #held > 0 then changed() end
return held
`)

/**
 * ARGV: job, turn, outcome, the version that is replaced, what it is replaced by or '', ms that feeds are kept. Returns the
 * facts of the job, `lost` or `changed`.
 */
export const settleScript: Script = script(`${jobLua}
local turn, outcome, value = ARGV[2], ARGV[3], ARGV[5]
if not isHeld(turn) then return 'lost' end
evenIfFull()
local entry, id = partsOf(turn)
if value ~= '' and cellOf(id) and replace(id, ARGV[4], value, ARGV[6]) == 0 then return 'changed' end
if outcome == 'delivered' then remove(id) end
settled(entry)
call('DEL', claimKey(id))
call('HINCRBY', job, outcome, 1)
changed()
return seen()
`)

/** ARGV: job, turn, for how many ms nobody is to take it. */
export const giveBackScript: Script = script(`${jobLua}
if not isHeld(ARGV[2]) then return 0 end
local entry, id = partsOf(ARGV[2])
settled(entry)
call('ZADD', back, now + min(dayMs, ARGV[3]), entry .. ' ' .. id)
call('DEL', claimKey(id))
changed()
return 1
`)

/** ARGV: job, for how many ms. */
export const pauseScript: Script = script(`${jobLua}
if call('HGET', job, 'state') ~= 'running' then return 0 end
evenIfFull()
call('HSET', job, 'pausedUntil', now + ARGV[2])
changed()
return 1
`)

/** ARGV: job. Returns 1 if it ran. */
export const cancelScript: Script = script(`${jobLua}
if call('HGET', job, 'state') ~= 'running' then return 0 end
evenIfFull()
call('HSET', job, 'state', 'cancelled')
changed()
return 1
`)

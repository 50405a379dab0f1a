import { type Script, script } from './run-script.ts'

/** Letters of a token. */
export const tokenLength = 22

/**
 * An entry is a version byte, the tokens of the organization and of the scope, how long it may be served as stale (8 digits
 * of hexadecimal, in ms), and the body. The tokens stand in a hash by scope. A lease is the tokens that it was given under,
 * and whose it is: once they were replaced, what is being loaded is of no use, and the next takes the lease over.
 */
const entryVersion = 'v'

/** How long tokens outlive the last that was loaded under them, in ms: a day, or longer where values live longer. */
export const tokensTtlMs = 86_400_000

const current = `
local call, sub = redis.call, string.sub
local function tokensOf(scope)
  local tokens = call('HMGET', KEYS[2], 'all', scope)
  if tokens[1] and tokens[2] then return tokens[1] .. tokens[2] end
end
`

/**
 * Finds a value. KEYS: the entry, the tokens, the lease. ARGV: scope, and where a lease is asked for: who asks, for how many
 * ms, two new tokens. Returns what was found (`hit`, `miss`, `lead`, `wait`), then ms that it is fresh and the entry, where
 * there is one; with `lead`, the tokens first.
 */
export const findScript: Script = script(`${current}
local entry, tokens = call('GET', KEYS[1]), tokensOf(ARGV[1])
local left, found = 0, false
if entry and tokens and sub(entry, 2, ${1 + 2 * tokenLength}) == tokens then
  local ms = call('PTTL', KEYS[1])
  found, left = ms > 0, ms - tonumber(sub(entry, ${2 + 2 * tokenLength}, ${9 + 2 * tokenLength}), 16)
end
if found and left > 0 then return { 'hit', left, entry } end
if not ARGV[2] then return { 'miss' } end
if not tokens then
  call('HSETNX', KEYS[2], 'all', ARGV[4])
  call('HSETNX', KEYS[2], ARGV[1], ARGV[5])
  tokens = tokensOf(ARGV[1])
end
local lease = call('GET', KEYS[3])
if lease and lease ~= tokens .. ARGV[2] and sub(lease, 1, ${2 * tokenLength}) == tokens then
  return { 'wait', found and entry }
end
call('SET', KEYS[3], tokens .. ARGV[2], 'PX', ARGV[3])
if call('PTTL', KEYS[2]) < ${tokensTtlMs} then call('PEXPIRE', KEYS[2], ${tokensTtlMs}) end
return { 'lead', tokens, found and entry }
`)

/**
 * Keeps what was loaded, if its lease and its tokens still hold. KEYS: the entry, the tokens, the lease. ARGV: scope, whose
 * load, its tokens, ms that it is kept, ms of those that it is stale (8 digits), body. Returns 1 if it was kept.
 */
export const keepScript: Script = script(`${current}
if call('GET', KEYS[3]) ~= ARGV[3] .. ARGV[2] then return 0 end
call('DEL', KEYS[3])
if tokensOf(ARGV[1]) ~= ARGV[3] then return 0 end
call('SET', KEYS[1], '${entryVersion}' .. ARGV[3] .. ARGV[5] .. ARGV[6], 'PX', ARGV[4])
if call('PTTL', KEYS[2]) < tonumber(ARGV[4]) then call('PEXPIRE', KEYS[2], ARGV[4]) end
return 1
`)

/**
 * Keeps a value that was not loaded, and tells it. KEYS: the entry, the tokens, the lease. ARGV: scope, two new tokens, ms
 * that it is kept, ms of those that it is stale (8 digits), body, channel, news.
 */
export const writeScript: Script = script(`${current}
call('HSETNX', KEYS[2], 'all', ARGV[2])
call('HSETNX', KEYS[2], ARGV[1], ARGV[3])
call('SET', KEYS[1], '${entryVersion}' .. tokensOf(ARGV[1]) .. ARGV[5] .. ARGV[6], 'PX', ARGV[4])
if call('PTTL', KEYS[2]) < tonumber(ARGV[4]) then call('PEXPIRE', KEYS[2], math.max(ARGV[4], ${tokensTtlMs})) end
call('DEL', KEYS[3])
call('PUBLISH', ARGV[7], ARGV[8])
return 1
`)

/** Prolongs a lease, or ends it. KEYS: the lease. ARGV: whose, for how many ms (0 ends it). */
export const renewScript: Script = script(`
local lease = redis.call('GET', KEYS[1])
if not lease or string.sub(lease, ${1 + 2 * tokenLength}) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

/** Removes a value and whoever is loading it. KEYS: the entry, the lease. ARGV: channel, news. */
export const removeScript: Script = script(`
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
`)

/** Replaces a token. KEYS: the tokens. ARGV: scope, token, channel, news. */
export const invalidateScript: Script = script(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < ${tokensTtlMs} then redis.call('PEXPIRE', KEYS[1], ${tokensTtlMs}) end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
`)

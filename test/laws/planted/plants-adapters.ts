import type { Plant } from './plant.ts'

const jobs = 'src/adapters/memory/redrive-jobs.ts'
const limiter = 'src/adapters/memory/limiter.ts'
const cache = 'src/adapters/memory/shared-cache.ts'
const letters = 'src/adapters/memory/letters.ts'
const window = 'src/ports/sliding-window.ts'

/** Bugs in what keeps things. */
export const adapterPlants: readonly Plant[] = [
  {
    name: 'a refusal debits',
    file: limiter,
    find: 'const booked = books && waitMs === 0',
    replace: 'const booked = books && waitMs < Infinity',
    law: 'limiter.all-or-nothing',
  },
  {
    name: 'a stale owner completes a job',
    file: jobs,
    find: 'const held = job?.turns.get(turn)\n      if (job === undefined || held === undefined || claims.get(held.letterId) !== held)',
    replace:
      'const held = job?.turns.get(turn) ?? everHeld.get(`${id} ${turn}`)\n      if (job === undefined || held === undefined)',
    and: [
      {
        find: 'claims = new Map<string, Turn>()',
        replace: 'claims = new Map<string, Turn>(), everHeld = new Map<string, Turn>()',
      },
      {
        find: 'claims.set(held.letterId, held)',
        replace: 'claims.set(held.letterId, held), everHeld.set(`${job.plan.id} ${turn}`, held)',
      },
    ],
    law: 'portContracts.letterStore',
  },
  {
    name: 'a letter that somebody has is given to another job',
    file: jobs,
    find: 'return (claims.get(letter.header.id)?.endsAt ?? 0) <= clock.monotonic()',
    replace: 'return true',
    law: 'deadLetters.redrive-once',
  },
  {
    name: 'a delivered letter stays in the queue',
    file: jobs,
    find: "if (outcome === 'delivered') letters.remove(letterId)",
    replace: '',
    law: 'deadLetters.redrive-once',
  },
  {
    name: 'an id that is there already is written over',
    file: letters,
    find: "if (existing !== undefined) return { status: 'present', letter: existing }",
    replace: '',
    law: 'deadLetters.kill',
  },
  {
    name: 'a letter that was delivered is added again',
    file: letters,
    find: "if (gone.has(id)) return { status: 'gone' }",
    replace: '',
    law: 'deadLetters.kill',
  },
  {
    name: 'a count that looks at every second letter',
    file: letters,
    find: 'const count = part.letters.filter((letter) => letterMatches(letter, filter)).length',
    replace: 'const count = part.letters.filter((letter, n) => n % 2 === 0 && letterMatches(letter, filter)).length',
    law: 'deadLetters.index',
  },
  {
    name: 'organizations share a key',
    file: cache,
    find: 'return JSON.stringify([organization, kind, key])\n}',
    replace: 'return JSON.stringify([kind, key])\n}',
    law: 'cache.isolated',
  },
  {
    name: 'an invalidation that nobody is told of',
    file: cache,
    find: 'tokens.delete(JSON.stringify([news.organization, news.scope]))\n      tell(news)',
    replace: 'tokens.delete(JSON.stringify([news.organization, news.scope]))',
    law: 'cache.bounded-staleness',
  },
  {
    name: 'a lease for loading is given to everybody',
    file: cache,
    find: "if (lease !== undefined && lease.by !== by) return { status: 'wait', stale }",
    replace: '',
    law: 'cache.one-load',
  },
  {
    name: 'what is granted counts a sixtieth of the window too short',
    file: window,
    find: '((slot + subWindows + 1) * windowMs)',
    replace: '((slot + subWindows) * windowMs)',
    law: 'limiter.never-over',
  },
  {
    name: 'a grant at the edge of the window is forgotten',
    file: window,
    find: '(state.grants[gone]?.untilAt ?? 0) <= time',
    replace: '(state.grants[gone]?.untilAt ?? 0) <= time + 1',
    law: 'limiter.never-over',
  },
  {
    name: 'a clock that steps back mints permits',
    file: window,
    find: 'const time = Math.max(now, state.lastAt)',
    replace: 'const time = now',
    law: 'limiter.clock-back',
  },
  {
    name: 'a cost above the limit is told to wait',
    file: window,
    find: 'cost > limit ? Infinity : waitFor',
    replace: 'waitFor',
    law: 'limiter.recovers',
  },
  {
    name: 'a wait that is 1 ms too short',
    file: window,
    find: 'return Math.ceil(untilAt - now)',
    replace: 'return Math.ceil(untilAt - now) - 1',
    law: 'limiter.truthful',
  },
]

/** Bugs in what keeps things elsewhere: they take a server to be seen. */
export const serverPlants: readonly Plant[] = [
  {
    name: 'an append in NATS that compares nothing',
    file: 'src/adapters/nats/append.ts',
    find: 'expect: { lastSubjectSequence: expected, streamName: subjects.stream }',
    replace: 'expect: { streamName: subjects.stream }',
    law: 'portContracts.eventLog on NATS',
  },
  {
    name: 'an append in NATS that is sent again as another one',
    file: 'src/adapters/nats/append.ts',
    find: 'msgID: id,',
    replace: 'msgID: `${id} ${Math.random()}`,',
    law: 'portContracts.eventLog on NATS',
  },
  {
    name: 'limits in Redis that book what passes, and refuse the rest',
    file: 'src/adapters/redis/limit-scripts.ts',
    find: "if passes and books then\n  for i = 1, count do call('SET'",
    replace: "if books then\n  for i = 1, count do if values[i] then call('SET'",
    and: [{ find: "'PX', ttls[i]) end\nend", replace: "'PX', ttls[i]) end end\nend" }],
    law: 'portContracts.limiter on Redis',
  },
  {
    name: 'a limit in Redis that is one too high',
    file: 'src/adapters/redis/limit-scripts.ts',
    find: 'elseif used + cost > limit then',
    replace: 'elseif used + cost > limit + 1 then',
    law: 'portContracts.limiter on Redis',
  },
  {
    name: 'a letter in Redis that two jobs have at once',
    file: 'src/adapters/redis/redrive-scripts.ts',
    find: 'return ends <= now or sub(whose, 1, #own) == own',
    replace: 'return true',
    law: 'portContracts.letterStore on Redis',
  },
  {
    name: 'a load in Redis that is kept over an invalidation that came meanwhile',
    file: 'src/adapters/redis/cache-scripts.ts',
    find: "if tokensOf(ARGV[1]) ~= ARGV[3] then return 0 end\ncall('SET', KEYS[1], '${entryVersion}' .. ARGV[3] ..",
    replace: "call('SET', KEYS[1], '${entryVersion}' .. tokensOf(ARGV[1]) ..",
    law: 'portContracts.cache on Redis',
  },
]

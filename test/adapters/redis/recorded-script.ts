import { checkScript } from '../../../src/adapters/redis/limit-scripts.ts'
import { type Script, script } from '../../../src/adapters/redis/run-script.ts'

/** One request as Redis decided it, in the order in which it did. */
export interface Recorded {
  /** The clock that the script saw, in microseconds. */
  readonly us: number
  readonly asked: readonly {
    readonly name: string
    readonly limit: number
    readonly windowMs: number
    readonly cost: number
  }[]
  readonly standings: readonly { readonly remaining: number; readonly waitMs: number }[]
}

/** The script that checks, which also writes down what it decided, by a clock that is `skew` microseconds wrong. */
export function recordedScript(): Script {
  const source = `
local SKEWED = (function()
  local time, skew = redis.call('TIME'), tonumber(redis.call('GET', 'skew') or '0')
  local us = time[1] * 1000000 + time[2] + skew
  return { math.floor(us / 1000000), us % 1000000 }
end)()
local answer = (function() ${checkScript('SKEWED').source} end)()
local facts = {}
for pos = 1, #answer, 8 do facts[#facts + 1] = (struct.unpack('>d', answer, pos)) end
redis.call('RPUSH', 'log', cjson.encode({ SKEWED, KEYS, ARGV, facts }))
return answer`
  return script(source)
}

export function readRecord(line: string): Recorded {
  const [time, keys, argv, answer] = JSON.parse(line) as [[number, number], string[], string[], number[]]
  const count = answer.length / 8
  const asked = Array.from({ length: count }, (_, index) => {
    const name = keys[index]?.split(':').at(-1) ?? ''
    const [limit, windowMs, , cost] = argv.slice(4 * index + 1, 4 * index + 5)
    return { name, limit: Number(limit), windowMs: Number(windowMs), cost: Number(cost) }
  })
  const passed = asked.every((_, index) => answer[8 * index + 4] === 0)
  const standings = asked.map(({ cost }, index) => ({
    remaining: (answer[8 * index + 2] ?? 0) - (passed ? cost : 0),
    waitMs: answer[8 * index + 4] ?? 0,
  }))
  return { us: time[0] * 1_000_000 + time[1], asked, standings }
}

import { parseArgs } from 'node:util'
import type { Bench } from './harness.ts'
import { json, table } from './table.ts'

/** `npm run bench`: measures what was named, or everything, and prints tables or lines of JSON. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  breaker: async () => (await import('./breaker.ts')).breakerBench,
  cache: async () => (await import('./cache.ts')).cacheBench,
  'dead-letters': async () => (await import('./dead-letters.ts')).deadLettersBench,
  fleet: async () => (await import('./fleet.ts')).fleetBench,
  limiter: async () => (await import('./limiter.ts')).limiterBench,
  retry: async () => (await import('./retry.ts')).retryBench,
  service: async () => (await import('./service.ts')).serviceBench,
  simulate: async () => (await import('./simulate.ts')).simulateBench,
}

const help = `Usage: npm run bench -- [name…] [--json]
Measures ${Object.keys(benches).join(', ')}, or those that are named, and prints a table of ratios beside their goals.
  --json   one line of JSON for each instead (with npm run --silent, nothing else on stdout)
  --help   this text
`

// Some peers leave timers that would keep the process.
process.exit(await main(process.argv.slice(2)))

async function main(args: readonly string[]): Promise<number> {
  const command = parse(args)
  if (typeof command === 'string') {
    process.stderr.write(`${command}\n\n${help}`)
    return 2
  }
  if (command.help) {
    process.stdout.write(help)
    return 0
  }
  for (const load of command.chosen) {
    const bench = await load()
    const measured = await bench.run()
    process.stdout.write(`${command.json ? json(bench, measured) : table(bench, measured)}\n`)
  }
  return 0
}

/** What to do, or what is wrong with how it was asked for. */
function parse(args: readonly string[]): { help: boolean; json: boolean; chosen: (() => Promise<Bench>)[] } | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    })
    const unknown = positionals.find((name) => !Object.hasOwn(benches, name))
    if (unknown !== undefined) return `there is no bench "${unknown}"; there are ${Object.keys(benches).join(', ')}`
    const chosen = Object.entries(benches).filter(([name]) => positionals.length === 0 || positionals.includes(name))
    return { ...values, chosen: chosen.map(([, load]) => load) }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

import type { CommandDef } from 'citty'
import { ConfigError } from '../index.ts'
import type { LawResult, VerificationReport } from '../testing.ts'
import { readConfiguration, seedOf } from './configuration-file.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { countOf, isGiven, textOf, type Given } from './given.ts'
import { openDoor } from './open-door.ts'
import { screenOn, type Screen } from './screen.ts'
import { table } from './table.ts'
import { writeFile } from './write-file.ts'

/** The laws, on a configuration. Needs no server; handlers are code, and verified in tests. */
export const verify: CommandDef = {
  meta: { name: 'verify', description: 'Tries the laws on your configuration: what must hold whatever goes wrong' },
  args: {
    config: {
      type: 'string',
      valueHint: 'FILE',
      description: 'A configuration as JSON: breakers, retry, limits, deadlineMs',
    },
    runs: { type: 'string', valueHint: 'NUMBER', description: 'How many cases of each law; 200' },
    ms: { type: 'string', valueHint: 'NUMBER', description: 'How long all of them may take, in ms; 10000' },
    seed: {
      type: 'string',
      valueHint: 'NUMBER',
      description: 'The same seed tries the same cases; another one each time',
    },
    junit: { type: 'string', valueHint: 'FILE', description: 'Writes a report for CI servers there' },
    json: { type: 'boolean', description: 'For programs' },
  },
  run: ({ args }) => run(args),
}

async function run(given: Given): Promise<ExitCode> {
  const screen = screenOn(process.stdout, isGiven(given, 'json'))
  const file = textOf(given, 'config')
  if (file === undefined) throw new ConfigError('--config', 'expected a file of JSON with the configuration')
  const { check, toJUnit } = await openDoor(() => import('../testing.ts'), 'fast-check')
  const report = await check({
    config: readConfiguration(file),
    seed: seedOf(given),
    budget: { runs: countOf(given, 'runs', 1_000_000), ms: countOf(given, 'ms', 86_400_000) },
  })
  const junit = textOf(given, 'junit')
  if (junit !== undefined) writeFile('--junit', junit, toJUnit(report))
  if (screen.json) screen.printJson(report)
  else show(report, screen)
  return report.ok ? exitCodes.fine : exitCodes.broken
}

function show({ laws, seed, durationMs }: VerificationReport, screen: Screen): void {
  const rows = laws.map(({ name, status, runs, reason = '' }) => {
    const [first = ''] = reason.split('\n')
    return [status === 'notApplicable' ? 'not applicable' : status, name, String(runs), first].map((text) => ({ text }))
  })
  screen.print(table(['RESULT', 'LAW', 'CASES', 'WHY'], rows, process.stdout.columns))
  for (const law of laws) if (isBroken(law)) screen.print(`\n${told(law)}`)
  const broken = laws.filter(isBroken).length
  const tried = laws.filter(({ runs }) => runs > 0).length
  const seconds = (durationMs / 1_000).toFixed(1)
  screen.print(`\n${tried} laws tried in ${seconds} s, ${broken === 0 ? 'none' : broken} broken; seed ${seed}`)
}

function isBroken({ status }: LawResult): boolean {
  return status === 'failed' || status === 'vacuous'
}

function told({ name, reason = '', story, cause, seed }: LawResult): string {
  return [
    `${name}: ${reason}`,
    ...(story === undefined ? [] : ['', story, '']),
    ...(cause === undefined ? [] : [`cause: ${cause.path}: ${cause.message}`]),
    ...(seed === undefined ? [] : [`again: --seed ${seed}`]),
  ].join('\n')
}

import type { CommandDef } from 'citty'
import { ConfigError } from '../index.ts'
import type { OutageOptions, Scenario, SimulateOptions, SimulationOutcome } from '../testing.ts'
import { readConfiguration, seedOf } from './configuration-file.ts'
import { parseDuration } from './duration.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { countOf, isGiven, textOf, type Given } from './given.ts'
import { openDoor } from './open-door.ts'
import { screenOn, type Screen } from './screen.ts'
import { simulationPage } from './simulate-page.ts'
import { simulationTable } from './simulate-table.ts'
import { writeFile } from './write-file.ts'

/** A configuration, on a simulated fleet, through trouble. Needs no server. */
export const simulate: CommandDef = {
  meta: {
    name: 'simulate',
    description:
      'Your configuration on a simulated fleet, through an outage and other trouble, beside a fleet without it',
  },
  args: {
    config: {
      type: 'string',
      valueHint: 'FILE',
      description: 'A configuration as JSON: breakers, retry, deadlineMs; the defaults without',
    },
    scenario: {
      type: 'string',
      valueHint: 'NAME',
      description: 'outage, slow, flapping, rateLimited or partiallySick; outage',
    },
    of: { type: 'string', valueHint: 'BREAKER', description: 'Whose dependency is in trouble; the first of the file' },
    from: { type: 'string', valueHint: 'TIME', description: 'When it begins; 10s' },
    for: { type: 'string', valueHint: 'TIME', description: 'How long it lasts; 60s' },
    instances: { type: 'string', valueHint: 'NUMBER', description: 'How many there are, up to 10000; 10' },
    calls: { type: 'string', valueHint: 'NUMBER', description: 'Calls a second for each instance, up to 1000; 60' },
    faults: {
      type: 'string',
      valueHint: 'KINDS',
      description: 'What else goes wrong: all, none, or kinds with commas; all',
    },
    seed: {
      type: 'string',
      valueHint: 'NUMBER',
      description: 'The same seed gives the same run; another one each time',
    },
    html: { type: 'string', valueHint: 'FILE', description: 'Writes a page with a timeline there' },
    json: { type: 'boolean', description: 'For programs' },
  },
  run: ({ args }) => run(args),
}

async function run(given: Given): Promise<ExitCode> {
  const screen = screenOn(process.stdout, isGiven(given, 'json'))
  const { simulate, SimulationError, ...scenarios } = await openDoor(() => import('../testing.ts'), 'fast-check')
  const file = textOf(given, 'config')
  const config: Configuration = file === undefined ? { breakers: { default: {} } } : readConfiguration(file)
  const options: SimulateOptions = {
    config,
    scenario: scenarioOf(given, config, scenarios),
    instances: countOf(given, 'instances', 10_000),
    seed: seedOf(given),
    faults: faultsOf(given, scenarios.faultKinds),
  }
  try {
    const outcome = await simulate(options)
    const page = textOf(given, 'html')
    if (page !== undefined) writeFile('--html', page, simulationPage(outcome))
    show(outcome, screen, page)
    return exitCodes.fine
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error
    const { seed, law, story, causes, message } = error
    if (screen.json) screen.printJson({ seed, broken: law, story, causes })
    else screen.print(message)
    return exitCodes.broken
  }
}

function show({ timeline, ...outcome }: SimulationOutcome, screen: Screen, page: string | undefined): void {
  if (screen.json) return screen.printJson(outcome)
  screen.print(simulationTable({ timeline, ...outcome }))
  if (page !== undefined) screen.print(`\nthe timeline is in ${page}`)
}

type Configuration = SimulateOptions['config']

/** What all of them can be told. */
type ScenarioOptions = Omit<OutageOptions, 'how'>
type Scenarios = Readonly<Record<Scenario['kind'], (options: ScenarioOptions) => Scenario>>

function scenarioOf(given: Given, { breakers = {} }: Configuration, all: Scenarios): Scenario {
  const { outage, slow, flapping, rateLimited, partiallySick } = all
  const known = { outage, slow, flapping, rateLimited, partiallySick }
  const name = textOf(given, 'scenario') ?? 'outage'
  const make = Object.hasOwn(known, name) ? known[name as keyof typeof known] : undefined
  if (make === undefined)
    throw new ConfigError(
      '--scenario',
      `expected one of ${Object.keys(known).join(', ')} (given: ${JSON.stringify(name)})`,
    )
  const [from, lasts] = [textOf(given, 'from'), textOf(given, 'for')]
  return make({
    of: textOf(given, 'of') ?? Object.keys(breakers)[0] ?? 'default',
    fromMs: from === undefined ? undefined : parseDuration(from, '--from', 3_600_000),
    forMs: lasts === undefined ? undefined : parseDuration(lasts, '--for', 3_600_000),
    callsPerSecond: countOf(given, 'calls', 1_000),
  })
}

function faultsOf(given: Given, kinds: readonly string[]): SimulateOptions['faults'] {
  const text = textOf(given, 'faults')
  if (text === undefined || text === 'all' || text === 'none') return text
  const named = text.split(',')
  const unknown = named.find((kind) => !kinds.includes(kind))
  if (unknown === undefined) return named as Exclude<SimulateOptions['faults'], string | undefined>
  const expected = `expected all, none, or some of ${kinds.join(', ')}`
  throw new ConfigError('--faults', `${expected} (given: ${JSON.stringify(unknown)})`)
}

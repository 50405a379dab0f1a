import {
  BreakerOpenError,
  createSwitchgear,
  systemClock,
  type Breaker,
  type BreakerOptions,
  type Clock,
  type ReplicaHealth,
  type Switchgear,
  type Transition,
} from '../../src/index.ts'
import { natsLog } from '../../src/nats.ts'
import { proposalJitterMs } from '../../src/machines/proposer.ts'
import { commonNow } from './common-clock.ts'
import { watchLog, type Appended, type SeenPreview } from './watch-log.ts'

/**
 * A process that holds some instances of a fleet and does as its parent says: `fleet-processes.ts` starts it. It ends with
 * the channel to its parent, however that ends.
 */
export interface Joining {
  readonly servers: string | readonly string[]
  readonly replicas?: number
  readonly fleet: string
  readonly instances: readonly string[]
  /** Breakers by name, which every instance has from the start. */
  readonly breakers: Readonly<Record<string, BreakerOptions>>
  /** Where `traffic` and `call` call, with the breaker and the instance in the path. */
  readonly dependency?: string
}

export interface SeenTransition extends Pick<Transition, 'breaker' | 'from' | 'to' | 'scope' | 'term' | 'seq'> {
  readonly instance: string
  /** By the clock that all processes share, in ms. */
  readonly seenMs: number
  /** Whether a call of this instance is refused, asked within the transition. */
  readonly refuses: boolean
}

/** What came of the calls of one instance. */
interface Tally {
  admitted: number
  refused: number
  underWay: number
}

interface Instance {
  readonly gear: Switchgear
  readonly tally: Tally
  dependency: string
}

const instances = new Map<string, Instance>()
const transitions: SeenTransition[] = []
const warnings: { readonly instance: string; readonly text: string; readonly breaker: string }[] = []
const previews: SeenPreview[] = []
const appends: Record<Appended, number> = { stored: 0, conflict: 0, unknown: 0 }
let jitters = true
const links: { readonly instance: string; readonly state: string; readonly seenMs: number }[] = []
const timers = new Set<NodeJS.Timeout>()

const commands = {
  now: () => commonNow(),

  /** Resolves when all are linked. */
  async join(joining: Joining): Promise<void> {
    for (const instance of joining.instances) start(instance, joining)
    await Promise.all(joining.instances.map((name) => of(name).gear.ready({ deadlineMs: 60_000 })))
  },

  /** One failing call of each of these instances, all at the same time. */
  async fail({
    breaker,
    by,
    atMs = 0,
  }: {
    readonly breaker: string
    readonly by?: readonly string[]
    readonly atMs?: number
  }) {
    const names = by === undefined ? [...instances.keys()] : by.filter((name) => instances.has(name))
    const waitMs = atMs - commonNow()
    if (waitMs > 0) await systemClock.sleep(waitMs)
    const calls = names.map((name) =>
      of(name)
        .gear.breaker(breaker)
        .run(() => Promise.reject(new Error('down'))),
    )
    await Promise.allSettled(calls)
  },

  /** One call of each of these instances, which passes if it is let through. */
  async pass(breaker: string) {
    await Promise.allSettled([...instances.values()].map(({ gear }) => gear.breaker(breaker).run(() => 'passed')))
  },

  /** Whether proposals wait for their jitter, as they do unless this says otherwise. */
  jitter(on: boolean): void {
    jitters = on
  },

  /** One call of the dependency by each of these instances that this process holds, all at once. */
  async call({ breaker, by }: { readonly breaker: string; readonly by?: readonly string[] }) {
    const names = by === undefined ? [...instances.keys()] : by.filter((name) => instances.has(name))
    return Promise.all(names.map(async (instance) => ({ instance, outcome: await callOnce(instance, breaker) })))
  },

  /** From now on each instance calls each of these breakers so often, not all at the same moment. */
  traffic({ breakers, everyMs }: { readonly breakers: readonly string[]; readonly everyMs: number }): void {
    for (const [n, name] of [...instances.keys()].entries()) {
      const callAll = (): void => {
        for (const breaker of breakers) void callOnce(name, breaker)
      }
      const first = setTimeout(
        () => {
          timers.delete(first)
          callAll()
          timers.add(setInterval(callAll, everyMs))
        },
        (everyMs * n) / instances.size,
      )
      timers.add(first)
    }
  },

  endTraffic(): void {
    for (const timer of timers) clearInterval(timer)
    timers.clear()
  },

  /** From now on these instances call another dependency. */
  reach({ by, dependency }: { readonly by: readonly string[]; readonly dependency: string }): void {
    for (const name of by) {
      const instance = instances.get(name)
      if (instance !== undefined) instance.dependency = dependency
    }
  },

  /** What came of the calls since this was asked last, and how many have not ended. */
  tallies() {
    return [...instances].map(([instance, { tally }]) => {
      const { admitted, refused, underWay } = tally
      Object.assign(tally, { admitted: 0, refused: 0 })
      return { instance, admitted, refused, underWay }
    })
  },

  states(breaker: string) {
    return [...instances].map(([instance, { gear }]) => {
      const held = gear.breaker(breaker)
      return { instance, mode: held.state.mode, scope: held.state.scope, agreed: agreedOf(held) }
    })
  },

  transitions: (breaker?: string) => transitions.filter((seen) => breaker === undefined || seen.breaker === breaker),
  /** Where every breaker stands for an instance. */
  modes: (instance: string) =>
    [...of(instance).gear.breakers].map(
      ([
        breaker,
        {
          state: { mode },
        },
      ]) => ({ breaker, mode }),
    ),
  health: (): readonly (ReplicaHealth & { readonly instance: string })[] =>
    [...instances].map(([instance, { gear }]) => ({ instance, ...gear.health().log })),
  warnings: () => warnings,
  previews: () => previews,
  appends: () => appends,
  links: () => links,

  /** All instances leave, and what was seen of them is forgotten. */
  async leave(): Promise<void> {
    await Promise.all([...instances.values()].map(({ gear }) => gear.close()))
    instances.clear()
    transitions.length = 0
    Object.assign(appends, { stored: 0, conflict: 0, unknown: 0 })
  },
}

export type Commands = typeof commands

export interface Request {
  readonly id: number
  readonly command: keyof Commands
  readonly given: unknown
}

export interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly failure?: string
}

process.on('message', (request: Request) => void answer(request))
process.on('disconnect', () => process.exit())

async function answer({ id, command, given }: Request): Promise<void> {
  try {
    const run = commands[command] as (given: unknown) => unknown
    reply({ id, result: await run(given) })
  } catch (error) {
    reply({ id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}

function reply(message: Reply): void {
  process.send?.(message)
}

function start(instance: string, joining: Joining): void {
  const { servers, replicas = 1, fleet, breakers, dependency = '' } = joining
  links.push({ instance, state: 'joining', seenMs: commonNow() })
  const log = watchLog(natsLog({ servers, replicas }), {
    onAppended: (what) => appends[what]++,
    onPreview(breaker, shown) {
      const mode = gear.breakers.get(breaker)?.state.mode
      if (mode !== undefined) previews.push({ instance, breaker, shown, mode, seenMs: commonNow() })
    },
  })
  const gear = createSwitchgear({
    fleet,
    instance,
    log,
    breakers,
    logger: {
      info: () => {},
      warn: (facts, text) => warnings.push({ instance, text, breaker: breakerIn(facts) }),
      error: (facts, text) => warnings.push({ instance, text, breaker: breakerIn(facts) }),
    },
    clock,
  })
  gear.transitions$.subscribe(({ breaker, from, to, scope, term, seq }) => {
    const refuses = gear.breaker(breaker).refusedForMs() !== undefined
    transitions.push({ instance, breaker, from, to, scope, term, seq, seenMs: commonNow(), refuses })
  })
  gear.link$.subscribe(({ state }) => links.push({ instance, state, seenMs: commonNow() }))
  instances.set(instance, { gear, tally: { admitted: 0, refused: 0, underWay: 0 }, dependency })
}

/** The system's; without jitter, what would wait 50 ms at most does not. */
const clock: Clock = {
  ...systemClock,
  setTimeout: (run, delayMs, options) =>
    systemClock.setTimeout(run, jitters || delayMs > proposalJitterMs ? delayMs : 0, options),
}

async function callOnce(name: string, breaker: string): Promise<'passed' | 'failed' | 'refused'> {
  const { gear, tally, dependency } = of(name)
  tally.underWay++
  try {
    await gear.breaker(breaker).run(async ({ signal }) => {
      tally.admitted++
      const answer = await fetch(`${dependency}/${breaker}/${name}`, { signal })
      await answer.arrayBuffer()
      if (!answer.ok) throw new Error(`the dependency answered ${answer.status}`)
    })
    return 'passed'
  } catch (error) {
    if (!(error instanceof BreakerOpenError)) return 'failed'
    tally.refused++
    return 'refused'
  } finally {
    tally.underWay--
  }
}

/** The state as a text of bytes, without what each instance estimates or counts for itself. */
function agreedOf({ state }: Breaker): string {
  const { retryAt: _, counts, ...rest } = state
  return JSON.stringify(rest.mode === 'closed' ? rest : { ...rest, counts })
}

function breakerIn(facts: object): string {
  return 'breaker' in facts ? String(facts.breaker) : ''
}

function of(name: string): Instance {
  const instance = instances.get(name)
  if (instance === undefined) throw new Error(`there is no instance ${name} in this process`)
  return instance
}

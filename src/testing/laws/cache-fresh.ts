import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { Address, CacheScope } from '../../ports/cache.ts'
import type { Law } from '../law.ts'
import { virtualClock } from '../virtual-clock.ts'
import { type CacheInstance, cacheInstance, type CacheSubject, type WireWatch } from './cache-subject.ts'

interface FreshStep {
  readonly afterMs: number
  readonly instance: 0 | 1
  readonly does: 'wrap' | 'get' | 'invalidate' | 'delete' | 'set' | 'cut' | 'mend'
  readonly kind: 'stats' | 'counts'
  readonly isAll: boolean
  /** What a loader takes before it reads the source of truth, and after. */
  readonly loadMs: readonly [before: number, after: number]
}

export interface FreshScenario {
  readonly seed: number
  readonly steps: readonly FreshStep[]
}

const organization = 'acme'
const kinds = {
  stats: { ttlMs: 120, scope: 'stats', staleMs: 80 },
  counts: { ttlMs: 60, scope: 'counts' },
} as const

/** A change of what is cached, and which versions were true when it was asked for. */
interface Change {
  readonly by: number
  readonly of: { readonly scope: CacheScope } | { readonly at: string }
  readonly truth: Readonly<Record<string, number>>
  doneAt: number
  resolvedAt: number
  /** It does without the shared tier when that does not answer. */
  readonly maySkip: boolean
}

const pause = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 }))
const loads = fc.tuple(pause, pause)
const scenarios: fc.Arbitrary<FreshScenario> = fc.record({
  seed: fc.integer(),
  steps: fc.array(
    fc.record({
      afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 40 })),
      instance: fc.constantFrom(0 as const, 1 as const),
      does: fc.constantFrom<FreshStep['does'][]>(
        ...(['wrap', 'wrap', 'wrap', 'wrap', 'get', 'get', 'invalidate', 'invalidate', 'delete', 'set'] as const),
        ...(['cut', 'mend'] as const),
      ),
      kind: fc.constantFrom('stats' as const, 'counts' as const),
      isAll: fc.boolean(),
      loadMs: loads,
    }),
    { minLength: 4, maxLength: 40, size: 'max' },
  ),
})

/** `cache.fresh` */
export function freshLaw(subject: CacheSubject): Law<FreshScenario> {
  return {
    name: 'cache.fresh',
    says: 'a read that began after a change was resolved here, or heard of, finds nothing older; nor what was being loaded',
    cases: scenarios,
    async holds({ seed, steps }) {
      const clock = virtualClock()
      const run = playOf(subject, clock, seed)
      for (const step of steps) {
        await clock.advanceBy(step.afterMs)
        run.take(step)
      }
      run.mend()
      await clock.advanceBy(5_000)
      for (const instance of [0, 1] as const)
        for (const does of ['get', 'wrap'] as const)
          for (const kind of ['stats', 'counts'] as const)
            run.take({ afterMs: 0, instance, does, kind, isAll: false, loadMs: [0, 0] })
      await clock.advanceBy(1_000)
      return run.assertFresh() > 0 ? 'held' : 'notExercised'
    },
  }
}

interface Read {
  readonly instance: number
  readonly began: number
  readonly kind: 'stats' | 'counts'
  readonly at: string
  readonly version: number
}

function playOf(subject: CacheSubject, clock: ReturnType<typeof virtualClock>, seed: number) {
  let moments = 0
  const moment = (): number => (moments += 1)
  const truth: Record<string, number> = {}
  const changes = new Map<string, Change>()
  const heard: { by: number; at: number; what: Parameters<WireWatch['onHeard']>[0] }[] = []
  const reads: Read[] = []
  let asking: Change | undefined
  const shared = subject.shared(clock)

  const watchOf = (by: number): WireWatch => ({
    onAsked(id) {
      if (asking !== undefined) changes.set(id, asking)
    },
    onDone(id) {
      const change = changes.get(id)
      if (change !== undefined) change.doneAt = moment()
    },
    onHeard: (what) => heard.push({ by, at: moment(), what }),
  })
  const instances = [0, 1].map((by) =>
    cacheInstance(shared, { subject, clock, seed: seed + by, kinds, watch: watchOf(by), moment }),
  )

  /** Asks for a change, which is asked for of the shared tier before this returns. */
  const change = (by: number, of: Change['of'], call: () => Promise<void>, maySkip = false): Change => {
    const own: Change = { by, of, maySkip, truth: { ...truth }, doneAt: Infinity, resolvedAt: Infinity }
    asking = own
    const resolved = call()
    asking = undefined
    resolved.then(
      () => (own.resolvedAt = moment()),
      () => {},
    )
    return own
  }

  const read = async (by: number, address: Address & Pick<Read, 'kind'>, call: Promise<unknown>): Promise<void> => {
    const began = moment()
    const version = await call
    if (typeof version === 'number') reads.push({ instance: by, began, kind: address.kind, at: atOf(address), version })
  }

  /** Whether an instance knows of a change at a moment. */
  const knows = (instance: number, id: string, { by, doneAt, resolvedAt, maySkip }: Change, at: number): boolean =>
    (by === instance && resolvedAt < at && (doneAt < resolvedAt || !maySkip)) ||
    heard.some(
      (news) =>
        news.by === instance && news.at < at && ('id' in news.what ? news.what.id === id : doneAt < news.what.upSince),
    )

  const play: Play = { instances, clock, truth, change, read, lastSet: undefined }
  return {
    take: (step: FreshStep): void => take(step, play),
    mend: () => instances.forEach((instance) => instance.mend()),
    assertFresh(): number {
      let checks = 0
      for (const { instance, began, kind, at, version } of reads)
        for (const [id, each] of changes) {
          const isOf = 'at' in each.of ? each.of.at === at : each.of.scope === 'all' || each.of.scope === kind
          if (!isOf || !knows(instance, id, each, began)) continue
          checks += 1
          assert.ok(
            version >= (each.truth[at] ?? 0),
            `instance ${instance} found ${at} of version ${version}, which is old`,
          )
        }
      return checks
    },
  }
}

interface Play {
  readonly instances: readonly CacheInstance[]
  readonly clock: ReturnType<typeof virtualClock>
  readonly truth: Record<string, number>
  change(by: number, of: Change['of'], call: () => Promise<void>, maySkip?: boolean): Change
  lastSet: Change | undefined
  read(by: number, address: Address & Pick<Read, 'kind'>, call: Promise<unknown>): Promise<void>
}

function take({ instance: by, does, kind, isAll, loadMs }: FreshStep, play: Play): void {
  const { instances, clock, truth, change, read, lastSet } = play
  const instance = instances[by]
  if (instance === undefined) return
  const { cache } = instance
  const [scope, key] = [isAll ? 'all' : kind, 'day'] as const
  const address = { organization, kind, key }
  const at = atOf(address)
  // Only one of them sets what only it changes: of two who set, whoever comes last to the shared tier wins.
  // So it is with two that one sets, of which the first is late.
  const set = { ...address, key: 'set' }
  const write = (where: string): number => (truth[where] = (truth[where] ?? 0) + 1)
  const load = async (): Promise<number> => {
    await clock.sleep(loadMs[0])
    const version = truth[at] ?? 0
    await clock.sleep(loadMs[1])
    return version
  }
  if (does === 'wrap') void read(by, address, cache.wrap(address, load))
  else if (does === 'get') void read(by, isAll ? address : set, cache.get(isAll ? address : set))
  else if (does === 'cut' || does === 'mend') instance[does]()
  else if (does === 'invalidate') {
    write(at)
    change(by, { scope }, () => cache.invalidate({ organization, scope }))
  } else if (does === 'delete') {
    write(at)
    change(by, { at }, () => cache.delete(address))
  } else if (by === 0 && lastSet?.doneAt !== Infinity) {
    const version = write(atOf(set))
    play.lastSet = change(by, { at: atOf(set) }, () => cache.set(set, version), true)
  }
}

function atOf({ kind, key }: Pick<Address, 'kind' | 'key'>): string {
  return `${kind}/${key}`
}

import { type Observable, Subject } from 'rxjs'
import { createSwitchgear, type Switchgear, type SwitchgearOptions } from '../../../src/switchgear.ts'
import type { Outcome } from '../../../src/kernel/outcome.ts'
import type { ItemSink, ItemSource } from '../../../src/ports/item-source.ts'
import { deliver, type Delivered, type DeliverOptions } from '../../../src/streams/pipeline/deliver.ts'
import { fromItemSource, type SourceObservable } from '../../../src/streams/pipeline/source-observable.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

/** What the pipelines of these tests carry. */
export interface Parcel {
  readonly id: number
  readonly organization: string
}

/** A pipeline whose source is pushed by the test. */
export interface Line {
  readonly clock: VirtualClock
  readonly source: Subject<Parcel>
  readonly outcomes: Delivered<Parcel, unknown>[]
  readonly ends: unknown[]
  push(...ids: readonly (number | Parcel)[]): void
  /** `<id>:<status>` of each, or the reason of a refusal, in the order in which they came. */
  said(): readonly string[]
  unsubscribe(): void
}

export function line(options: DeliverOptions<Parcel, unknown>, clock: VirtualClock = virtualClock()): Line {
  const source = new Subject<Parcel>()
  return { ...watched(source.pipe(deliver(options, { clock, random: seededRandom(1) }))), clock, source, push }

  function push(...ids: readonly (number | Parcel)[]): void {
    for (const id of ids) source.next(typeof id === 'number' ? parcel(id) : id)
  }
}

export function parcel(id: number, organization = 'acme'): Parcel {
  return { id, organization }
}

export function watched(
  delivered$: Observable<Delivered<Parcel, unknown>>,
): Pick<Line, 'outcomes' | 'ends' | 'said' | 'unsubscribe'> {
  const outcomes: Delivered<Parcel, unknown>[] = []
  const ends: unknown[] = []
  const subscription = delivered$.subscribe({
    next: (outcome) => outcomes.push(outcome),
    error: (error: unknown) => ends.push(error),
    complete: () => ends.push('complete'),
  })
  const said = () => outcomes.map((outcome) => `${outcome.item.id}:${wordFor(outcome)}`)
  return { outcomes, ends, said, unsubscribe: () => subscription.unsubscribe() }
}

export function wordFor(outcome: Outcome<unknown>): string {
  return outcome.status === 'refused' ? outcome.reason : outcome.status
}

/** An instance that is linked, on a virtual clock. */
export async function gearOn(clock: VirtualClock, options: SwitchgearOptions = {}): Promise<Switchgear> {
  const gear = createSwitchgear({ instance: 'test', clock, random: seededRandom(7), ...options })
  await clock.runUntil(gear.ready())
  return gear
}

export function down(): Promise<never> {
  return Promise.reject(new Error('down'))
}

/** What an HTTP client of the service throws for an answer that asks to wait. */
export function askedToWait(seconds: number, status = 429): Error {
  return Object.assign(new Error(`answered ${status}`), { status, headers: { 'retry-after': String(seconds) } })
}

/** A source that gives the parcels it is asked for, and notes what it is told. */
export interface Shelf {
  readonly source$: SourceObservable<Parcel>
  /** Asked for, and not given. */
  readonly wanted: () => number
  readonly settled: { readonly id: number; readonly outcome: Outcome<unknown> }[]
  readonly closed: () => number
  give(...parcels: readonly (number | Parcel)[]): void
  end(error?: unknown): void
}

export function shelf(onSettle: (id: number) => Promise<void> | void = () => {}): Shelf {
  const settled: { id: number; outcome: Outcome<unknown> }[] = []
  let wanted = 0
  let closed = 0
  let sink: ItemSink<Parcel> | undefined
  const items: ItemSource<Parcel> = {
    open(reader) {
      sink = reader
      return { request: (count) => (wanted += count), close: () => (closed += 1) }
    },
  }
  return {
    source$: fromItemSource(items),
    wanted: () => wanted,
    settled,
    closed: () => closed,
    give(...parcels) {
      for (const given of parcels) {
        const item = typeof given === 'number' ? parcel(given) : given
        wanted -= 1
        const settle = (outcome: Outcome<unknown>): Promise<void> | void => {
          settled.push({ id: item.id, outcome })
          return onSettle(item.id)
        }
        sink?.item({ item, settle })
      }
    },
    end: (error) => sink?.end(error),
  }
}

import type { Random } from '../../ports/random.ts'

/** Everything that can be made to go wrong around the instances; what happens to the dependency is the scenario's. */
export const faultKinds: readonly [
  'delay',
  'loss',
  'duplication',
  'reordering',
  'partition',
  'partitionIn',
  'partitionOut',
  'lostAnswer',
  'lateAppend',
  'rewind',
  'crash',
  'pause',
  'clockOffset',
  'clockDrift',
  'clockStep',
] = Object.freeze([
  'delay', // what passes between an instance and the log takes longer
  'loss', // a message never reaches an instance
  'duplication', // an instance hears a message twice
  'reordering', // two messages change places on the way
  'partition', // an instance is cut off from the log
  'partitionIn', // it hears nothing, and is heard
  'partitionOut', // it hears everything, and is not heard
  'lostAnswer', // what it appended was stored, and the answer is lost
  'lateAppend', // what it appended lands long after it gave up waiting
  'rewind', // the log loses what it stored last
  'crash', // a process ends without a word, and another starts in its place
  'pause', // a process stands still, and goes on
  'clockOffset', // a wall clock is off
  'clockDrift', // a clock runs too fast or too slowly
  'clockStep', // a wall clock jumps
] as const)

export type FaultKind = (typeof faultKinds)[number]

/** A fault as it is planned. Some wait for their occasion, such as the next message, and may never find it. */
export interface PlannedFault {
  readonly kind: FaultKind
  /** The instance, by its place. */
  readonly place: number
  readonly atMs: number
  readonly forMs: number
  /** How much: ms of delay, offset or step, the share of drift, how many of the last messages are lost. */
  readonly size: number
}

export interface FaultPlanOptions {
  readonly kinds: readonly FaultKind[]
  readonly instances: number
  /** When the trouble begins and when the plan ends, in ms. */
  readonly fromMs: number
  readonly untilMs: number
  /** What clocks may differ by, as a share, so that leases hold. */
  readonly driftMax: number
  readonly random: Random
}

/** One instance in so many has a fault of each kind, and at least one has. */
const oneIn = 250

/** Faults of every kind, most of them when the trouble begins, since then there is something to go wrong. */
export function planFaults({ kinds, instances, random, ...of }: FaultPlanOptions): readonly PlannedFault[] {
  const faults: PlannedFault[] = []
  for (const kind of kinds) {
    const count = kind === 'rewind' ? 1 : 1 + Math.floor(instances / oneIn)
    for (let nth = 0; nth < count; nth++) faults.push(planFault(kind, nth, instances, random, of))
  }
  return apart(faults).toSorted((one, other) => one.atMs - other.atMs)
}

/** A process that has crashed cannot stand still: of one instance, it crashes first, and stands still later. */
function apart(faults: readonly PlannedFault[]): readonly PlannedFault[] {
  const endOfCrashes = (place: number): number =>
    Math.max(
      0,
      ...faults.map((fault) => (fault.kind === 'crash' && fault.place === place ? fault.atMs + fault.forMs : 0)),
    )
  return faults.map((fault) =>
    fault.kind === 'pause' ? { ...fault, atMs: Math.max(fault.atMs, endOfCrashes(fault.place) + 500) } : fault,
  )
}

function planFault(
  kind: FaultKind,
  nth: number,
  instances: number,
  random: Random,
  { fromMs, untilMs, driftMax }: Pick<FaultPlanOptions, 'fromMs' | 'untilMs' | 'driftMax'>,
): PlannedFault {
  const place = Math.floor(random.next() * instances)
  const early = nth % 2 === 0 && kind !== 'duplication' && kind !== 'rewind'
  // What repeats or undoes something needs something that was said before.
  const late = fromMs + 2_000 + random.next() * Math.max(1, untilMs - fromMs - 4_000)
  const atMs = isOfClock(kind) ? 0 : Math.round(early ? Math.max(1, fromMs - random.next() * 500) : late)
  return { kind, place, atMs, forMs: Math.round(2_000 + random.next() * 8_000), size: sizeOf(kind, random, driftMax) }
}

function isOfClock(kind: FaultKind): boolean {
  return kind === 'clockOffset' || kind === 'clockDrift'
}

function sizeOf(kind: FaultKind, random: Random, driftMax: number): number {
  const chance = random.next()
  switch (kind) {
    case 'delay':
      return Math.round(50 + chance * 1_000)
    case 'clockOffset':
    case 'clockStep':
      return Math.round((chance - 0.5) * 14_400_000)
    case 'clockDrift':
      return (chance < 0.5 ? -1 : 1) * driftMax * (0.2 + 0.8 * chance)
    case 'rewind':
      return 1 + Math.floor(chance * 3)
    default:
      return 1
  }
}

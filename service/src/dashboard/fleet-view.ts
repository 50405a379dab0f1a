import type { FleetView, InstanceView, Standing } from './page/wire.ts'
import type { RollCallAnswer } from './roll-call-answer.ts'

/** What an instance said of itself, and when it was heard. */
export interface HeardInstance extends RollCallAnswer {
  readonly heardAt: number
  /** It had read less than the fleet had when it was asked. What came since may be on its way. */
  readonly isBehind: boolean
}

export interface Onlooker {
  /** The instance whose view it is. */
  readonly own: string
  readonly now: number
  /** How long after its last answer an instance counts as silent, in ms. */
  readonly silentMs: number
}

/** Instances that are told one by one. */
const toldMax = 60

const badness: Readonly<Record<Standing, number>> = { differs: 0, cutOff: 1, silent: 2, lags: 3, agrees: 4 }

/** How each instance stands to the fleet, the worst first. Pure. */
export function fleetView(heard: readonly HeardInstance[], onlooker: Onlooker): FleetView {
  const agreed = agreedDigests(heard, onlooker)
  const instances = heard.map((each): InstanceView => {
    const { instance, heardAt, startedAt, seq, own } = each
    return { instance, standing: standingOf(each, agreed, onlooker), heardAt, startedAt, seq, own }
  })
  const standings = { agrees: 0, lags: 0, differs: 0, cutOff: 0, silent: 0 }
  for (const { standing } of instances) standings[standing] += 1
  const worstFirst = instances.toSorted(
    (a, b) =>
      badness[a.standing] - badness[b.standing] ||
      b.own.length - a.own.length ||
      (a.instance < b.instance ? -1 : a.instance > b.instance ? 1 : 0),
  )
  return { total: instances.length, standings, instances: worstFirst.slice(0, toldMax) }
}

/** What most of those hold that have read equally far, by how far. */
function agreedDigests(heard: readonly HeardInstance[], onlooker: Onlooker): ReadonlyMap<number, string> {
  const bySeq = new Map<number, Map<string, number>>()
  for (const { seq, digest, isLinked, heardAt } of heard) {
    if (!isLinked || onlooker.now - heardAt > onlooker.silentMs) continue
    const digests = bySeq.get(seq) ?? new Map<string, number>()
    bySeq.set(seq, digests.set(digest, (digests.get(digest) ?? 0) + 1))
  }
  return new Map([...bySeq].map(([seq, digests]) => [seq, mostFrequent(digests)]))
}

function mostFrequent(counts: ReadonlyMap<string, number>): string {
  let found = ''
  for (const [value, count] of counts) if (count > (counts.get(found) ?? 0)) found = value
  return found
}

function standingOf(
  { instance, isLinked, isBehind, heardAt, seq, digest }: HeardInstance,
  agreed: ReadonlyMap<number, string>,
  { own, now, silentMs }: Onlooker,
): Standing {
  if (instance !== own && now - heardAt > silentMs) return 'silent'
  if (!isLinked) return 'cutOff'
  if (isBehind) return 'lags'
  return (agreed.get(seq) ?? digest) === digest ? 'agrees' : 'differs'
}

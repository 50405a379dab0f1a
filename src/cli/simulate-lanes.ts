import type { SimulationTimeline } from '../testing.ts'

type Standing = SimulationTimeline['modes'][number]['to']

/** How an instance, or most of a group of them, stood for a while. */
export interface Piece {
  readonly fromMs: number
  readonly untilMs: number
  readonly standing: Standing
  /** Of how many of a group; 1 for all. */
  readonly share: number
}

export interface Lane {
  readonly name: string
  readonly pieces: readonly Piece[]
}

/** So many instances have a lane each, those first that went another way than most; the others are shown in groups. */
const singlesMax = 24
const groupsMax = 20

/** What a thousand instances did, in lanes that a person can take in. */
export function instanceLanes(timeline: SimulationTimeline): readonly Lane[] {
  const { instances, endMs } = timeline
  const single = piecesByPlace(timeline)
  const ownWays = oddity(single, timeline)
  const places = Array.from({ length: instances }, (_, place) => place)
  const oddestFirst = places.toSorted((one, other) => (ownWays[other] ?? 0) - (ownWays[one] ?? 0) || one - other)
  const alone = oddestFirst.slice(0, singlesMax)
  const others = oddestFirst.slice(singlesMax).toSorted((one, other) => one - other)
  const lanes = alone.map((place) => ({ name: `instance ${place}`, pieces: single[place] ?? [] }))
  const size = Math.ceil(others.length / groupsMax)
  for (let from = 0; from < others.length; from += size) {
    const group = others.slice(from, from + size)
    const pieces = together(
      group.map((place) => single[place] ?? []),
      endMs,
      timeline.bucketMs,
    )
    lanes.push({ name: group.length === 1 ? `instance ${group[0]}` : `${group.length} from ${group[0]} on`, pieces })
  }
  return lanes
}

interface Change {
  readonly atMs: number
  readonly to: Standing
}

function piecesByPlace({ modes, instances, endMs }: SimulationTimeline): readonly (readonly Piece[])[] {
  const changes = Array.from({ length: instances }, (): Change[] => [{ atMs: 0, to: 'closed' }])
  for (const { atMs, place, to } of modes) changes[place]?.push({ atMs, to })
  return changes.map((of) =>
    of.map(({ atMs, to }, at) => ({ fromMs: atMs, untilMs: of[at + 1]?.atMs ?? endMs, standing: to, share: 1 })),
  )
}

/** For how many slices of time each stood otherwise than most. */
function oddity(all: readonly (readonly Piece[])[], { endMs, bucketMs }: SimulationTimeline): readonly number[] {
  const standings = all.map((pieces) => sampled(pieces, endMs, bucketMs))
  const slices = standings[0]?.length ?? 0
  const most = Array.from({ length: slices }, (_, at) => mostCommon(standings.map((of) => of[at])).standing)
  return standings.map((of) => of.filter((standing, at) => standing !== most[at]).length)
}

function together(all: readonly (readonly Piece[])[], endMs: number, bucketMs: number): readonly Piece[] {
  const standings = all.map((pieces) => sampled(pieces, endMs, bucketMs))
  const merged: Piece[] = []
  for (let at = 0; at < (standings[0]?.length ?? 0); at++) {
    const now = mostCommon(standings.map((of) => of[at]))
    const last = merged.at(-1)
    const untilMs = Math.min(endMs, (at + 1) * bucketMs)
    if (last?.standing === now.standing && last.share === now.share) merged[merged.length - 1] = { ...last, untilMs }
    else merged.push({ fromMs: at * bucketMs, untilMs, ...now })
  }
  return merged
}

/** How it stood at the end of each slice. */
function sampled(pieces: readonly Piece[], endMs: number, bucketMs: number): readonly Standing[] {
  const samples: Standing[] = []
  let at = 0
  for (let ms = bucketMs; ms - bucketMs < endMs; ms += bucketMs) {
    while ((pieces[at]?.untilMs ?? endMs) < ms && at < pieces.length - 1) at++
    samples.push(pieces[at]?.standing ?? 'closed')
  }
  return samples
}

function mostCommon(standings: readonly (Standing | undefined)[]): { standing: Standing; share: number } {
  const counts = new Map<Standing, number>()
  for (const standing of standings) if (standing !== undefined) counts.set(standing, (counts.get(standing) ?? 0) + 1)
  const [first] = [...counts].toSorted(([, one], [, other]) => other - one)
  return { standing: first?.[0] ?? 'closed', share: Math.round(((first?.[1] ?? 1) / standings.length) * 20) / 20 }
}

import { z } from 'zod'
import type { Clock, Timer } from '../ports/clock.ts'

/** At most one digest of a breaker in so many ms. */
export const digestEveryMs = 200
/** So long after the last digest of anybody, those who have only good news say it too, in ms. */
export const digestFreshMs = 5_000
/** Good news that nobody has asked for is told as far back as this, in ms: enough for a rate, too little to hide a fault. */
export const goodNewsMs = 1_000
/** The most that one digest may claim, by kind; good news beyond it is old. */
export const digestCountMax = 10_000

/** What an instance counted since its last digest. */
export interface Digest {
  readonly calls: number
  readonly failures: number
  readonly slow: number
}

export interface SharedEvidenceOptions {
  readonly clock: Clock
  /** The fleet's term: what was counted in another one is not counted in this one. */
  term(): number
  broadcast(data: Uint8Array): void
  listen(hear: (data: Uint8Array) => void): () => void
  /** Another instance's digest of this term. */
  heard(digest: Digest): void
}

/**
 * Shares what the rate rules count, so that a dead dependency is found by the fleet's traffic and not by one instance's.
 * Whoever sees a failure publishes what it counted since its last digest; while anybody's digest is fresh, all who have
 * calls publish theirs, successes too, so that the rate is the fleet's. A healthy fleet is silent. Digests are hints: at
 * most once, unordered, and nothing but a local trip comes of them.
 */
export interface SharedEvidence {
  /** An outcome of this instance's own. */
  note(failed: boolean, slow: boolean): void
  stop(): void
}

export function sharedEvidence(options: SharedEvidenceOptions): SharedEvidence {
  const { clock, term, broadcast, heard } = options
  /** What was counted since the last digest, in one term. */
  let pending = { term: term(), calls: 0, failures: 0, slow: 0 }
  let pendingSince = clock.monotonic()
  let freshUntil = -Infinity
  let publishedAt = -Infinity
  let timer: Timer | undefined
  const stopListening = options.listen(onDigest)

  return {
    note(failed, slow) {
      const now = clock.monotonic()
      const isOld = pending.term !== term() || (timer === undefined && now - pendingSince > goodNewsMs)
      if (isOld || pending.calls >= digestCountMax) reset(now)
      pending.calls++
      if (failed) pending.failures++
      if (slow) pending.slow++
      if (failed || slow) freshUntil = now + digestFreshMs
      if (timer !== undefined || now > freshUntil) return
      timer = clock.setTimeout(publish, Math.max(0, publishedAt + digestEveryMs - now))
    },
    stop() {
      stopListening()
      if (timer !== undefined) clock.clearTimeout(timer)
    },
  }

  function publish(): void {
    timer = undefined
    publishedAt = clock.monotonic()
    if (pending.term === term()) broadcast(encoder.encode(JSON.stringify({ v: 1, ...pending })))
    reset(publishedAt)
  }

  function reset(now: number): void {
    pending = { term: term(), calls: 0, failures: 0, slow: 0 }
    pendingSince = now
  }

  function onDigest(data: Uint8Array): void {
    const digest = readDigest(data)
    if (digest === undefined || digest.term !== term()) return
    freshUntil = clock.monotonic() + digestFreshMs
    heard(digest)
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const countSchema = z.number().int().nonnegative().max(digestCountMax)
const digestSchema = z.object({
  v: z.literal(1),
  term: z.number(),
  calls: countSchema,
  failures: countSchema,
  slow: countSchema,
})

/** `undefined` for what is no digest: nobody is stopped by somebody else's bytes. */
function readDigest(data: Uint8Array): z.infer<typeof digestSchema> | undefined {
  try {
    return digestSchema.parse(JSON.parse(decoder.decode(data)))
  } catch {
    return undefined
  }
}

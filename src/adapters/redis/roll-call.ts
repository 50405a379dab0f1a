import { randomBytes } from 'node:crypto'
import { Cluster } from 'ioredis'
import { UnavailableError } from '../../kernel/errors.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Clock } from '../../ports/clock.ts'
import type { RedisConnection } from './connection.ts'
import { ask } from './run-script.ts'
import type { Subscription } from './subscription.ts'

export interface RollCallOptions {
  readonly connection: RedisConnection
  readonly subscription: Subscription
  /** What all instances hear. */
  readonly channel: string
  readonly clock: Clock
}

export interface Answers {
  /** As they came, of those who answered. */
  readonly texts: readonly string[]
  /** How many were asked and did not answer; 0 in a cluster, where it is not known how many there are. */
  readonly silent: number
}

/** What instances say when one of them, or a command, asks all: nothing is written, and nobody who is not asked says a word. */
export interface RollCall {
  /** A subscription on which questions are answered; its subscribers do not hear them. */
  answering(answer: () => string): Subscription
  /** Resolves when all have answered, or after `withinMs`. @throws UnavailableError when nobody could be asked */
  ask(withinMs: number): Promise<Answers>
}

/** In a cluster it is not known when all have answered. */
const clusterWaitMs = 500

export function redisRollCall({ connection, subscription, channel, clock }: RollCallOptions): RollCall {
  const answersTo = `${channel}:stats:`

  const publish = (to: string, text: string): Promise<number> => ask(connection, (client) => client.publish(to, text))

  return {
    answering: (answer) => ({
      follow: (followed, { onMessage, onLink }) =>
        subscription.follow(followed, {
          onMessage(text) {
            const to = followed === channel ? questionOf(text) : undefined
            if (to === undefined) onMessage(text)
            else if (to.startsWith(answersTo)) unheeded(() => publish(to, answer()))
          },
          onLink,
        }),
      close: () => subscription.close(),
    }),
    async ask(withinMs) {
      const to = answersTo + randomBytes(12).toString('base64url')
      const texts: string[] = []
      let asked: number | undefined
      const ended = ending(clock, withinMs)
      const putQuestion = async (): Promise<void> => {
        const client = await connection.client()
        const heardBy = await publish(channel, JSON.stringify({ v: 1, ask: 'stats', to }))
        asked = client instanceof Cluster ? Infinity : heardBy
        if (texts.length >= asked) ended.end()
        else if (asked === Infinity) clock.setTimeout(ended.end, clusterWaitMs, { keepAlive: true })
      }
      let stop = (): void => {}
      const begin = async (): Promise<void> => {
        // Says why, when nobody can be asked: a subscription only tries again.
        await ask(connection, (client) => client.ping())
        if (ended.isOver()) return
        stop = subscription.follow(to, {
          onMessage(text) {
            texts.push(text)
            if (asked !== undefined && texts.length >= asked) ended.end()
          },
          onLink(isUp) {
            if (isUp && asked === undefined) putQuestion().catch(ended.fail)
          },
        })
      }
      begin().catch(ended.fail)
      try {
        await ended.promise
      } finally {
        stop()
      }
      if (asked === undefined) throw new UnavailableError('Redis', `it did not answer in ${withinMs} ms`)
      return { texts, silent: Number.isFinite(asked) ? Math.max(0, asked - texts.length) : 0 }
    },
  }
}

/** Something that ends by itself after `withinMs`, or before. */
function ending(clock: Clock, withinMs: number) {
  let over = false
  let end = (): void => {}
  let fail = (_error: unknown): void => {}
  const promise = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  const timer = clock.setTimeout(() => end(), withinMs, { keepAlive: true })
  return {
    end: () => end(),
    fail: (error: unknown) => fail(error),
    isOver: () => over,
    promise: promise.finally(() => {
      over = true
      clock.clearTimeout(timer)
    }),
  }
}

/** Where a question is to be answered; `undefined` for what is none. */
function questionOf(text: string): string | undefined {
  if (!text.includes('"ask"')) return undefined
  try {
    const { ask: what, to }: { readonly ask?: unknown; readonly to?: unknown } = JSON.parse(text) as object
    return what === 'stats' && typeof to === 'string' ? to : undefined
  } catch {
    return undefined
  }
}

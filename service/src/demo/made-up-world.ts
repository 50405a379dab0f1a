import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, Sending } from '../channels/channel.ts'
import type { Channels } from '../channels/channels.ts'
import { HttpAnswerError } from '../channels/http-answer-error.ts'

/** How long a round of the schedule takes, in ms. */
export const roundMs = 60_000
/** When within a round the pager is dead, and when the shop is slow, in ms from its beginning. */
export const pagerIsDead = { fromMs: 12_000, untilMs: 32_000 } as const
const shopIsSlow = { fromMs: 38_000, untilMs: 50_000 } as const

const usualMs = { min: 5, max: 60 } as const
const slowMs = { min: 1_500, max: 2_500 } as const

/** The other sides of all channels, in this process: nothing is sent anywhere. Its schedule begins with the first message. */
export function madeUpWorld(): Channels {
  let startedAt: number | undefined
  const send = async ({ target, alert, signal }: Pick<Sending, 'target' | 'alert' | 'signal'>): Promise<void> => {
    const host = target.kind === 'webhook' ? new URL(target.url).host : target.kind
    startedAt ??= performance.now()
    const atMs = (performance.now() - startedAt) % roundMs
    const isSlow = host === 'shop.example' && isWithin(shopIsSlow, atMs)
    await sleep(between(isSlow ? slowMs : usualMs), undefined, { signal })
    if (host === 'pager.example' && isWithin(pagerIsDead, atMs))
      throw new HttpAnswerError(host, 503, {}, 'upstream connect error')
    if (host === 'legacy.example' && alert.type === 'backup')
      throw new HttpAnswerError(host, 422, {}, 'field "severity" is not one of P1, P2, P3')
  }
  return { email: madeUp<'email'>(send), slack: madeUp<'slack'>(send), webhook: madeUp<'webhook'>(send) }
}

function madeUp<Kind extends 'email' | 'slack' | 'webhook'>(send: Channel<Kind>['send']): Channel<Kind> {
  return { send, close: async () => {} }
}

function isWithin({ fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }, atMs: number): boolean {
  return atMs >= fromMs && atMs < untilMs
}

function between({ min, max }: { readonly min: number; readonly max: number }): number {
  return min + Math.random() * (max - min)
}

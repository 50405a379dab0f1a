import * as fc from 'fast-check'
import type { Position } from '../machines/fold.ts'
import type { StoredMessage } from '../ports/event-log.ts'
import { logTopic } from './written-log.ts'

/** What a stranger, a bug or another version writes into a log: any bytes at all, or an event with a part of it changed. */
export type Noise =
  | { readonly kind: 'bytes'; readonly data: Uint8Array; readonly expected: number; readonly seq: number }
  | {
      readonly kind: 'changed'
      /** Which message of the log is taken, and which of its values is changed into what. */
      readonly message: number
      readonly value: number
      readonly into: fc.JsonValue
      /** Whether it comes where it is expected, or after a gap. */
      readonly gap: boolean
    }

const bytes: fc.Arbitrary<Noise> = fc.record({
  kind: fc.constant('bytes'),
  data: fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.json().map((text) => new TextEncoder().encode(text)),
  ),
  expected: fc.nat(200),
  seq: fc.nat(200),
})

const modes = ['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled']

const changed: fc.Arbitrary<Noise> = fc.record({
  kind: fc.constant('changed'),
  message: fc.nat(99),
  value: fc.nat(99),
  into: fc.oneof(
    fc.constantFrom<fc.JsonValue>(null, -1, 0, 1e300, 0.5, 2 ** 53, '', 'constructor', [], {}, true, ...modes),
    fc.jsonValue({ maxDepth: 1 }),
  ),
  gap: fc.boolean(),
})

export const noises: fc.Arbitrary<Noise> = fc.oneof({ weight: 1, arbitrary: bytes }, { weight: 3, arbitrary: changed })

/** The noise as the next message of a log that was read up to `position`. */
export function noiseMessage(noise: Noise, messages: readonly StoredMessage[], position: Position): StoredMessage {
  const model = noise.kind === 'changed' ? messages[noise.message % Math.max(1, messages.length)] : undefined
  const id = 'the noise'
  const next = { topic: logTopic, id, seq: position.seq + 2, expected: position.seq, at: model?.at ?? 0 }
  if (noise.kind === 'bytes') return { ...next, seq: noise.seq, expected: noise.expected, data: noise.data }
  if (model === undefined) return { ...next, data: new Uint8Array() }
  const text = withChangedValue(new TextDecoder().decode(model.data), noise.value, noise.into)
  const data = new TextEncoder().encode(text.replaceAll(model.id, id))
  return noise.gap ? { ...next, expected: position.seq + 1, data } : { ...next, data }
}

/** The JSON with one of its values, counted from the first, replaced; as it is where it is no JSON. */
function withChangedValue(text: string, which: number, into: fc.JsonValue): string {
  try {
    const value: unknown = JSON.parse(text)
    let count = 0
    JSON.stringify(value, (_key, inner: unknown) => {
      count++
      return inner
    })
    let at = 0
    return JSON.stringify(value, (_key, inner: unknown) => (at++ === which % count ? into : inner))
  } catch {
    return text
  }
}

import { deserialize, serialize } from 'node:v8'

/**
 * How values become bytes and come back. Both throw for what they cannot take. A value that came back has no memory in common
 * with its bytes, which may be read again.
 */
export interface ValueCodec {
  encode(value: unknown): Buffer
  decode(body: Buffer): unknown
}

/**
 * As Node.js clones values: `undefined`, NaN, −0, BigInt, Date, RegExp, Map, Set, errors, buffers, typed arrays and cycles
 * stay what they are; an instance of a class comes back as a plain object, and what cannot be cloned (a function, a
 * promise) is refused.
 * @see https://nodejs.org/api/v8.html#serialization-api
 */
export const typedCodec: ValueCodec = Object.freeze({
  encode: (value: unknown) => serialize(value),
  // Node.js makes typed arrays over the bytes that it is given; whoever writes to one would write to what is cached.
  decode: (body: Buffer) => deserialize(new Uint8Array(body)) as unknown,
})

import { inForce, type Position } from './fold.ts'

/** How far an instance has read the log of its fleet, and what it holds of it: two that read the same hold the same. */
export interface Progress {
  /** The place of the last message that was read, of any breaker; 0 for none. */
  readonly seq: number
  /** Equal where every breaker's mode and term are, whatever the order in which they were read: 8 hexadecimal digits. */
  readonly digest: string
}

/** Costs a little for each breaker. Pure. */
export function progressOf(positions: ReadonlyMap<string, Position>): Progress {
  let seq = 0
  let sum = 0
  for (const [breaker, position] of positions) {
    const { mode, term } = inForce(position)
    seq = Math.max(seq, position.seq)
    if (mode !== 'closed' || term > 0) sum = (sum + fnv1a(`${breaker}\0${mode}\0${term}`)) >>> 0
  }
  return { seq, digest: sum.toString(16).padStart(8, '0') }
}

/** @see http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

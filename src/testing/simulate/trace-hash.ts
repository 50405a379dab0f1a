/** A fingerprint of everything that happened, in its order: FNV-1a over 32-bit words, in two lanes. */
export interface TraceHash {
  add(word: number): void
  addText(text: string): void
  /** 16 hex digits. */
  digest(): string
}

export function traceHash(): TraceHash {
  let one = 0x811c9dc5 | 0
  let other = 0x9747b28c | 0
  const hash: TraceHash = {
    add(word) {
      one = Math.imul(one ^ word, 0x01000193)
      other = (Math.imul(other ^ (word >>> 7) ^ (word << 11), 0x85ebca6b) + 1) | 0
    },
    addText(text) {
      for (let at = 0; at < text.length; at++) hash.add(text.charCodeAt(at))
    },
    digest: () => [one, other].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join(''),
  }
  return hash
}

/** A record that says which it is, of about so many bytes, which can be checked as a whole. */
export function recordOf(n: number, bytes: number): Buffer {
  return Buffer.from(`${n}:${String.fromCharCode(97 + (n % 26)).repeat(((n * 7_919) % bytes) + 1)}\n`)
}

/** The number of a record that is whole. @throws Error for another one */
export function numberOf(record: Uint8Array, bytes: number): number {
  const text = Buffer.from(record).toString()
  const n = Number(text.slice(0, text.indexOf(':')))
  if (text !== recordOf(n, bytes).toString()) throw new Error(`record ${n} is not what it was`)
  return n
}

/**
 * One signal for two, to be released when it is not needed any more; without `AbortSignal.any`, which holds on to long-lived signals in Node 20.
 */
export function joinSignals(
  one: AbortSignal | undefined,
  other: AbortSignal | undefined,
): { readonly signal: AbortSignal | undefined; release(): void } {
  if (one === undefined || other === undefined || one === other) return { signal: one ?? other, release: () => {} }
  const controller = new AbortController()
  const abort = () => controller.abort(one.aborted ? one.reason : other.reason)
  if (one.aborted || other.aborted) abort()
  one.addEventListener('abort', abort, { once: true })
  other.addEventListener('abort', abort, { once: true })
  const release = () => {
    one.removeEventListener('abort', abort)
    other.removeEventListener('abort', abort)
  }
  return { signal: controller.signal, release }
}

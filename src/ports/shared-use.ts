/** What may be closed when nobody uses it any more. */
interface Closable {
  close?(): Promise<void>
}

const users = new WeakMap<Closable, number>()

/**
 * Counts a user of an adapter that instances may share, and gives what to call when that one is done, once: whoever is
 * last closes it.
 */
export function useShared(adapter: Closable): () => Promise<void> {
  users.set(adapter, (users.get(adapter) ?? 0) + 1)
  return async () => {
    const left = (users.get(adapter) ?? 1) - 1
    users.set(adapter, left)
    if (left === 0) await adapter.close?.()
  }
}

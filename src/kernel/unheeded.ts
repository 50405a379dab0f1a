/** Calls something whose failure must change nothing here: a listener, a logger. What it throws or rejects with is ignored. */
export function unheeded(call: () => unknown): void {
  try {
    const answer = call()
    if (answer instanceof Promise) answer.catch(() => {})
  } catch {
    // As said.
  }
}

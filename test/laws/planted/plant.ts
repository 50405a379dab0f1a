/** A place in the sources that is changed. */
export interface Change {
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
}

/** A bug, as a change of the sources, and the law that has to catch it. */
export interface Plant extends Change {
  /** What goes wrong, in words. */
  readonly name: string
  /** From the root of the repository. */
  readonly file: string
  /** More places in the same file, where a second guard would hide the bug. */
  readonly and?: readonly Change[]
  /** The stable name of the law. */
  readonly law: string
}

/** The sources with the bug in them. @throws Error where a place is not there, or there more than once */
export function withPlant(code: string, { name, file, find, replace, and = [] }: Plant): string {
  return [{ find, replace }, ...and].reduce((changed, change) => {
    const [before, after, ...more] = changed.split(change.find)
    if (before !== undefined && after !== undefined && more.length === 0) return before + change.replace + after
    const places = after === undefined ? 'no such place' : 'more than one such place'
    throw new Error(`"${name}" cannot be planted, ${file} has ${places}: ${change.find}`)
  }, code)
}

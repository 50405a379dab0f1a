/** What can stand in a chain, in one at a time. */
export interface Chained<N extends Chained<N>> {
  chain: Chain<N> | undefined
  before: N | undefined
  after: N | undefined
}

/** A queue that anything can be taken out of at once, wherever it stands: its links are in what it holds. */
export class Chain<N extends Chained<N>> {
  first: N | undefined
  size = 0
  #last: N | undefined

  get last(): N | undefined {
    return this.#last
  }

  push(node: N): void {
    node.chain = this
    node.before = this.#last
    if (this.#last === undefined) this.first = node
    else this.#last.after = node
    this.#last = node
    this.size += 1
  }

  unshift(node: N): void {
    node.chain = this
    node.after = this.first
    if (this.first === undefined) this.#last = node
    else this.first.before = node
    this.first = node
    this.size += 1
  }

  shift(): N | undefined {
    const { first } = this
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Nothing happens to what stands elsewhere. */
  remove(node: N): void {
    if (node.chain !== this) return
    const { before, after } = node
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    node.chain = undefined
    node.before = undefined
    node.after = undefined
    this.size -= 1
  }

  /** What stands in it while it is gone through may be taken out, that which comes next excepted. */
  *[Symbol.iterator](): Iterator<N> {
    for (let node = this.first; node !== undefined;) {
      const { after } = node
      yield node
      node = after
    }
  }
}

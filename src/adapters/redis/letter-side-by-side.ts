/** Organizations that are asked at the same time: each question has its own deadline, and waits for those before it. */
const atOnce = 64

/** Asks about all of them, some at a time, and gives the answers in their order. */
export async function sideBySide<A, B>(all: readonly A[], ask: (one: A) => Promise<B>): Promise<readonly B[]> {
  const answers: B[] = []
  for (let start = 0; start < all.length; start += atOnce)
    answers.push(...(await Promise.all(all.slice(start, start + atOnce).map(ask))))
  return answers
}

/** Lists of at most `size`. */
export function inChunks<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
}

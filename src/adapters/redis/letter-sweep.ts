import { listIn, textIn } from './letter-asking.ts'
import { allKey } from './letter-keys.ts'
import type { LetterSources } from './letter-pages.ts'
import { sweepScript } from './letter-scripts.ts'

/** Letters that one script drops. */
const dropsMax = 100

/**
 * Drops old letters of one organization after the other. Whose oldest letter is known not to be old is passed over, so that
 * what stands costs nothing: a letter that is older and came later goes with the next one.
 */
export function letterSweep({ redis, fleet, organizations }: LetterSources): (before: number) => Promise<number> {
  /** Organizations that are still to be looked at, and when the oldest letter of others was created. */
  let left: string[] = []
  let oldest = new Map<string, number>()

  const sweepOne = async (organization: string, before: number): Promise<number> => {
    const reply = await redis.script(sweepScript, [allKey(fleet, organization)], [before, dropsMax])
    const [dropped, oldestAt] = listIn(reply)
    if (oldestAt === undefined) await organizations.forget(organization)
    else oldest.set(organization, Number(textIn(oldestAt)))
    return Number(dropped)
  }

  return async (before) => {
    if (left.length === 0) {
      const names = await organizations.all()
      oldest = new Map(names.flatMap((name) => (oldest.has(name) ? [[name, oldest.get(name) ?? 0]] : [])))
      left = [...names]
    }
    for (let name = left.at(-1); name !== undefined; name = left.at(-1)) {
      const isDue = (oldest.get(name) ?? -Infinity) < before
      const dropped = isDue ? await sweepOne(name, before) : 0
      if (dropped > 0) return dropped
      left.pop()
    }
    return 0
  }
}

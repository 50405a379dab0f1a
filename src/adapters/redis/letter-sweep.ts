import { listIn, textIn } from './letter-asking.ts'
import { allKey } from './letter-keys.ts'
import type { LetterSources } from './letter-pages.ts'
import { sweepScript } from './letter-scripts.ts'

/** Letters that one script drops. */
const dropsMax = 100
/** How long it counts when the oldest letter of an organization was created: one that is older may come later, restored. */
const knownMs = 3_600_000

interface Oldest {
  readonly createdAt: number
  /** What was old when it was looked for. */
  readonly before: number
}

/**
 * Drops old letters of one organization after the other. Whose oldest letter is known not to be old is passed over, so that
 * what stands costs next to nothing.
 */
export function letterSweep({ redis, fleet, organizations }: LetterSources): (before: number) => Promise<number> {
  /** Organizations that are still to be looked at, and when the oldest letter of others was created. */
  let left: string[] = []
  let oldest = new Map<string, Oldest>()

  const sweepOne = async (organization: string, before: number): Promise<number> => {
    const reply = await redis.script(sweepScript, [allKey(fleet, organization)], [before, dropsMax])
    const [dropped, oldestAt] = listIn(reply)
    if (oldestAt === undefined) await organizations.forget(organization)
    else oldest.set(organization, { createdAt: Number(textIn(oldestAt)), before })
    return Number(dropped)
  }

  return async (before) => {
    if (left.length === 0) {
      const names = await organizations.all()
      const standing = new Set(names)
      oldest = new Map([...oldest].filter(([name]) => standing.has(name)))
      left = [...names]
    }
    // Taken out first: one that cannot be swept does not keep those after it from being looked at.
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const known = oldest.get(name)
      const isDue = known === undefined || known.createdAt < before || before - known.before >= knownMs
      const dropped = isDue ? await sweepOne(name, before) : 0
      if (dropped === 0) continue
      left.push(name)
      return dropped
    }
    return 0
  }
}

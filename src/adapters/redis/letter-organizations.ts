import type { Clock } from '../../ports/clock.ts'
import { type LetterAsking, listIn, textIn } from './letter-asking.ts'
import { type Script, script } from './run-script.ts'

/** The organizations that have letters, in a key of their own, since it is on another node of a cluster than they are. */
export interface LetterOrganizations {
  /** To be waited for before a letter is added: puts its organization in, once a minute, or `again`. */
  announce(organization: string, again?: boolean): Promise<void>
  /** When Redis did not answer: it may have lost announcements, so that all of them are made again. */
  doubt(): void
  /** All of them, in order. */
  all(): Promise<readonly string[]>
  /** Takes one out that has no letters, unless one may just be coming. */
  forget(organization: string): Promise<void>
}

/** How long an announcement is good for. */
const announcedMs = 60_000
/** How long an organization stays in after its last announcement: much longer than anybody takes to add a letter. */
const keptMs = 3_600_000
const rememberedMax = 10_000
const scanCount = 1_000

/** KEYS: the organizations, by when they were last announced. ARGV: one. */
const announceScript: Script = script(`
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], time[1] * 1000, ARGV[1])
`)

const forgetScript: Script = script(`
local time, at = redis.call('TIME'), redis.call('ZSCORE', KEYS[1], ARGV[1])
if at and time[1] * 1000 - at > ${keptMs} then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
`)

export function letterOrganizations(redis: LetterAsking, fleet: string, clock: Clock): LetterOrganizations {
  const key = `sg:${fleet}:dl:orgs`
  /** Until when an announcement is good, on the monotonic clock, and whether it was heard. */
  const announced = new Map<string, { readonly until: number; readonly heard: Promise<unknown> }>()

  return {
    async announce(organization, again = false) {
      const now = clock.monotonic()
      const last = announced.get(organization)
      if (!again && last !== undefined && last.until > now) {
        await last.heard
        return
      }
      if (announced.size >= rememberedMax) announced.clear()
      const heard = redis.script(announceScript, [key], [organization])
      announced.set(organization, { until: now + announcedMs, heard })
      try {
        await heard
      } catch (error) {
        announced.delete(organization)
        throw error
      }
    },
    doubt: () => announced.clear(),
    async all() {
      const names = new Set<string>()
      let cursor = '0'
      do {
        const [next, found] = listIn(await redis.command('zscan', key, cursor, 'COUNT', scanCount))
        listIn(found).forEach((name, index) => index % 2 === 0 && names.add(textIn(name)))
        cursor = textIn(next)
      } while (cursor !== '0')
      return [...names].toSorted()
    },
    async forget(organization) {
      await redis.script(forgetScript, [key], [organization])
    },
  }
}

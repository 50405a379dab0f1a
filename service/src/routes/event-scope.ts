import type { Organizations } from '../config/organizations.ts'
import type { Onlooking } from '../dashboard/live-view.ts'
import type { Caller } from './access.ts'

/** What a caller may watch: an organization its own, and the breakers of its own destinations. */
export function onlooking(caller: Caller, organizations: Organizations): Onlooking {
  if (caller.kind === 'operator') return { organization: undefined, seesBreaker: () => true }
  const own = new Set(organizations.get(caller.name)?.receivers.map(({ destination }) => destination))
  return { organization: caller.name, seesBreaker: (name) => own.has(name) }
}

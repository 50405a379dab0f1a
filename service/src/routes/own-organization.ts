import { type Caller, scopeOf } from './access.ts'
import { invalid } from './check-request.ts'

/** The one organization that a question is about: a token of one implies it. @throws Problem 400 or 403 */
export function ownOrganization(caller: Caller, asked: string | undefined): string {
  const organization = scopeOf(caller, asked)
  if (organization !== undefined) return organization
  throw invalid([{ path: 'organization', message: 'an operator says which' }])
}

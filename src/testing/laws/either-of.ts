import * as fc from 'fast-check'
import type { Law } from '../law.ts'

/** One law that is tried on two kinds of cases. It says what the first says, and is had for a configuration as that is. */
export function eitherOf<A, B>(first: Law<A>, second: Law<B>): Law<{ readonly first: A } | { readonly second: B }> {
  const { name, says } = first
  return {
    name,
    says,
    cases: fc.oneof(fc.record({ first: first.cases }), fc.record({ second: second.cases })),
    holds: (given) => ('first' in given ? first.holds(given.first) : second.holds(given.second)),
    ...(first.for !== undefined && { for: first.for }),
  }
}

import { retryableByType } from '../../kernel/error-classes.ts'
import type { ErrorType } from '../../kernel/classify.ts'
import type { LetterFilter } from '../../ports/dead-letters.ts'
import { organizationKey } from './keys.ts'
import { cellName } from './letter-value.ts'

/** The second half of the id of a letter or a job, as keys and indexes have it. */
export function ownId(id: string): string {
  return id.slice(id.indexOf('.') + 1)
}

/** The index of all letters of an organization; scripts make its other keys from it. */
export function allKey(fleet: string, organization: string): string {
  return organizationKey(fleet, 'dl', organization, 't')
}

export function letterKey(fleet: string, organization: string, id: string): string {
  return organizationKey(fleet, 'dl', organization, `l:${id}`)
}

export const errorTypes: readonly ErrorType[] = Object.keys(retryableByType) as readonly ErrorType[]

/** Which indexes a filter is about, as scripts are told: all, those with these names, or those whose names begin so. */
export function cellsOf({ channel, errorType, parked }: LetterFilter): readonly [how: string, ...names: string[]] {
  if (channel === undefined && errorType === undefined && parked === undefined) return ['all']
  const types = errorType === undefined ? errorTypes : [errorType]
  const parkings = parked === undefined ? [false, true] : [parked]
  if (channel !== undefined) {
    const cells = types.flatMap((type) => parkings.map((is) => cellName({ errorType: type, parked: is, channel })))
    return ['cells', ...cells]
  }
  if (parked === undefined) return ['begins', ...types.map((type) => `${type}:`)]
  return ['begins', ...types.map((type) => `${type}:${parked ? 1 : 0}:`)]
}

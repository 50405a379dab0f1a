import { ulid } from 'ulid'
import { ConfigError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'
import type { LetterFilter } from '../../ports/dead-letters.ts'
import { letterId, organizationOf } from '../../ports/letter.ts'
import type { RedriveJob, RedrivePlan } from '../../ports/redrive-jobs.ts'
import { countLetters, everyRow } from '../dead-letters/dead-letter-queue-reading.ts'
import { filterOfJob } from './redrive-feed.ts'
import type { RedriveBounds } from './redrive-options.ts'
import type { WorkerParts } from './redrive-run.ts'

type Of = RedrivePlan['of']

export interface StartParts extends WorkerParts {
  readonly maxRedrives: number
  /** To be waited for: what is too old is gone then, where that is seen to before each use. */
  readonly beforeStart: () => Promise<void>
}

/**
 * Makes a job for each organization that has any of the letters; `max` is of all of them together.
 * @throws ConfigError for ids that no letter can have
 */
export async function startRedrive(
  parts: StartParts,
  of: Of,
  { ratePerSecond, max = Infinity, maxRedrives = parts.maxRedrives }: RedriveBounds,
): Promise<readonly RedriveJob[]> {
  const { store, clock, random } = parts
  await parts.beforeStart()
  const startedAt = clock.now()
  const jobs: RedriveJob[] = []
  let left = max
  for (const part of 'ids' in of ? byOrganization(of.ids) : await filtersOf(parts, of.filter, startedAt)) {
    const found = 'ids' in part.of ? part.of.ids.length : await countLetters(store, part.of.filter)
    const total = Math.min(found, left)
    if (total === 0) continue
    left -= total
    const id = letterId(
      part.organization,
      ulid(Math.max(0, Math.floor(startedAt)), () => random.next()),
    )
    const plan = {
      id,
      ...part,
      total,
      maxRedrives,
      startedAt,
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    }
    await store.jobs.start(plan)
    jobs.push(asStarted(plan))
  }
  return jobs
}

function asStarted(plan: RedrivePlan): RedriveJob {
  const counts = { done: 0, delivered: 0, failed: 0, parked: 0, skipped: 0, fed: 0 }
  return { ...plan, ...counts, state: 'running', fedAll: false }
}

interface Part {
  readonly organization: string
  readonly of: Of
}

/** @throws ConfigError */
function byOrganization(ids: readonly string[]): readonly Part[] {
  const parts = new Map<string, string[]>()
  for (const [index, id] of ids.entries()) {
    const organization = organizationOf(id)
    if (organization === undefined)
      throw new ConfigError(`ids.${index}`, `expected the id of a letter (given: ${shown(id)})`)
    const own = parts.get(organization) ?? []
    own.push(id)
    parts.set(organization, own)
  }
  return [...parts].map(([organization, own]) => ({ organization, of: { ids: own } }))
}

async function filtersOf({ store }: WorkerParts, filter: LetterFilter, startedAt: number): Promise<readonly Part[]> {
  const organizations = new Set<string>()
  if (filter.organization !== undefined) organizations.add(filter.organization)
  else for await (const rows of everyRow(store, filter)) for (const row of rows) organizations.add(row.organization)
  return [...organizations].map((organization) => {
    return { organization, of: { filter: filterOfJob(filter, organization, startedAt) } }
  })
}

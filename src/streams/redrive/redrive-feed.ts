import type { LetterFilter } from '../../ports/dead-letters.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { RedriveJob } from '../../ports/redrive-jobs.ts'

/** Letters that are put into a job at a time. */
const chunk = 500

/**
 * Puts the next letters into a job, oldest first, which wait longest and expire first. Several workers may do so: whoever
 * comes second changes nothing.
 */
export async function feedJob(store: LetterStore, job: RedriveJob): Promise<void> {
  const most = Math.min(chunk, job.total - job.fed)
  const { ids, next } = most > 0 ? await nextIds(store, job, most) : { ids: [], next: undefined }
  const isLast = next === undefined || job.fed + ids.length >= job.total
  await store.jobs.feed(job.id, job.cursor, ids, isLast ? undefined : next)
}

async function nextIds(
  store: LetterStore,
  { of, cursor }: RedriveJob,
  most: number,
): Promise<{ readonly ids: readonly string[]; readonly next: string | undefined }> {
  if ('filter' in of) {
    const page = await store.page(of.filter, { limit: most, cursor, oldestFirst: true })
    return { ids: page.items.map(({ header }) => header.id), next: page.next }
  }
  const start = Number(cursor ?? 0)
  return { ids: of.ids.slice(start, start + most), next: String(start + most) }
}

/** The filter of a job: of one organization, without the parked unless it asks for them, and nothing that comes later. */
export function filterOfJob(filter: LetterFilter, organization: string, startedAt: number): LetterFilter {
  const until = Math.min(filter.until ?? Infinity, startedAt)
  return { ...filter, organization, parked: filter.parked ?? false, until }
}

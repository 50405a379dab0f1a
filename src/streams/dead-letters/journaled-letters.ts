import { quietly } from '../../ports/logger.ts'
import type { Added, LetterStore } from '../../ports/letter-store.ts'
import type { RedriveJob, RedriveJobs, Taken } from '../../ports/redrive-jobs.ts'
import { type ChangeJournal, changeJournal, type ChangeJournalOptions } from './change-journal.ts'

/**
 * A store of letters that keeps them where `make` does, in the memory of this process, and makes every change durable in a
 * journal first, which has it all again at the next start. It opens the journal when it is first used. All reject with the
 * errors of the journal: `UnavailableError` while that cannot be written, `ConfigError` while another process has it,
 * `OverCapacityError` when it is full.
 */
export function journaledLetters(options: ChangeJournalOptions): LetterStore {
  const journal = changeJournal({ ...options, logger: quietly(options.logger) })
  const { commit } = journal
  const read = journal.store

  return {
    async add(letter, bounds) {
      const there = await (await read()).get(letter.header.id)
      if (there !== undefined) return { status: 'present', letter: there }
      return (await commit({ does: 'add', letter, bounds })) as Added
    },
    get: async (id) => (await read()).get(id),
    page: async (filter, how) => (await read()).page(filter, how),
    count: async (filter, cursor) => (await read()).count(filter, cursor),
    rows: async (filter, cursor) => (await read()).rows(filter, cursor),
    async replace(letter, version) {
      const there = await (await read()).get(letter.header.id)
      if (there?.header.version !== version) return false
      return (await commit({ does: 'replace', letter, version })) as boolean
    },
    async remove(given) {
      const store = await read()
      const there = await Promise.all(given.map((id) => store.get(id)))
      const ids = given.filter((_, index) => there[index] !== undefined)
      return ids.length === 0 ? 0 : ((await commit({ does: 'remove', ids })) as number)
    },
    async sweep(before) {
      const { items } = await (await read()).page({}, { limit: 1, oldestFirst: true })
      const oldest = items[0]?.header.createdAt ?? Infinity
      return oldest < before ? ((await commit({ does: 'sweep', before })) as number) : 0
    },
    jobs: journaledJobs(journal),
    close: () => journal.close(),
  }
}

/** What changes nothing, as it often is with jobs that are over, is not written down. */
function journaledJobs({ store: read, commit }: ChangeJournal): RedriveJobs {
  const isOpen = async (id: string): Promise<boolean> => {
    const job = await (await read()).jobs.get(id)
    return job?.state === 'running' || job?.state === 'paused'
  }

  return {
    async start(plan) {
      if ((await (await read()).jobs.get(plan.id)) === undefined) await commit({ does: 'start', plan })
    },
    get: async (id) => (await read()).jobs.get(id),
    list: async (organization, which) => (await read()).jobs.list(organization, which),
    async feed(id, cursor, ids, next) {
      return (await isOpen(id)) && ((await commit({ does: 'feed', id, cursor, ids, next })) as boolean)
    },
    async take(id, how) {
      const { jobs } = await read()
      const job = await jobs.get(id)
      if (job?.state !== 'running') return job && { job, work: [], skipped: [] }
      return (await commit({ does: 'takeInTurn', id, ...how })) as Taken | undefined
    },
    async renew(id, turns, leaseMs) {
      if (turns.length === 0) return []
      return (await commit({ does: 'renew', id, turns, leaseMs })) as readonly string[]
    },
    async settle(id, turn, outcome, letter) {
      const change = { does: 'settle', id, turn, outcome, ...(letter === undefined ? {} : { letter }) } as const
      return (await commit(change)) as RedriveJob | 'lost' | 'changed'
    },
    giveBack: async (id, turn, forMs = 0) => void (await commit({ does: 'giveBack', id, turn, forMs })),
    async pause(id, forMs) {
      if (await isOpen(id)) await commit({ does: 'pause', id, forMs })
    },
    cancel: async (id) => (await isOpen(id)) && ((await commit({ does: 'cancel', id })) as boolean),
  }
}

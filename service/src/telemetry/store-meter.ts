import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Database, Queryable } from '../store/database.ts'
import { findBacklog } from '../store/claim-messages.ts'
import { countPending, pendingCountedMax } from '../store/count-pending.ts'

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

type Operation = 'query' | 'transaction'

/** Measures what is asked of the store, and reads at each collection how many messages wait there, and how long. */
export function storeMeter(registry: Registry): (database: Database) => Database {
  const registers = [registry]
  const durations = new Histogram({
    name: 'switchgear_store_duration_seconds',
    help: 'What a statement, or a transaction, takes',
    ...{ labelNames: ['operation'], buckets, registers },
  })
  const failures = new Counter({
    name: 'switchgear_store_failures_total',
    help: 'Statements and transactions that failed',
    ...{ labelNames: ['operation'], registers },
  })
  const measured = async <T>(operation: Operation, work: () => Promise<T>): Promise<T> => {
    const end = durations.startTimer({ operation })
    try {
      return await work()
    } catch (error) {
      failures.inc({ operation })
      throw error
    } finally {
      end()
    }
  }
  return (database) => {
    pendingGauges(registry, database)
    return {
      ...database,
      query: (sql, parameters) => measured('query', () => database.query(sql, parameters)),
      transaction: (work, how) => measured('transaction', () => database.transaction(work, how)),
    }
  }
}

/** While the store cannot be asked, there is no reading. */
function pendingGauges(registry: Registry, database: Queryable): void {
  gauge('switchgear_messages_pending', `Messages that wait, up to ${pendingCountedMax}; of all instances`, () =>
    countPending(database),
  )
  gauge(
    'switchgear_messages_overdue_seconds',
    'How long the message is due that waits longest; of all instances',
    async () => {
      const due = (await findBacklog(database)).map(({ dueInMs }) => -dueInMs / 1_000)
      return Math.max(0, ...due)
    },
  )

  function gauge(name: string, help: string, read: () => Promise<number>): void {
    const made = new Gauge({
      ...{ name, help, registers: [registry] },
      async collect() {
        const value = await read().catch(() => undefined)
        if (value === undefined) made.remove()
        else made.set(value)
      },
    })
  }
}

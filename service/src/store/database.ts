/** A row as the driver gives it; what stands in it is the query's business. */
export type Row = Readonly<Record<string, unknown>>

export interface Queryable {
  /**
   * Runs one statement. Parameters that are objects go as JSON text, so that both engines take them alike.
   * @throws UnavailableError when the database could not be asked, or could not say whether it did.
   */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>
}

/**
 * PostgreSQL, as a server or embedded: the same SQL runs on both. 64-bit integers come as numbers, JSON as values.
 */
export interface Database extends Queryable {
  /** Whether this process is the only one that can use it. */
  readonly embedded: boolean
  /**
   * All or nothing. `work` may run several times, when the engine asks to try again; it keeps no state of its own.
   * Whatever it throws rolls back. What `takesLong` has no deadlines.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>, how?: { readonly takesLong?: boolean }): Promise<T>
  /** Gives back what dead rows hold, where the engine does not do so by itself. */
  tidy(): Promise<void>
  close(): Promise<void>
}

/** The database's own clock in a statement, in ms since the epoch: all instances see the same. */
export const nowMs = '(extract(epoch FROM statement_timestamp()) * 1000)::bigint'

/**
 * What the planner is not to do. Every statement of ours finds its rows by an index, however large the tables are; the
 * planner does not know that of tables that nobody has analyzed yet, which in a single process is always: it would read
 * them whole, for each claim, or sort what an index has in order. Nor is it to compile statements: it takes those for
 * dear which read a small table whole all the same, and spends 10 to 200 ms on each.
 */
export const plannerSettings: readonly string[] = [
  'enable_seqscan',
  'enable_hashjoin',
  'enable_mergejoin',
  'enable_sort',
  'enable_incremental_sort',
  'jit',
]

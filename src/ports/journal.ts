/**
 * Records that outlive the process, in the order in which they were appended. What is in a record is its user's business.
 *
 * The contract: what `append` resolved for is there after a crash of the process or of the machine, whole; once, unless
 * another process took over what this one was writing, which may then be in both journals. What it rejected for is not
 * there, unless the device failed in a way that hides it. A journal that could not write, since its
 * place was full or away, works again once that is over.
 */
export interface Journal {
  /** Records that are there, those that were found at the start included. */
  readonly records: number
  /** What they take, in bytes. */
  readonly bytes: number
  /**
   * Resolves once the record is durable. All that are appended in a turn of the event loop, and while others are being
   * written, are made durable together. They stand in the order of the calls, and resolve in it.
   * @throws OverCapacityError past its bounds; UnavailableError naming its place when that cannot be written; ConfigError
   * when it belongs to another process; ClosedError
   */
  append(record: Uint8Array): Promise<void>
  /**
   * What was appended before, oldest first, in parts: up to the moment when all others were given. What cannot be read is set aside and reported, and the rest
   * still comes. @throws as `append` does
   */
  parts(): AsyncIterable<JournalPart>
  /** Takes over what processes that are gone have left in the same place, if it is a place that processes share. */
  adopt(): Promise<void>
  /**
   * Puts records in place of everything that was appended before the call, all or nothing. No append may be under way when
   * it is called; later ones come behind the records.
   */
  replace(records: Iterable<Uint8Array>): Promise<void>
  /** Writes what was appended, and ends. What is in it stays. */
  close(): Promise<void>
}

export interface JournalPart {
  /** Tells it from other parts; the same as long as this process has it. */
  readonly id: string
  /** Records in their order, some at a time. */
  batches(): AsyncIterable<readonly Uint8Array[]>
  /** Keeps a record of this part where nobody reads it again but an operator. Durable when it resolves. */
  setAside(record: Uint8Array): Promise<void>
  /** Forgets the part: all that is in it is somewhere else. */
  drop(): Promise<void>
}

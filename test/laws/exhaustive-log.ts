import { strict as assert } from 'node:assert'
import { initialState } from '../../src/machines/fleet-state.ts'
import { fold, foldRetained, sameState, unread, type Position, type Verdict } from '../../src/machines/fold.ts'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import { assertValidState } from '../../src/testing/valid-state.ts'

/** A log, as its last message and the log before that: logs that begin alike share their beginnings. */
export interface LogNode {
  /** No two logs have the same. */
  readonly number: number
  readonly depth: number
  readonly seq: number
  readonly message: StoredMessage | undefined
  readonly accepted: boolean
  /** Where the last message is a claim that counts: its fence, and when its author wrote it by the log's time as it saw it. */
  readonly claim: { readonly fence: string; readonly logNow: number } | undefined
  /** Where somebody is who has read all of it, one message after the other. */
  readonly position: Position
  /** Its first so many messages. */
  readonly prefix: (depth: number) => LogNode
  has(id: string): boolean
}

export interface LogTree {
  readonly root: LogNode
  /** The log with one message more. @throws AssertionError that names the law that its readers break */
  append(log: LogNode, message: Omit<StoredMessage, 'seq'>): LogNode
  size(): number
  /** What became of the last messages of all logs. */
  readonly verdicts: ReadonlyMap<string, number>
}

/** All logs that come about; each is read once, and its readers are asked for what the laws of logs say. */
export function logTree(): LogTree {
  const verdicts = new Map<string, number>()
  const known = new Map<string, LogNode>()
  let made = 0
  const root = nodeOf(undefined, undefined, undefined, unread)

  return {
    root,
    verdicts,
    size: () => made,
    append(log, message) {
      const key = `${log.number} ${message.id} ${message.at}`
      const before = known.get(key)
      if (before !== undefined) return before
      const stored = { ...message, seq: log.seq + 1 }
      const { position, verdict } = fold(log.position, stored)
      const what = verdict.accepted ? (verdict.event.fact?.type ?? 'unknown') : verdict.why
      verdicts.set(what, (verdicts.get(what) ?? 0) + 1)
      const node = nodeOf(log, stored, verdict, position)
      checkEvent(log, stored, verdict)
      checkReaders(node)
      known.set(key, node)
      return node
    },
  }

  function nodeOf(
    before: LogNode | undefined,
    message: StoredMessage | undefined,
    verdict: Verdict | undefined,
    position: Position,
  ): LogNode {
    const path: LogNode[] = []
    const node: LogNode = {
      number: made++,
      depth: before === undefined ? 0 : before.depth + 1,
      seq: message?.seq ?? 0,
      message,
      accepted: verdict?.accepted === true,
      claim:
        verdict?.accepted === true && verdict.event.fact?.type === 'probeClaimed'
          ? { fence: verdict.event.id, logNow: verdict.event.time }
          : undefined,
      position,
      prefix: (depth) => path[depth] ?? node,
      has: (id) => message?.id === id || (before?.has(id) ?? false),
    }
    for (let depth = 0; depth < node.depth; depth++) path.push(before?.prefix(depth) ?? node)
    path.push(node)
    return node
  }
}

/** What the laws say of one more message. */
function checkEvent(log: LogNode, message: StoredMessage, verdict: Verdict): void {
  assert.ok(!log.has(message.id), 'fleet.one-winner: an event is stored twice')
  if (!verdict.accepted) return
  const { event, divergence } = verdict
  const earlier = Array.from({ length: log.depth }, (_, at) => log.prefix(at + 1)).filter(({ accepted }) => accepted)
  const { state } = log.position
  assert.ok(
    earlier.every((node) => node.message?.expected !== message.expected),
    'fleet.one-winner: two events count after the same one',
  )
  assert.equal(divergence, undefined, 'breaker.after: the author sees another state')
  assert.ok(message.at <= event.validUntil && message.at >= (event.notBefore ?? 0), 'breaker.stale: out of its window')
  const { fact } = event
  if (event.from === 'open' && event.to === 'closed') assert.fail('breaker.path: open became closed')
  if (fact?.type === 'opened' && fact.quorum > 1)
    assert.ok(new Set(state.votes.map(({ voter }) => voter)).size >= fact.quorum, 'fleet.quorum: too few votes')
  if (fact?.type === 'probeClaimed')
    assert.ok(state.lease === undefined || message.at >= state.lease.until, 'probe.one-lease: two leases at once')
  if (fact === undefined || !('fence' in fact)) return
  assert.equal(fact.fence, state.lease?.fence, 'probe.one-result: a result of a lease that nobody holds')
  if (fact.type !== 'probeReleased')
    assert.ok(message.at < (state.lease?.until ?? 0), 'probe.expired: a result after the lease')
}

/** Whoever reads the log, from wherever and however much at once, is in the same state, or says that it is uncertain. */
function checkReaders(node: LogNode): void {
  const { position } = node
  const messages = Array.from({ length: node.depth }, (_, at) => node.prefix(at + 1).message).filter(
    (message) => message !== undefined,
  )
  assertValidState(position.state)
  assert.equal(position.provisional, false)
  for (let read = 0; read < messages.length; read++) {
    const from = node.prefix(read).position
    assert.ok(
      sameState(foldRetained(from, messages.slice(read)).state, position.state),
      'fleet.agreement: read at once, it is another state',
    )
    if (read === 0) continue
    // As much is retained as can be: what was before is gone.
    const joined = foldRetained(unread, messages.slice(read), messages.length - read)
    assert.ok(
      joined.provisional || sameState(joined.state, position.state) || sameState(joined.state, initialState),
      'breaker.suffix: a suffix leads elsewhere',
    )
  }
}

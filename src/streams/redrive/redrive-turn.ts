import { type LetterParts, readLetter } from '../../ports/letter.ts'
import type { RedriveJob, RedriveOutcome } from '../../ports/redrive-jobs.ts'
import { afterFailedRedrive } from './redrive-outcome.ts'
import { isOutage } from './redrive-patience.ts'
import { countRefusals, refuse, setAside } from './redrive-pause.ts'
import { fail, type RedriveRun, type RedriveTurn, wake } from './redrive-run.ts'
import { sendLetter, type Sent } from './redrive-send.ts'

/** What can be settled of what came of a sending. */
type Settled = Extract<Sent, { readonly status: 'delivered' | 'failed' }>

/** Longer waits are taken in parts: a timer has an end. */
const waitMsMax = 60_000
/** How long a letter waits for its limit in this worker's hands; for longer it would keep others out of them. */
const limitedInHandMs = 1_000
/** How long a letter counts as it was when it was read: whoever changes it later than that before it is sent is heard. */
const freshMs = 2_000

/**
 * Has a letter sent when it is its time, and settles it; gives it back where nothing was sent. Never rejects: what makes it
 * impossible to go on stops the worker, and what the store could not be told any more is over with its lease.
 */
export async function handleTurn(run: RedriveRun, turn: RedriveTurn, maxRedrives: number): Promise<void> {
  try {
    const sent = await sendInTurn(run, turn)
    if (turn.lost) return
    countRefusals(run, sent)
    if (sent.status === 'delivered' || sent.status === 'failed') await settle(run, turn, sent, maxRedrives)
    else if (sent.status === 'breakerOpen') await refuse(run, turn, sent.retryAfterMs)
    else if (sent.status === 'limited') await setAside(run, turn, sent.retryAfterMs)
    else await run.ask(() => run.store.jobs.giveBack(run.jobId, turn.name))
  } catch (error) {
    if (!isOutage(error)) fail(run, error)
  } finally {
    run.turns.delete(turn.name)
    wake(run)
  }
}

async function sendInTurn(run: RedriveRun, turn: RedriveTurn): Promise<Sent> {
  const { clock, plan } = run
  const { signal } = turn.off
  try {
    const letter = readLetter(turn.letter)
    let readAt = clock.monotonic()
    await waitUntil(run, Math.max(turn.dueAt, clock.monotonic() + plan.slotInMs()), signal)
    for (;;) {
      if (signal.aborted) return { status: 'aborted' }
      if (clock.monotonic() - readAt > freshMs) {
        // Who takes it next has it as it is, or passes over it.
        if (!(await isUnchanged(run, turn))) return { status: 'aborted' }
        readAt = clock.monotonic()
        continue
      }
      turn.sending = true
      const sent = await sendLetter(plan, letter, signal)
      turn.sending = false
      if (sent.status !== 'limited' || sent.retryAfterMs > limitedInHandMs) return sent
      await waitUntil(run, clock.monotonic() + sent.retryAfterMs, signal)
    }
  } catch (error) {
    const isCalledOff = signal.aborted && (error === signal.reason || isOutage(error))
    if (!isCalledOff) fail(run, error)
    return { status: 'aborted' }
  }
}

async function isUnchanged({ ask, store }: RedriveRun, { letter: { header } }: RedriveTurn): Promise<boolean> {
  const there = await ask(() => store.get(header.id))
  return there?.header.version === header.version
}

/** Rejects with the signal's reason when that aborts. */
async function waitUntil({ clock }: RedriveRun, at: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = at - clock.monotonic(); leftMs > 0; leftMs = at - clock.monotonic())
    await clock.sleep(Math.min(waitMsMax, leftMs), { signal })
}

async function settle(run: RedriveRun, turn: RedriveTurn, sent: Settled, maxRedrives: number): Promise<void> {
  const { store, jobId, clock, ask } = run
  let current: LetterParts | undefined = turn.letter
  let unanswered = false
  for (;;) {
    const at = clock.now()
    const next =
      sent.status === 'failed' && current ? afterFailedRedrive(current, sent, { at, maxRedrives }) : undefined
    const outcome = next?.header.parked === true ? 'parked' : sent.status
    const noAnswer = (): void => void (unanswered = true)
    const answer = await ask(() => store.jobs.settle(jobId, turn.name, outcome, next), noAnswer)
    if (answer === 'changed') current = await ask(() => store.get(turn.letter.header.id))
    else if (answer !== 'lost') return tell(run, answer, turn, outcome, sent)
    else {
      const job = unanswered && (await wasSettled(run, turn, next)) ? await ask(() => store.jobs.get(jobId)) : undefined
      if (job !== undefined) tell(run, job, turn, outcome, sent)
      return
    }
  }
}

/** A settling that was not answered may have been done all the same; then the letter is as it left it. */
async function wasSettled(run: RedriveRun, turn: RedriveTurn, next: LetterParts | undefined): Promise<boolean> {
  const letter = await run.ask(() => run.store.get(turn.letter.header.id))
  if (next === undefined) return letter === undefined
  return letter?.header.version === next.header.version && letter.header.updatedAt === next.header.updatedAt
}

function tell(run: RedriveRun, job: RedriveJob, turn: RedriveTurn, status: RedriveOutcome, sent: Settled): void {
  const { done, total } = job
  run.progress = { done, total }
  run.toldPauseUntil = undefined
  const error = sent.status === 'failed' ? { error: sent.error } : {}
  run.emit({ jobId: run.jobId, letterId: turn.letter.header.id, status, ...error, done, total })
}

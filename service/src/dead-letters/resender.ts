import type { DeadLetters, Decision, Letter, Logger, RedriveWorkOptions, RetryPolicy, Switchgear } from 'switchgear'
import { outboxMessage } from '../channels/outbox.ts'
import { classifyDelivery } from '../delivery/judge-delivery.ts'
import { recorder } from '../delivery/outcome-recorder.ts'
import { sendMessage, type SendParts } from '../delivery/send-message.ts'
import type { AlertStore } from '../store/alert-store.ts'
import type { Redriven } from '../store/record-redriven.ts'
import { traceAttempt } from '../telemetry/traceparent.ts'
import { guardDestination, notNow, unguarded } from './guard-destination.ts'
import { type LetterToSend, letterToSend } from './letter-to-send.ts'
import { underWay } from './under-way.ts'

export interface ResenderOptions extends SendParts {
  readonly gear: Pick<Switchgear, 'breaker' | 'limiter'>
  readonly deadLetters: Pick<DeadLetters, 'edit'>
  /** How `engine.retry` says to try again. */
  readonly retry: RetryPolicy
  readonly store: Pick<AlertStore, 'recordRedriven' | 'isDelivered'>
  readonly logger: Logger
}

/** Sends letters again, as messages are sent the first time. */
export interface Resender {
  /** How a worker on a redrive is to go about it. */
  readonly how: Required<Pick<RedriveWorkOptions, 'to' | 'through' | 'retry'>>
  /** From now on who calls off the work does not break off what is being sent. */
  finishWhatIsSent(): void
  /** Resolves when nothing is being sent or recorded any more; after `deadlineMs` what still is gets broken off. */
  drain(deadlineMs: number): Promise<void>
}

/** A letter in this process's hands. */
interface Turn {
  readonly send: LetterToSend
  readonly reached: Set<string>
  readonly refused: Map<string, string>
  /** Whether its message had arrived before it was sent. */
  arrived?: boolean
  /** What it counts under the limit of its channel: once, however often it is tried. */
  booked?: Decision
  /** Whether an attempt was begun. */
  begun: boolean
  /** What is to be written down of the last attempt. */
  recording: Promise<void>
  version: number
}

export function resender(options: ResenderOptions): Resender {
  const { gear, organizations, holds, retry, store, logger } = options
  const turns = new WeakMap<Letter, Turn>()
  const redriven = recorder<Redriven>((records) => store.recordRedriven(records), logger)
  const work = underWay()
  const breakOff = new AbortController()
  let finishing = false

  const turnOf = (letter: Letter): Turn => {
    const there = turns.get(letter)
    if (there !== undefined) return there
    const turn = newTurn(letter, letterToSend(letter, organizations))
    turns.set(letter, turn)
    return turn
  }

  /** An end of the work breaks off what is being sent, unless it is to be finished. */
  const signalFor = ({ signal }: { readonly signal: AbortSignal }): AbortSignal => {
    const own = new AbortController()
    const onAbort = (): void => {
      if (!finishing || breakOff.signal.aborted) own.abort(signal.reason)
    }
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    return AbortSignal.any([own.signal, breakOff.signal])
  }

  const send = async (letter: Letter, turn: Turn, signal: AbortSignal): Promise<void> => {
    const { alert, to, traceparent } = turn.send
    const at = Date.now()
    const { reached, refused } = turn
    turn.begun = true
    const sizes = [reached.size, refused.size]
    try {
      await traceAttempt({ traceparent, attributes: attributesOf(letter, turn.send) }, (own) =>
        sendMessage(options, to, { messageId: letter.messageId, alert, reached, refused, signal, traceparent: own }),
      )
    } catch (error) {
      if (reached.size !== sizes[0] || refused.size !== sizes[1])
        turn.recording = work.track(keepRecipients(options, letter, turn))
      throw error
    }
    turn.recording = work.track(redriven.record(redrivenOf(letter, turn.send, at)))
  }

  return {
    how: {
      retry: { ...retry, classify: classifyDelivery },
      through(letter) {
        const turn = turnOf(letter)
        const guard = guardDestination(turn.send.to.destination, { gear, holds })
        return {
          refusedForMs: () => guard.refusedForMs?.(),
          async run(sending, given) {
            await book(options, turn)
            try {
              turn.arrived ??= await hasArrived(options, letter)
              return await (turn.arrived ? unguarded : guard).run(sending, given)
            } finally {
              if (!turn.begun) await giveBack(options, turn)
              // The letter goes only when it is written that its message has arrived.
              await turn.recording
            }
          },
        }
      },
      async to(letter, call) {
        const turn = turnOf(letter)
        if (turn.arrived !== true) await work.track(send(letter, turn, signalFor(call)))
      },
    },
    finishWhatIsSent: () => void (finishing = true),
    async drain(deadlineMs) {
      const timer = setTimeout(() => {
        breakOff.abort()
        redriven.giveUp()
      }, deadlineMs)
      await work.idle()
      await holds.idle()
      clearTimeout(timer)
    },
  }
}

/** Who was refused before is asked again: somebody thinks that it is worth it. */
function newTurn({ version }: Letter, send: LetterToSend): Turn {
  const recording = Promise.resolve()
  return { send, reached: new Set(send.reached), refused: new Map(), begun: false, recording, version }
}

/** A letter counts as a message does that is sent for the first time. @throws BreakerOpenError: the limit is reached */
async function book({ gear }: ResenderOptions, turn: Turn): Promise<void> {
  if (turn.booked !== undefined) return
  const { alert, to } = turn.send
  const decision = await gear.limiter.check(alert.organization, to.channel)
  if (!decision.allowed)
    throw notNow(
      to.destination,
      decision.retryAfterMs,
      `the limit "${to.channel}" of "${alert.organization}" is reached`,
    )
  turn.booked = decision
}

async function giveBack({ gear }: ResenderOptions, turn: Turn): Promise<void> {
  if (turn.booked !== undefined) await gear.limiter.refund(turn.booked)
  delete turn.booked
}

/**
 * Whether the message of a letter has arrived already: who died after that, before the letter was gone, left it behind.
 * Where that cannot be known it is sent again, under the same id.
 */
async function hasArrived({ store, logger }: ResenderOptions, { organization, messageId }: Letter): Promise<boolean> {
  try {
    return await store.isDelivered(organization, messageId)
  } catch (error) {
    logger.warn({ error, message: messageId }, 'it cannot be known whether a message has arrived before')
    return false
  }
}

/** Who has it now is not to get it again by the next redrive. What somebody edited meanwhile stays. */
async function keepRecipients({ deadLetters, logger }: ResenderOptions, letter: Letter, turn: Turn): Promise<void> {
  const payload = {
    ...(letter.payload as object),
    reached: [...turn.reached],
    refused: Object.fromEntries(turn.refused),
  }
  try {
    const edited = await deadLetters.edit(letter.id, { payload }, { version: turn.version })
    turn.version = edited?.version ?? turn.version
  } catch (error) {
    logger.warn({ error, letter: letter.id }, 'a letter could not be told who has its message')
  }
}

/** As those of the attempts before it was a letter. */
function attributesOf({ messageId }: Letter, { alert, to }: LetterToSend): Record<string, string> {
  return {
    'switchgear.message': messageId,
    'switchgear.alert': alert.id,
    'switchgear.channel': to.channel,
    'switchgear.breaker': to.destination,
  }
}

function redrivenOf({ messageId, organization }: Letter, { alert, to }: LetterToSend, at: number): Redriven {
  return {
    id: messageId,
    organization,
    alertId: alert.id,
    receiver: to.name,
    channel: to.channel,
    attempt: { at },
    ...(to.target.kind === 'outbox' ? { outbox: outboxMessage(to, alert, messageId) } : {}),
  }
}

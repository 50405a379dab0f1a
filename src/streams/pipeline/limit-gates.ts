import { durationMsMax } from '../../kernel/options.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

/** A limit that has refused, until it may be asked again. */
interface Gate {
  timer: Timer | undefined
  /** Due: one may ask. */
  mayAsk: boolean
}

/** Who is over a limit: until it is time, nobody asks for it again, and then one does, not all. */
export interface LimitGates {
  /** What is in the way of whoever is under this limit; `undefined` when it may be asked. */
  inTheWay(id: string): object | undefined
  /** It is being asked. */
  ask(id: string): void
  refused(id: string, retryAfterMs: number): void
  /** One is gone that may have been the one to ask: if no other asks, nothing is to be kept for them. */
  leave(id: string): void
  /** It has allowed one, or whoever asked did not wait for the answer. */
  open(id: string): void
  close(): void
}

/** `onFree` releases what waits for a gate, and says whether anything did. */
export function limitGates(clock: Clock, onFree: (gate: object) => boolean): LimitGates {
  const gates = new Map<string, Gate>()
  const stop = (gate: Gate): void => {
    if (gate.timer !== undefined) clock.clearTimeout(gate.timer)
    gate.timer = undefined
  }
  return {
    inTheWay(id) {
      const gate = gates.get(id)
      return gate === undefined || gate.mayAsk ? undefined : gate
    },
    ask(id) {
      const gate = gates.get(id)
      if (gate !== undefined) gate.mayAsk = false
    },
    refused(id, retryAfterMs) {
      const gate = gates.get(id) ?? { timer: undefined, mayAsk: false }
      gates.set(id, gate)
      stop(gate)
      gate.mayAsk = false
      const waitMs = Math.min(durationMsMax, Math.max(1, retryAfterMs))
      const due = (): void => {
        gate.timer = undefined
        gate.mayAsk = true
        if (!onFree(gate)) gates.delete(id)
      }
      gate.timer = clock.setTimeout(due, waitMs, { keepAlive: true })
    },
    leave(id) {
      if (gates.get(id)?.mayAsk === true) gates.delete(id)
    },
    open(id) {
      const gate = gates.get(id)
      // Others that asked at the same time were refused meanwhile: that is newer.
      if (gate === undefined || gate.timer !== undefined) return
      gates.delete(id)
      onFree(gate)
    },
    close() {
      for (const gate of gates.values()) stop(gate)
      gates.clear()
    },
  }
}

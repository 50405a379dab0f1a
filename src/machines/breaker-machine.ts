import { assign, createActor, setup, type AnyActorScope, type AnyStateMachine } from 'xstate'
import { resolveAfter, standing, type Fact, type Happened } from './breaker-events.ts'
import {
  freshVotes,
  initialState,
  votesMax,
  type FleetState,
  type Lease,
  type Mode,
  type StandingOrder,
  type Vote,
} from './fleet-state.ts'

/**
 * The state that follows when this happens in that state, or `undefined` where the rules forbid it, which changes
 * nothing. Pure: no clock, no chance, no configuration; all of that was spent when the event was decided.
 */
export function evolve(state: FleetState, { fact, id, by, at }: Happened): FleetState | undefined {
  const before = breakerMachine.resolveState({ value: state.mode, context: contextOf(state) })
  const after = breakerMachine.transition(before, { ...fact, id, by, at }, nobody)
  return after === before ? undefined : stateOf(after.value as Mode, after.context as Context)
}

interface Context {
  readonly term: number
  readonly failedRecoveries: number
  readonly passes: number
  readonly attempts: number
  readonly votes: readonly Vote[]
  readonly retryAt: number | undefined
  readonly lease: Lease | undefined
  readonly order: StandingOrder | undefined
}

type Stamped<F> = F extends Fact ? F & { readonly id: string; readonly by: string; readonly at: number } : never
type MachineEvent = Stamped<Fact>

/** What a change of mode starts with: nothing is under way. */
const blank = Object.freeze({
  passes: 0,
  attempts: 0,
  votes: initialState.votes,
  retryAt: undefined,
  lease: undefined,
  order: undefined,
})

const machineSetup = setup({
  types: { context: {} as Context, events: {} as MachineEvent },
  guards: {
    hasQuorum: ({ context, event }) =>
      event.type === 'opened' && (event.quorum <= 1 || freshVotes(context.votes, event.at).length >= event.quorum),
    recoveryIsOver: ({ context, event }) => event.at >= (context.retryAt ?? 0),
    leaseIsFree: ({ context, event }) => context.lease === undefined || event.at >= context.lease.until,
    ownsLease: ({ context, event }) => ownsLease(context, event),
    ownsLiveLease: ({ context, event }) => ownsLease(context, event) && event.at < (context.lease?.until ?? 0),
    orderIsOver: ({ context, event }) =>
      event.type === 'released' && (event.order !== undefined || event.at >= (context.order?.until ?? Infinity)),
    restores: ({ context, event }, { mode }: { mode: Mode }) =>
      event.type === 'restored' && event.state.mode === mode && event.state.term > context.term,
  },
  actions: {
    vote: assign(({ context, event }) => ({ votes: withVote(context.votes, { voter: event.by, at: event.at }) })),
    open: assign(({ context, event }) => ({
      ...blank,
      term: context.term + 1,
      failedRecoveries: context.failedRecoveries + (event.type === 'reopened' ? 1 : 0),
      retryAt: event.at + ('retryAfterMs' in event ? event.retryAfterMs : 0),
    })),
    lease: assign(({ context, event }) => ({
      ...blank,
      passes: context.passes,
      attempts: context.attempts + 1,
      // Whoever takes over from a dead holder knows that this recovery has failed as well.
      failedRecoveries: context.failedRecoveries + (context.lease === undefined ? 0 : 1),
      lease: leaseOf(event),
    })),
    pass: assign(({ context }) => ({ ...blank, attempts: context.attempts, passes: context.passes + 1 })),
    dropLease: assign(({ context }) => ({ ...blank, attempts: context.attempts, passes: context.passes })),
    close: assign({ ...blank, failedRecoveries: 0 }),
    order: assign(({ context, event }) => ({ ...blank, term: context.term + 1, order: orderOf(event) })),
    release: assign(({ context }) => ({ ...blank, term: context.term + 1, failedRecoveries: 0 })),
    restore: assign(({ context, event }) =>
      event.type === 'restored' ? contextOf(resolveAfter(event.state, event)) : context,
    ),
  },
})

const restoredTo = (mode: Mode) =>
  ({ target: `.${mode}`, guard: { type: 'restores', params: { mode } }, actions: 'restore' }) as const

/**
 * The one definition of a breaker's rules. Its `config` is plain data: paste it into Stately's visualizer to see it.
 * Never run as an actor: `evolve` asks it what follows.
 */
export const breakerMachine: AnyStateMachine = machineSetup.createMachine({
  id: 'breaker',
  context: { ...blank, term: 0, failedRecoveries: 0 },
  initial: 'closed',
  on: {
    forcedOpen: { target: '.forcedOpen', actions: 'order' },
    disabled: { target: '.disabled', actions: 'order' },
    restored: [
      restoredTo('closed'),
      restoredTo('open'),
      restoredTo('halfOpen'),
      restoredTo('forcedOpen'),
      restoredTo('disabled'),
    ],
  },
  states: {
    closed: {
      on: {
        voted: { actions: 'vote' },
        opened: { target: 'open', guard: 'hasQuorum', actions: 'open' },
      },
    },
    open: {
      on: { probeClaimed: { target: 'halfOpen', guard: 'recoveryIsOver', actions: 'lease' } },
    },
    halfOpen: {
      on: {
        probeClaimed: { guard: 'leaseIsFree', actions: 'lease' },
        probePassed: { guard: 'ownsLiveLease', actions: 'pass' },
        probeReleased: { guard: 'ownsLease', actions: 'dropLease' },
        closed: { target: 'closed', guard: 'ownsLiveLease', actions: 'close' },
        reopened: { target: 'open', guard: 'ownsLiveLease', actions: 'open' },
      },
    },
    forcedOpen: { on: { released: { target: 'closed', guard: 'orderIsOver', actions: 'release' } } },
    disabled: { on: { released: { target: 'closed', guard: 'orderIsOver', actions: 'release' } } },
  },
})

/**
 * The actor that actions could ask for; ours ask for none. XState's own `transition` makes one for each event, which
 * takes more than half of a fold's time.
 */
const nobody: AnyActorScope = inertScope()

function inertScope(): AnyActorScope {
  const self = createActor(breakerMachine)
  const nothing = (): void => {}
  return {
    self,
    system: self.system,
    id: '',
    sessionId: '',
    logger: nothing,
    defer: nothing,
    emit: nothing,
    stopChild: nothing,
    actionExecutor: nothing,
  }
}

function ownsLease(context: Context, event: MachineEvent): boolean {
  return 'fence' in event && context.lease !== undefined && event.fence === context.lease.fence
}

/** One vote a voter; of more than the maximum, the latest. */
function withVote(votes: readonly Vote[], vote: Vote): readonly Vote[] {
  return [...votes.filter(({ voter }) => voter !== vote.voter), vote].slice(-votesMax)
}

function leaseOf(event: MachineEvent): Lease | undefined {
  if (event.type !== 'probeClaimed') return undefined
  return { fence: event.id, holder: event.by, attempt: event.attempt, until: event.at + event.leaseMs }
}

function orderOf(event: MachineEvent): StandingOrder | undefined {
  return 'order' in event && event.order !== undefined ? standing(event.order, event.at) : undefined
}

function contextOf({ term, failedRecoveries, passes, attempts, votes, retryAt, lease, order }: FleetState): Context {
  return { term, failedRecoveries, passes, attempts, votes, retryAt, lease, order }
}

/** Always the same keys in the same order, so that equal states are equal bytes. */
function stateOf(
  mode: Mode,
  { term, failedRecoveries, passes, attempts, votes, retryAt, lease, order }: Context,
): FleetState {
  return {
    mode,
    term,
    failedRecoveries,
    passes,
    attempts,
    votes,
    ...(retryAt !== undefined && { retryAt }),
    ...(lease !== undefined && { lease }),
    ...(order !== undefined && { order }),
  }
}

import type { Plant } from './plant.ts'

const machine = 'src/machines/breaker-machine.ts'
const fold = 'src/machines/fold.ts'
const decide = 'src/machines/breaker-decide.ts'
const breaker = 'src/machines/breaker.ts'
const lifecycle = 'src/machines/breaker-lifecycle.ts'

/** Bugs in what a breaker is. The first seven are those that were found in other libraries. */
export const machinePlants: readonly Plant[] = [
  {
    name: 'a late success closes a half-open breaker with no probe run',
    file: breaker,
    find: 'if (this.#generation !== generation || this.evidence?.countedSuccess()) return',
    replace: `if (this.#generation !== generation && this.probe !== undefined) this.endProbe(this.probe, 'passed')
    if (this.#generation !== generation || this.evidence?.countedSuccess()) return`,
    law: 'breaker.generation',
  },
  {
    name: 'a late failure reopens a half-open breaker',
    file: breaker,
    find: 'if (this.#generation === generation) this.settle(generation, judge(error), 0)',
    replace: `if (this.#generation === generation) this.settle(generation, judge(error), 0)
        else if (this.probe !== undefined) this.endProbe(this.probe, 'failed')`,
    law: 'breaker.generation',
  },
  {
    name: 'one hung probe blocks all callers',
    file: lifecycle,
    find: 'probe.endsAt = proposed.sentAt + this.settings.leaseMs * probeShare',
    replace: 'probe.endsAt = proposed.sentAt + 2 ** 30',
    law: 'breaker.liveness',
  },
  {
    name: 'a permit that is lost keeps the probe for ever',
    file: lifecycle,
    find: '() => this.endProbe(probe, overdueResult(probe)),',
    replace: '() => {},',
    law: 'probe.released',
  },
  {
    name: 'half-open admits everyone',
    file: 'src/machines/gate.ts',
    find: "return fleet.mode === 'halfOpen'\n      ? probeUnderWay(claimAt - logNow)",
    replace: "return fleet.mode === 'halfOpen'\n      ? admit",
    law: 'breaker.refuses',
  },
  {
    name: 'more permits than the one probe',
    file: breaker,
    find: "#probePermit(probe: Probe): Permit {\n    probe.phase = 'running'",
    replace: '#probePermit(probe: Probe): Permit {',
    law: 'probe.released',
  },
  {
    name: 'stuck half-open: nobody takes over a dead holder’s lease',
    file: decide,
    find: "if (mode === 'halfOpen') return lease === undefined ? 0 : lease.until + leaseGraceMs",
    replace: "if (mode === 'halfOpen') return lease === undefined ? 0 : Infinity",
    law: 'probe.holder-dies',
  },
  {
    name: 'two equal compare-and-sets are accepted',
    file: fold,
    find: "if (message.expected < previousSeq) return { accepted: false, why: 'lostRace', event }",
    replace: '',
    law: 'fleet.one-winner',
  },
  {
    name: 'a result counts whatever its fence',
    file: machine,
    find: 'event.fence === context.lease.fence',
    replace: 'true',
    law: 'probe.one-result',
  },
  {
    name: 'a result counts after its lease',
    file: machine,
    find: ' && event.at < (context.lease?.until ?? 0)',
    replace: '',
    law: 'probe.expired',
  },
  {
    name: 'a lease is taken while it holds',
    file: machine,
    find: 'context.lease === undefined || event.at >= context.lease.until',
    replace: 'true',
    law: 'probe.one-lease',
  },
  {
    name: 'a lease ends by the wall clock of whoever reads it',
    file: machine,
    find: 'until: event.at + event.leaseMs',
    replace: 'until: Date.now() + event.leaseMs',
    law: 'breaker.pure',
  },
  {
    name: 'closing leaves the lease',
    file: machine,
    find: 'close: assign({ ...blank, failedRecoveries: 0 })',
    replace: 'close: assign({ failedRecoveries: 0 })',
    law: 'breaker.total',
  },
  {
    name: 'one vote too few opens the fleet',
    file: machine,
    find: 'freshVotes(context.votes, event.at).length >= event.quorum)',
    replace: 'freshVotes(context.votes, event.at).length >= event.quorum - 1)',
    law: 'fleet.quorum',
  },
  {
    name: 'an event counts after it has ceased to hold',
    file: fold,
    find: "if (message.at > event.validUntil) return { accepted: false, why: 'late', event }",
    replace: '',
    law: 'breaker.stale',
  },
  {
    name: 'an event counts before its moment',
    file: fold,
    find: "if (event.notBefore !== null && message.at < event.notBefore) return { accepted: false, why: 'early', event }",
    replace: '',
    law: 'breaker.stale',
  },
  {
    name: 'a message that comes again is folded again',
    file: fold,
    find: 'if (message.seq <= position.seq) return',
    replace: 'if (message.seq < position.seq) return',
    law: 'breaker.stale',
  },
  {
    name: 'the first that is retained counts as certain',
    file: fold,
    find: 'if (!judged.accepted || judged.provisional) continue',
    replace: 'if (!judged.accepted) continue',
    law: 'breaker.suffix',
  },
  {
    name: 'an unknown type is passed over',
    file: fold,
    find: 'if (event.fact === undefined) return resolveAfter(event.after, { id, at })',
    replace: 'if (event.fact === undefined) return undefined',
    law: 'fleet.codec',
  },
  {
    name: 'a rule trips one failure too late',
    file: 'src/machines/evidence.ts',
    find: 'this.consecutiveFailures >= this.#settings.failureThreshold',
    replace: 'this.consecutiveFailures > this.#settings.failureThreshold',
    law: 'breaker.oracle',
  },
  {
    name: 'a rate rule waits for one call more than its minimum',
    file: 'src/machines/evidence.ts',
    find: 'calls >= rule.minimumCalls',
    replace: 'calls > rule.minimumCalls',
    law: 'breaker.oracle',
  },
  {
    name: 'an outcome of an earlier generation counts',
    file: breaker,
    find: "if (this.#generation !== generation || generation === uncounted || judgement === 'ignored') return",
    replace: "if (generation === uncounted || judgement === 'ignored') return",
    law: 'breaker.generation',
  },
  {
    name: 'a window is not emptied when the gate changes',
    file: lifecycle,
    find: "this.evidence = undefined\n    this.newGeneration(this.#fleet.mode !== 'disabled')",
    replace: "this.newGeneration(this.#fleet.mode !== 'disabled')",
    law: 'breaker.generation',
  },
  {
    name: 'a local trip waits for the fleet',
    file: 'src/machines/gate.ts',
    find: "if (local.kind === 'steady') return admit",
    replace: "if (local.kind === 'steady' || linked) return admit",
    law: 'autonomy.tighten-first',
  },
  {
    name: 'an instance that is linked closes by its own probe',
    file: 'src/machines/gate.ts',
    find: 'const claimAt = linked ? claimableAt(fleet) : undefined',
    replace: 'const claimAt = undefined',
    law: 'autonomy.loosen-by-log',
  },
  {
    name: 'without a link an order does not hold',
    file: 'src/machines/gate.ts',
    find: 'if (ordered && (linked || logNow < orderEnd)) {',
    replace: 'if (ordered && linked) {',
    law: 'autonomy.unlinked',
  },
  {
    name: 'a trip that is over is told all the same',
    file: lifecycle,
    find: 'return this.host.clock.monotonic() - local.since <= local.recoveryMs ? local : undefined',
    replace: 'return local',
    law: 'autonomy.reconcile',
  },
  {
    name: 'a probe that says nothing is not given back',
    file: lifecycle,
    find: 'if (this.probe !== probe) return\n    this.#dropProbe()\n',
    replace: "if (this.probe !== probe) return\n    this.#dropProbe()\n    if (result === 'ignored') return\n",
    law: 'probe.released',
  },
  {
    name: 'what one breaker hears reaches another',
    file: 'src/machines/replica.ts',
    find: 'const { position, verdict } = fold(before, message)\n    move(message.topic, position)',
    replace:
      'const { position, verdict } = fold(before, message)\n    for (const topic of positions.keys()) if (topic !== message.topic) positions.set(topic, { ...positionOf(topic), state: position.state })\n    move(message.topic, position)',
    law: 'fleet.commutes',
  },
  {
    name: 'a replay is read up to the message before the last',
    file: 'src/machines/replica.ts',
    find: 'withoutPreview(messages === undefined ? before : foldRetained(before, messages))',
    replace: 'withoutPreview(messages === undefined ? before : foldRetained(before, messages.slice(0, -1)))',
    law: 'fleet.convergence',
  },
]

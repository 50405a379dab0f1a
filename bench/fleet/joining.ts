import { createSwitchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { compare, type Contender, type Measured } from '../harness.ts'
import { countdown } from './instances.ts'
import { rawConnection } from './raw-stream.ts'
import { writeHistory } from './write-history.ts'

const breakers = 1_000
const events = 64
const fleet = 'bench-joining'

/** How long a new instance takes to be protected by the last word on every breaker, and to be certain of all of it. */
export async function joining(servers: string): Promise<readonly Measured[]> {
  await writeHistory(servers, { fleet, breakers, events })
  const stream = `SWITCHGEAR_${fleet}`
  const measured = []
  const contests = [
    {
      row: {
        id: 'joinProtected',
        what: `join, ${breakers} breakers × ${events} events: protected`,
        goal: { atMost: 1.5 },
      },
      baseline: rawRead(servers, stream, { deliver_policy: 'last_per_subject' }, breakers),
      ours: joinUntil('protected'),
    },
    {
      row: { id: 'joinCertain', what: 'and certain', goal: { atMost: 1.3 } },
      baseline: rawRead(servers, stream, { deliver_policy: 'all' }, breakers * events),
      ours: joinUntil('certain'),
    },
  ] as const
  for (const { row, baseline, ours } of contests)
    measured.push(...(await compare({ baseline, time: 'told', rows: [{ ...row, limit: '1', ours }] })))
  return measured

  function joinUntil(what: 'protected' | 'certain'): Contender {
    return timed(async () => {
      const gear = createSwitchgear({ fleet, log: natsLog({ servers, manage: false }) })
      const opened = countdown(breakers)
      gear.transitions$.subscribe(({ to }) => to === 'forcedOpen' && opened.tick())
      await (what === 'protected' ? opened.done : gear.ready({ deadlineMs: 60_000 }))
      if (gear.health().breakers.total > 0) throw new Error('nobody has asked for a breaker')
      if ([...gear.states().values()].some(({ mode }) => mode !== 'forcedOpen'))
        throw new Error('they are all forced open')
      return () => gear.close()
    })
  }
}

/** Connects, and reads what there is with the client's own ordered consumer. */
function rawRead(
  servers: string,
  stream: string,
  which: { readonly deliver_policy: 'last_per_subject' | 'all' },
  count: number,
): Contender {
  return timed(async () => {
    const { nc, js } = await rawConnection(servers)
    const all = countdown(count)
    const filter = which.deliver_policy === 'all' ? {} : { filter_subjects: `switchgear.v1.${fleet}.log.*` }
    const consumer = await js.consumers.get(stream, { ...which, ...filter })
    const reading = await consumer.consume({ max_messages: 1_000, callback: all.tick })
    await all.done
    return async () => {
      await reading.close()
      await nc.close()
    }
  })
}

/** Tells how long something took, without the time that it takes to end it. */
function timed(begin: () => Promise<() => Promise<void>>): Contender {
  return async (calls) => {
    let tookMs = 0
    for (let i = 0; i < calls; i++) {
      const startedAt = performance.now()
      const end = await begin()
      tookMs += performance.now() - startedAt
      await end()
    }
    return tookMs
  }
}

import { millis } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createSwitchgear } from 'switchgear'
import { encodeEvent } from '../../../src/machines/breaker-codec.ts'
import { natsLog, type NatsLogOptions } from '../../../src/adapters/nats/nats-log.ts'
import { freshName } from '../../../src/testing/port-contracts/contract.ts'
import { fleetOn, type LogFleet } from '../../../src/testing/port-contracts/log-fleet.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { until } from '../../servers/until.ts'
import { decided, trip } from '../../machines/authored.ts'
import { asOperator } from './seen.ts'

let server: Server
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

const fleets: LogFleet[] = []
afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.end()))
})

describe('the audit', () => {
  test('gets the bytes and the id of what was accepted, and nothing else of it, and keeps it for 90 days', async () => {
    const name = freshName('audited')
    const fleet = fleetWith({})
    const { log } = await fleet.join(name)
    const message = fleet.message('a.b', 0)
    const stored = await log.append(message)
    log.audit?.(stored.status === 'stored' ? stored.seq : 0)
    const copies = await copiesOf(name, 1)
    expect(copies).toEqual([
      {
        subject: `switchgear.v1.${name}.audit.a=2Eb`,
        id: message.id,
        headers: ['Nats-Msg-Id'],
        data: [...message.data],
      },
    ])
    const { config } = await asOperator(server.url, (jsm) => jsm.streams.info(`SWITCHGEAR_AUDIT_${name}`))
    expect(millis(config.max_age) / 86_400_000).toBe(90)
    expect(config).toMatchObject({ subjects: [`switchgear.v1.${name}.audit.*`], deny_delete: true, deny_purge: true })
  })

  test('keeps one copy when the author and whoever comes next both ask for it', async () => {
    const name = freshName('twice')
    const fleet = fleetWith({})
    const [one, two] = [await fleet.join(name), await fleet.join(name)]
    const first = await fleet.append(one.log, 'a', 0)
    const second = await fleet.append(two.log, 'a', first)
    one.log.audit?.(first)
    two.log.audit?.(first)
    two.log.audit?.(second)
    expect(await copiesOf(name, 2)).toHaveLength(2)
  })

  test('gets what was asked for before a member left', async () => {
    const name = freshName('left')
    const fleet = fleetWith({})
    const { log } = await fleet.join(name)
    for (let n = 0, last = 0; n < 5; n++) {
      last = await fleet.append(log, 'a', last)
      log.audit?.(last)
    }
    await log.leave()
    const { state } = await asOperator(server.url, (jsm) => jsm.streams.info(`SWITCHGEAR_AUDIT_${name}`))
    expect(state.messages).toBe(5)
  })

  test('is not there when it is not wanted, and what is not in the log is passed over', async () => {
    const name = freshName('none')
    const without = fleetWith({ auditDays: 0 })
    const { log } = await without.join(name)
    log.audit?.(await without.append(log, 'a', 0))
    const fleet = fleetWith({})
    const other = await fleet.join(freshName('some'))
    other.log.audit?.(99)
    other.log.audit?.(await fleet.append(other.log, 'a', 0))
    await log.read('a')
    const streams = await asOperator(server.url, (jsm) => jsm.streams.names().next())
    expect(streams).not.toContain(`SWITCHGEAR_AUDIT_${name}`)
  })

  test('does not get what was stored and not accepted, though the next event stands on it', async () => {
    const name = freshName('refused')
    const gear = createSwitchgear({
      fleet: name,
      log: natsLog({ servers: server.url }),
      breakers: { smtp: { failureThreshold: 1 } },
    })
    await gear.ready()
    const smtp = gear.breaker('smtp')
    await smtp.forceOpen({ by: 'ann', reason: 'migration' })
    // Its time was over long before it was stored.
    const late = decided(trip(), { fleet: name })
    await asOperator(server.url, (jsm) =>
      jsm.jetstream().publish(`switchgear.v1.${name}.log.smtp`, encodeEvent(late), {
        msgID: late.id,
        expect: { lastSubjectSequence: 1 },
      }),
    )
    await until('the late one', () => gear.health().log.ignored > 0 || undefined)
    await smtp.release({ by: 'ann', reason: 'done' })
    const copies = await copiesOf(name, 2)
    await gear.close()
    const { state } = await asOperator(server.url, (jsm) => jsm.streams.info(`SWITCHGEAR_AUDIT_${name}`))
    expect([copies.length, state.messages]).toEqual([2, 2])
    expect(copies.map(({ id }) => id)).not.toContain(late.id)
  })

  test('that cannot be had is told once, and stops nobody', async () => {
    const said: string[] = []
    const logger = { info: () => {}, warn: (_: object, text: string) => said.push(text), error: () => {} }
    const name = freshName('missing')
    const fleet = fleetWith({})
    await fleet.join(name)
    const log = natsLog({ servers: server.url, manage: false })
    let linked = false
    const member = log.join(
      { fleet: name, instance: 'x', logger },
      { onLink: ({ state }) => (linked = state === 'linked'), onPreview: () => {}, onMessage: () => {} },
    )
    await until('a link', () => linked || undefined)
    for (let n = 0, last = 0; n < 3; n++) {
      const result = await member.append(fleet.message('a', last))
      last = result.status === 'stored' ? result.seq : last
      member.audit?.(last)
    }
    await until('the reason', () => said.length > 0 || undefined)
    await member.leave()
    const why = `stream SWITCHGEAR_AUDIT_${name} does not exist, and \`manage: false\` says not to make it`
    expect(said).toEqual([`the audit does not get what was accepted: ${why}`])
  })
})

function fleetWith(options: NatsLogOptions): LogFleet {
  const fleet = fleetOn(natsLog({ servers: server.url, ...options }))
  fleets.push(fleet)
  return fleet
}

/** What stands in the audit of a fleet, when there is so much of it. */
function copiesOf(fleet: string, count: number) {
  const stream = `SWITCHGEAR_AUDIT_${fleet}`
  return asOperator(server.url, async (jsm) => {
    await until(`${count} copies`, async () => {
      const { state } = await jsm.streams.info(stream)
      return state.messages >= count || undefined
    })
    const { state } = await jsm.streams.info(stream)
    const seqs = Array.from({ length: state.messages }, (_, i) => state.first_seq + i)
    return Promise.all(
      seqs.map(async (seq) => {
        const message = await jsm.streams.getMessage(stream, { seq })
        if (message === null) throw new Error('it is gone')
        const { subject, header, data } = message
        return { subject, id: header.get('Nats-Msg-Id'), headers: header.keys(), data: [...data] }
      }),
    )
  })
}

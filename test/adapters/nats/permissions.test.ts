import { readFileSync } from 'node:fs'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { fleetOn, type LogFleet } from '../../../src/testing/port-contracts/log-fleet.ts'
import { type NatsNode, startNatsNode } from '../../servers/nats-node.ts'
import { until } from '../../servers/until.ts'
import { whyDown } from './seen.ts'

/** The configuration that is given to operators, as it stands there. */
const config = readFileSync(new URL('../../../ops/nats/fleets.conf', import.meta.url), 'utf8')

let nats: NatsNode
const ending: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  nats = await startNatsNode({ config })
  for (const fleet of ['alerts', 'billing']) {
    const operator = as(`${fleet}-operator`, { manage: true })
    const { log } = await operator.join(fleet)
    log.audit?.(await operator.append(log, 'made by the operator', 0))
    await until('the audit to be made', () => auditOf(fleet))
    await operator.end()
  }
})
afterAll(async () => {
  await Promise.all(ending.map((end) => end()))
  await nats.remove()
})

describe('an instance with the least permissions', () => {
  test('joins, appends, reads, is audited, and hears the others', async () => {
    const fleet = as('alerts', { manage: false })
    const [one, two] = [await fleet.join('alerts'), await fleet.join('alerts')]
    const before = one.messages.length
    const seq = await fleet.append(one.log, 'smtp', 0)
    await two.has(before + 1)
    expect(await two.log.read('smtp')).toHaveLength(1)
    const audited = await auditOf('alerts')
    one.log.audit?.(seq)
    await until('a copy', async () => ((await auditOf('alerts')) === (audited ?? 0) + 1 ? true : undefined))
    for (const channel of ['evidence/smtp', 'invalidate']) {
      const heard = two.hear(channel)
      await fleet.broadcastUntil(one, channel, 'hello', () => heard.includes('hello'))
    }
    expect(await one.log.append(fleet.message('smtp', 0))).toEqual({ status: 'conflict' })
  })

  test('cannot purge, delete or change anything', async () => {
    const nc = await connected('alerts')
    for (const request of ['PURGE', 'DELETE', 'UPDATE', 'MSG.DELETE']) {
      const asking = nc.request(`$JS.API.STREAM.${request}.SWITCHGEAR_alerts`, '{}', { timeout: 1_000 })
      await expect(asking, request).rejects.toThrow(/permissions violation/i)
    }
  })
})

describe('an instance of another fleet', () => {
  test('has no way into this one, though the server is the same: it is told so, and tries again', async () => {
    const member = as('billing', { manage: false }).joinAtOnce('alerts')
    await until('the reason', () => /permissions violation/i.test(whyDown(member)) || undefined)
    expect(member.messages).toEqual([])
  })

  test('neither reads nor writes, even with all permissions of its own account', async () => {
    const intruder = await connected('billing-operator')
    const heard: string[] = []
    intruder.subscribe('>', { callback: (_, { subject }) => void heard.push(subject) })
    const fleet = as('alerts', { manage: false })
    const { log, messages } = await fleet.join('alerts')
    const before = messages.length
    intruder.publish('switchgear.v1.alerts.log.intruded', 'a transition that never was')
    intruder.publish('switchgear.v1.alerts.invalidate', 'all of it')
    await intruder.flush()
    await fleet.append(log, 'private', 0)
    await until('its own message', () => messages.length > before || undefined)
    await intruder.flush()
    expect(await log.read('intruded')).toEqual([])
    expect(heard.filter((subject) => !subject.startsWith('switchgear.v1.alerts'))).toEqual([])
    expect(heard).toEqual(['switchgear.v1.alerts.log.intruded', 'switchgear.v1.alerts.invalidate'])
  })
})

function as(user: string, { manage }: { readonly manage: boolean }): LogFleet {
  const fleet = fleetOn(natsLog({ servers: nats.url, user, pass: user, manage, deadlineMs: 2_000 }))
  ending.push(() => fleet.end())
  return fleet
}

async function connected(user: string): Promise<NatsConnection> {
  const nc = await connect({ servers: nats.url, user, pass: user, reconnect: false })
  ending.push(() => nc.close())
  return nc
}

/** How many messages stand in the audit of a fleet. */
async function auditOf(fleet: string): Promise<number | undefined> {
  const nc = await connect({ servers: nats.url, user: `${fleet}-operator`, pass: `${fleet}-operator` })
  try {
    const answer = await nc.request(`$JS.API.STREAM.INFO.SWITCHGEAR_AUDIT_${fleet}`)
    return answer.json<{ state?: { messages: number } }>().state?.messages || undefined
  } finally {
    await nc.close()
  }
}

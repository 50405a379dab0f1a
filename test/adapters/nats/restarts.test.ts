import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { fleetOn, type LogFleet, type Member, seqs } from '../../../src/testing/port-contracts/log-fleet.ts'
import { type NatsNode, startNatsNode } from '../../servers/nats-node.ts'
import { until } from '../../servers/until.ts'
import { asOperator, epochs, linkIs, states, whyDown } from './seen.ts'

const heartbeatMs = 200
const deadlineMs = 1_000

let nats: NatsNode
let here: LogFleet
let there: LogFleet
beforeEach(async () => {
  nats = await startNatsNode()
  const connected = (): LogFleet => fleetOn(natsLog({ servers: nats.url, heartbeatMs, deadlineMs }))
  here = connected()
  there = connected()
})
afterEach(async () => {
  await Promise.all([here.end(), there.end()])
  await nats.remove()
})

test('two members on two connections see the same log, and each hears the other', async () => {
  const [one, two] = await pair()
  const first = await here.append(one.log, 'smtp', 0)
  await there.append(two.log, 'smtp', first)
  await Promise.all([one.has(2), two.has(2)])
  expect(one.messages).toEqual(two.messages)
  const heard = two.hear('evidence/smtp')
  await here.broadcastUntil(one, 'evidence/smtp', 'hello', () => heard.includes('hello'))
})

describe('a server that is killed and started again', () => {
  test('is followed on: down, catching up, linked; nothing is lost and nothing comes twice', async () => {
    const [one, two] = await pair()
    const first = await here.append(one.log, 'smtp', 0)
    await two.has(1)
    await nats.kill()
    await linkIs(one, 'down')
    await linkIs(two, 'down')
    await nats.start()
    await linkIs(one, 'linked')
    await linkIs(two, 'linked')
    expect(states(one).slice(-3)).toEqual(['down', 'catchingUp', 'linked'])
    expect(epochs(one)).not.toContain(true)
    const second = await here.append(one.log, 'smtp', first)
    await Promise.all([one.has(2), two.has(2)])
    expect(seqs(two.messages)).toEqual([first, second])
    expect(one.messages).toEqual(two.messages)
    const heard = two.hear('news')
    await here.broadcastUntil(one, 'news', 'again', () => heard.includes('again'))
  })

  test('takes no append while it is away: it is refused at once, and never sent later', async () => {
    const [one, two] = await pair()
    await nats.kill()
    await linkIs(one, 'down')
    const before = performance.now()
    await expect(one.log.append(here.message('smtp', 0))).rejects.toThrow(UnavailableError)
    await expect(one.log.read('smtp')).rejects.toThrow(UnavailableError)
    expect(performance.now() - before).toBeLessThan(deadlineMs / 2)
    one.log.broadcast('news', new Uint8Array(1))
    await nats.start()
    await linkIs(two, 'linked')
    expect(await two.log.read('smtp')).toEqual([])
  })

  test('what members there and here missed of each other comes with the next link', async () => {
    const [one] = await pair()
    let last = 0
    for (let n = 0; n < 10; n++) last = await here.append(one.log, 'smtp', last)
    await nats.kill()
    await nats.start()
    await linkIs(one, 'linked')
    last = await here.append(one.log, 'smtp', last)
    const late = await there.join('fleet')
    await one.has(11)
    expect(late.messages).toEqual(one.messages)
  })
})

test('a server that is frozen is down within three heartbeats, and back after it is thawed', async () => {
  const [one, two] = await pair()
  const first = await here.append(one.log, 'smtp', 0)
  await Promise.all([one.has(1), two.has(1)])
  const before = performance.now()
  nats.freeze()
  await linkIs(one, 'down')
  expect(performance.now() - before).toBeLessThan(3 * heartbeatMs + 1_000)
  await expect(one.log.append(here.message('smtp', first))).rejects.toThrow(UnavailableError)
  await until('attempts in vain', () => whyDown(one).startsWith('no server said anything') || undefined)
  nats.thaw()
  await linkIs(one, 'linked')
  await linkIs(two, 'linked')
  await here.append(one.log, 'smtp', first)
  await Promise.all([one.has(2), two.has(2)])
  expect(epochs(one)).not.toContain(true)
})

describe('another log than before', () => {
  test('a stream that was deleted and recreated is a new epoch, though nobody disconnects', async () => {
    const [one, two] = await pair()
    let last = 0
    for (let n = 0; n < 5; n++) last = await here.append(one.log, 'smtp', last)
    await two.has(5)
    await asOperator(nats.url, (jsm) => jsm.streams.delete('SWITCHGEAR_fleet'))
    await until('a new epoch', () => (epochs(one).includes(true) && epochs(two).includes(true)) || undefined)
    await linkIs(one, 'linked')
    await linkIs(two, 'linked')
    const first = await here.append(one.log, 'smtp', 0)
    expect(first).toBe(1)
    await Promise.all([one.has(6), two.has(6)])
    expect(seqs(two.messages)).toEqual([1, 2, 3, 4, 5, 1])
  })

  test('a server that comes back with an older store is a new epoch, and what is left is read from its beginning', async () => {
    const [one, two] = await pair()
    const first = await here.append(one.log, 'smtp', 0)
    await nats.kill()
    nats.copyStore()
    await nats.start()
    await linkIs(one, 'linked')
    await here.append(one.log, 'smtp', first)
    await Promise.all([one.has(2), two.has(2)])
    await nats.kill()
    nats.restoreStore()
    await nats.start()
    await until('a new epoch', () => (epochs(one).includes(true) && epochs(two).includes(true)) || undefined)
    await linkIs(one, 'linked')
    expect(seqs(one.messages)).toEqual([1, 2, 1])
  })

  test('so it is when the lost places have been taken by others since', async () => {
    const one = await here.join('fleet')
    const first = await here.append(one.log, 'smtp', 0)
    await nats.kill()
    nats.copyStore()
    await nats.start()
    await linkIs(one, 'linked')
    await here.append(one.log, 'smtp', first)
    await one.has(2)
    await nats.kill()
    nats.restoreStore()
    // The other one writes before this one is back: its server listens on another port for a moment.
    const elsewhere = fleetOn(natsLog({ servers: await nats.startElsewhere() }))
    const two = await elsewhere.join('fleet')
    const second = await elsewhere.append(two.log, 'smtp', first)
    await elsewhere.append(two.log, 'smtp', second)
    await elsewhere.end()
    await nats.kill()
    await nats.start()
    await until('a new epoch', () => epochs(one).includes(true) || undefined)
    await linkIs(one, 'linked')
    expect(seqs(one.messages)).toEqual([1, 2, 1, 2, 3])
  })
})

async function pair(): Promise<readonly [Member, Member]> {
  return [await here.join('fleet'), await there.join('fleet')]
}

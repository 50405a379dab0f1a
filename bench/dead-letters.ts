import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { DeadLetters } from 'switchgear'
import { redisDeadLetters } from 'switchgear/redis'
import { startRedis } from '../test/servers/start-redis.ts'
import { asking, bullmq, inTurn } from './dead-letters-peers.ts'
import { spilling } from './dead-letters-spill.ts'
import { compare, type Bench, type Measured } from './harness.ts'

const lettersMany = 1_000_000
const lettersWeighed = 20_000
const pageSize = 100
const channels = ['email', 'slack', 'webhook', 'sms']

/** 1,024 bytes of JSON, as what could not be delivered. */
const payload = { text: randomBytes(506).toString('hex') }
const bodyBytes = JSON.stringify(payload).length
/** As a client reports what a server said: without a stack. */
const errors = [
  { name: 'Error', message: 'connect ECONNREFUSED 10.0.0.1:25', code: 'ECONNREFUSED' },
  { name: 'Error', message: '550 no such user', code: 'EENVELOPE' },
  { name: 'TimeoutError', message: 'no answer in 10 s', code: 'ETIMEDOUT' },
]

/** What it costs to keep a letter, to find it, and to have it. */
export const deadLettersBench: Bench = {
  name: 'dead-letters',
  what: 'rate of enqueueing over that of XADD, 64 under way; time of a page over that of one GET; rate of a journal over that of appends',
  async run() {
    return [
      ...(await withRedis(enqueueing)),
      ...(await withRedis(listing)),
      ...(await withRedis(weighing)),
      await spilling(),
    ]
  },
}

async function enqueueing(url: string, client: Redis): Promise<readonly Measured[]> {
  const queue = redisDeadLetters({ url, deadlineMs: 10_000 })
  const theirs = bullmq(url)
  const body = JSON.stringify(payload)
  const measured = await compare({
    baseline: asking(() => client.xadd('bare', '*', 'body', body)),
    time: 'wall',
    rows: [
      {
        id: 'enqueue',
        what: 'enqueue, to a bare XADD of the same body',
        goal: { atLeast: 0.35 },
        limit: '0.44',
        ours: asking((call) => queue.enqueue(draft(call))),
        peers: { bullmq: asking(() => theirs.add(payload)) },
      },
    ],
  })
  await Promise.all([queue.close?.(), theirs.close()])
  return measured
}

async function listing(url: string, client: Redis): Promise<readonly Measured[]> {
  const queue = redisDeadLetters({ url, deadlineMs: 10_000 })
  const theirs = bullmq(url)
  await fill(queue, lettersMany, { text: 'small, since there are many' })
  await asking(() => theirs.add(payload))(lettersWeighed)
  await client.set('one', JSON.stringify(payload))
  const filter = { organization: 'acme', channel: 'email', errorType: 'connection' } as const
  const page = async (): Promise<number> => {
    const { items } = await queue.list(filter, { limit: pageSize })
    if (items.length !== pageSize) throw new Error(`${items.length} letters are on a page of ${pageSize}`)
    return items.length
  }
  const measured = await compare({
    baseline: inTurn(async () => (await client.get('one'))?.length ?? NaN),
    time: 'wall',
    rows: [
      {
        id: 'list',
        what: `list ${pageSize} of ${lettersMany}, by error and channel, to one GET`,
        goal: { atMost: 12 },
        ours: inTurn(page),
        peers: { [`bullmq, of ${lettersWeighed}, unfiltered`]: inTurn(() => theirs.list(pageSize)) },
      },
    ],
  })
  await Promise.all([queue.close?.(), theirs.close()])
  return measured
}

/** What letters take in Redis with all that belongs to them. */
async function weighing(url: string, client: Redis): Promise<readonly Measured[]> {
  const queue = redisDeadLetters({ url, deadlineMs: 10_000 })
  const theirs = bullmq(url)
  const bare = await bytesEach(client, (call) => queue.enqueue(draft(call)))
  const withStack = await bytesEach(client, (call) => queue.enqueue({ ...draft(call), error: new Error('failed') }))
  const bullmqs = await bytesEach(client, () => theirs.add(payload))
  await Promise.all([queue.close?.(), theirs.close()])
  const what = 'bytes a letter, to a body of 1 KB'
  return [
    { id: 'bytes', what, goal: { atMost: 1.8 }, limit: '1.2', value: bare, peers: { bullmq: bullmqs } },
    { id: 'bytesWithStack', what: `${what}, with the stack of an Error`, value: withStack, peers: {} },
  ]
}

async function bytesEach(client: Redis, add: (call: number) => Promise<unknown>): Promise<number> {
  await asking(add)(1)
  const before = await memoryUsed(client)
  await asking(add)(lettersWeighed)
  return ((await memoryUsed(client)) - before) / lettersWeighed / bodyBytes
}

async function memoryUsed(client: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
}

async function fill(queue: DeadLetters, letters: number, of: object): Promise<void> {
  await asking((call) => queue.enqueue({ ...draft(call), payload: of }))(letters)
}

function draft(call: number) {
  return {
    organization: 'acme',
    channel: channels[call % channels.length] ?? '',
    messageId: `message-${call}`,
    payload,
    error: errors[call % errors.length],
  }
}

async function withRedis<T>(use: (url: string, client: Redis) => Promise<T>): Promise<T> {
  const server = await startRedis()
  const client = new Redis(server.url)
  try {
    return await use(server.url, client)
  } finally {
    client.disconnect()
    await server.stop()
  }
}

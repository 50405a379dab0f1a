import { strict as assert } from 'node:assert'
import { OverCapacityError } from '../../kernel/errors.ts'
import { messageBytesMax, retainedPerTopic } from '../../ports/event-log.ts'
import { type Clause, rejectionOf } from './contract.ts'
import { assertGrowing, type LogFleet, type Member, plain, seqs } from './log-fleet.ts'

/** What the port says of appending, and of what is stored. */
export const appendClauses: readonly Clause<LogFleet>[] = [
  {
    says: 'every member receives what is appended, its author too, with its sequence, its time and its bytes',
    async holds(fleet) {
      const [author, other] = [await fleet.join(), await fleet.join()]
      const data = Uint8Array.from([0, 255, 10, 13, 128])
      const result = await author.log.append({ topic: 'smtp', id: 'a', expected: 0, data })
      assert.equal(result.status, 'stored')
      for (const member of [author, other]) {
        await member.has(1)
        const [message] = member.messages
        assert.equal(message?.topic, 'smtp')
        assert.equal(message.id, 'a')
        assert.equal(message.expected, 0)
        assert.equal(message.seq, result.seq)
        assert.ok(Number.isFinite(message.at))
        assert.deepEqual([...message.data], [...data])
      }
    },
  },
  {
    says: 'an append is stored only if what it expects is the last of its topic',
    async holds(fleet) {
      const { log } = await fleet.join()
      const first = await fleet.append(log, 'smtp', 0)
      assert.deepEqual(await log.append(fleet.message('smtp', 0)), { status: 'conflict' })
      assert.deepEqual(await log.append(fleet.message('smtp', first + 1_000)), { status: 'conflict' })
      const second = await fleet.append(log, 'smtp', first)
      assert.deepEqual(await log.append(fleet.message('smtp', first)), { status: 'conflict' })
      assert.deepEqual(seqs(await log.read('smtp')), [first, second])
    },
  },
  {
    says: 'topics do not conflict with each other, whatever their names hold',
    async holds(fleet) {
      const member = await fleet.join()
      const topics = ['smtp', 'smtp.a', 'smtp.*', '>', '*', 'with space', 'Grüße 🚀', 'a:b{c}%/\\', '='.repeat(128)]
      for (const topic of topics) await fleet.append(member.log, topic, 0)
      await member.has(topics.length)
      assert.deepEqual(
        member.messages.map(({ topic }) => topic),
        topics,
      )
      for (const topic of topics) assert.equal((await member.log.read(topic)).length, 1)
    },
  },
  {
    says: 'sequences grow through the whole log, and its time never steps back',
    async holds(fleet) {
      const member = await fleet.join()
      const last = new Map<string, number>()
      for (const topic of ['a', 'b', 'a', 'a', 'b', 'c']) {
        last.set(topic, await fleet.append(member.log, topic, last.get(topic) ?? 0))
      }
      await member.has(6)
      assertGrowing(seqs(member.messages))
      for (const [i, message] of member.messages.entries()) assert.ok(message.at >= (member.messages[i - 1]?.at ?? 0))
    },
  },
  {
    says: 'appending the same id again stores it once, and gives the place where it is',
    async holds(fleet) {
      const member = await fleet.join()
      const message = fleet.message('smtp', 0)
      const results = await Promise.all([message, message, message].map((same) => member.log.append(same)))
      const again = await member.log.append(message)
      for (const result of results) assert.deepEqual(result, again)
      assert.equal(again.status, 'stored')
      const next = await fleet.append(member.log, 'smtp', again.seq)
      assert.deepEqual(await member.log.append(message), again)
      await member.has(2)
      assert.deepEqual(seqs(member.messages), [again.seq, next])
    },
  },
  {
    says: 'of 100 appends that race for each position, exactly one is stored',
    async holds(fleet) {
      const members: Member[] = []
      for (let i = 0; i < 10; i++) members.push(await fleet.join())
      let last = 0
      for (let position = 1; position <= 5; position++) {
        const racing = members.flatMap(({ log }) =>
          Array.from({ length: 10 }, () => log.append(fleet.message('smtp', last))),
        )
        const stored = (await Promise.all(racing)).filter((result) => result.status === 'stored')
        assert.equal(stored.length, 1)
        last = stored[0]?.seq ?? 0
        for (const member of members) await member.has(position)
      }
      for (const member of members) assert.deepEqual(member.messages, members[0]?.messages)
    },
  },
  {
    says: 'members that append at once all receive the same messages in the same order, each once',
    async holds(fleet) {
      const members = [await fleet.join(), await fleet.join(), await fleet.join()]
      const writing = members.map(async ({ log }, i) => {
        for (let n = 0, last = 0; n < 20; n++) last = await fleet.append(log, `topic-${i}`, last)
      })
      await Promise.all(writing)
      for (const member of members) {
        await member.has(60)
        assertGrowing(seqs(member.messages))
        assert.deepEqual(member.messages, members[0]?.messages)
      }
    },
  },
  {
    says: `of each topic the newest ${retainedPerTopic} messages are retained, for reading and for late joiners`,
    async holds(fleet) {
      const early = await fleet.join()
      const quiet = await fleet.append(early.log, 'quiet', 0)
      const all: number[] = []
      for (let n = 0; n < retainedPerTopic + 6; n++) all.push(await fleet.append(early.log, 'busy', all.at(-1) ?? 0))
      const newest = all.slice(-retainedPerTopic)
      assert.deepEqual(seqs(await early.log.read('busy')), newest)
      assert.deepEqual(seqs(await early.log.read('quiet')), [quiet])
      const late = await fleet.join()
      assert.deepEqual(seqs(late.messages), [quiet, ...newest])
    },
  },
  {
    says: 'reading gives what is retained of a topic, oldest first, and nothing for a topic that nobody wrote to',
    async holds(fleet) {
      const member = await fleet.join()
      const first = await fleet.append(member.log, 'a', 0)
      const second = await fleet.append(member.log, 'a', first)
      await fleet.append(member.log, 'b', 0)
      await member.has(3)
      assert.deepEqual(seqs(await member.log.read('a')), [first, second])
      assert.deepEqual(
        (await member.log.read('a')).map(plain),
        member.messages.filter(({ topic }) => topic === 'a'),
      )
      assert.deepEqual(await member.log.read('nobody'), [])
    },
  },
  {
    says: `a message of more than ${messageBytesMax} bytes is refused, and nothing of it is stored`,
    async holds(fleet) {
      const { log } = await fleet.join()
      const message = fleet.message('smtp', 0)
      const refusal = await rejectionOf(log.append({ ...message, data: new Uint8Array(messageBytesMax + 1) }))
      assert.ok(refusal instanceof OverCapacityError, String(refusal))
      assert.equal(refusal.bound, 'messageBytesMax')
      assert.deepEqual(await log.read('smtp'), [])
      assert.equal((await log.append({ ...message, data: new Uint8Array(messageBytesMax - 1_024) })).status, 'stored')
    },
  },
]

import { strict as assert } from 'node:assert'
import { type Clause, eventually, freshName } from './contract.ts'
import { type LogFleet, type Member, plain, seqs } from './log-fleet.ts'

/** What the port says of joining, following, telling others and leaving. */
export const followClauses: readonly Clause<LogFleet>[] = [
  {
    says: 'a member that joins an empty log is linked, having received nothing',
    async holds(fleet) {
      const member = await fleet.join()
      assert.deepEqual(member.messages, [])
      assert.equal(member.links.at(-1)?.state, 'linked')
    },
  },
  {
    says: 'a late joiner catches up: first it is told so, then come the retained messages in order, then it is linked',
    async holds(fleet) {
      const early = await fleet.join()
      let [a, b] = [0, 0]
      for (let n = 0; n < 5; n++) {
        a = await fleet.append(early.log, 'a', a)
        b = await fleet.append(early.log, 'b', b)
      }
      const late = await fleet.join()
      assert.deepEqual(late.messages, await retained(early, ['a', 'b']))
      const calls = late.calls.filter((call) => call !== 'down' && call !== 'preview')
      assert.deepEqual(calls, ['catchingUp', ...Array<string>(10).fill('message'), 'linked'])
    },
  },
  {
    says: 'a preview is the last message of its topic, and comes while catching up, before the replay reaches it',
    async holds(fleet) {
      const early = await fleet.join()
      for (let n = 0, last = 0; n < 5; n++) last = await fleet.append(early.log, 'a', last)
      const late = await fleet.join()
      const [begin, end] = [late.calls.indexOf('catchingUp'), late.calls.indexOf('linked')]
      for (const [i, call] of late.calls.entries()) if (call === 'preview') assert.ok(i > begin && i < end)
      const [last] = (await early.log.read('a')).slice(-1).map(plain)
      for (const preview of late.previews) assert.deepEqual(preview, last)
    },
  },
  {
    says: 'fleets do not mix: neither their messages, nor their positions, nor their broadcasts',
    async holds(fleet) {
      const [ours, theirs] = [await fleet.join(), await fleet.join(freshName('other'))]
      await fleet.append(ours.log, 'smtp', 0)
      assert.deepEqual(await theirs.log.read('smtp'), [])
      await fleet.append(theirs.log, 'smtp', 0)
      const [heardByUs, heardByThem] = [ours.hear('news'), theirs.hear('news')]
      const neighbour = await fleet.join()
      await fleet.broadcastUntil(neighbour, 'news', 'ours', () => heardByUs.includes('ours'))
      assert.deepEqual(heardByThem, [])
      for (const member of [ours, theirs]) assert.equal(member.messages.length, 1)
    },
  },
  {
    says: 'a broadcast reaches the listeners of its channel at the other members, not its sender, and is not stored',
    async holds(fleet) {
      const [sender, one, two] = [await fleet.join(), await fleet.join(), await fleet.join()]
      const [atSender, atOne, atTwo] = [sender.hear('news'), one.hear('news'), two.hear('news')]
      const elsewhere = one.hear('weather')
      await fleet.broadcastUntil(sender, 'news', 'hello', () => atOne.includes('hello') && atTwo.includes('hello'))
      await fleet.broadcastUntil(one, 'news', 'you too', () => atSender.includes('you too'))
      assert.ok(!atSender.includes('hello'))
      assert.ok(!atOne.includes('you too'))
      assert.deepEqual(elsewhere, [])
      for (const member of [sender, one, two]) assert.deepEqual(member.messages, [])
    },
  },
  {
    says: 'a listener that was stopped hears nothing more, while the others of its channel do',
    async holds(fleet) {
      const [sender, member] = [await fleet.join(), await fleet.join()]
      const stopped: string[] = []
      const stop = member.log.listen('news', (data) => stopped.push(new TextDecoder().decode(data)))
      const other = member.hear('news')
      await fleet.broadcastUntil(sender, 'news', 'before', () => stopped.includes('before') && other.includes('before'))
      stop()
      stop()
      await fleet.broadcastUntil(sender, 'news', 'after', () => other.includes('after'))
      assert.ok(!stopped.includes('after'))
    },
  },
  {
    says: 'callbacks come one at a time, and never from within a call to the log',
    async holds(fleet) {
      const [author, other] = [await fleet.join(), await fleet.join()]
      const heard = other.hear('news')
      for (let n = 0, last = 0; n < 10; n++) last = await fleet.append(author.log, 'smtp', last)
      await fleet.broadcastUntil(author, 'news', 'hello', () => heard.includes('hello'))
      await other.has(10)
      assert.deepEqual(fleet.overlaps, [])
    },
  },
  {
    says: 'a follower and a listener that throw change nothing for anybody',
    async holds(fleet) {
      const [author, broken, sound] = [await fleet.join(), await fleet.join(), await fleet.join()]
      broken.failing = true
      const first = await fleet.append(author.log, 'smtp', 0)
      const second = await fleet.append(author.log, 'smtp', first)
      for (const member of [author, broken, sound]) {
        await member.has(2)
        assert.deepEqual(seqs(member.messages), [first, second])
      }
    },
  },
  {
    says: 'who left gets no further callback, and the others go on',
    async holds(fleet) {
      const [author, gone, other] = [await fleet.join(), await fleet.join(), await fleet.join()]
      const [heardByGone, heardByOther] = [gone.hear('news'), other.hear('news')]
      const first = await fleet.append(author.log, 'smtp', 0)
      await gone.has(1)
      await gone.log.leave()
      const callsBefore = gone.calls.length
      await fleet.append(author.log, 'smtp', first)
      await fleet.broadcastUntil(author, 'news', 'later', () => heardByOther.includes('later'))
      await other.has(2)
      assert.equal(gone.calls.length, callsBefore)
      assert.deepEqual(heardByGone, [])
    },
  },
  {
    says: 'leaving twice, and in the middle of catching up, is no harm',
    async holds(fleet) {
      const early = await fleet.join()
      for (let n = 0, last = 0; n < 5; n++) last = await fleet.append(early.log, 'a', last)
      const hasty = fleet.joinAtOnce()
      await Promise.all([hasty.log.leave(), hasty.log.leave()])
      const callsBefore = hasty.calls.length
      await fleet.append(early.log, 'b', 0)
      await eventually(() => early.messages.length === 6, 'the other member goes on')
      assert.equal(hasty.calls.length, callsBefore)
    },
  },
]

async function retained({ log }: Member, topics: readonly string[]) {
  const messages = (await Promise.all(topics.map((topic) => log.read(topic)))).flat().map(plain)
  return messages.toSorted((one, other) => one.seq - other.seq)
}

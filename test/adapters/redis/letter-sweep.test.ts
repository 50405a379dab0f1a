import { onTestFinished, test } from 'vitest'
import { allKey } from '../../../src/adapters/redis/letter-keys.ts'
import { redisDeadLetters } from '../../../src/factories/redis-dead-letters.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'
import { until } from '../../servers/until.ts'

const redis = redisOfFile()

test('an organization whose letters cannot be swept does not keep the others from it', async () => {
  const fleet = 'swept'
  let laterMs = 0
  const queue = redisDeadLetters({
    url: redis.url,
    fleet,
    deadlineMs: 60_000,
    retentionDays: 1,
    sweepEveryMs: 10,
    clock: { ...systemClock, now: () => Date.now() + laterMs },
  })
  onTestFinished(() => queue.close?.())
  for (const organization of ['before', 'broken', 'zulu'])
    await queue.enqueue({ organization, channel: 'email', messageId: 'm', payload: 1, error: new Error('failed') })
  await redis.client.set(allKey(fleet, 'broken'), 'no sorted set')
  laterMs = 2 * 86_400_000
  for (const organization of ['before', 'zulu'])
    await until(
      `the letters of ${organization} to go`,
      async () => (await queue.count({ organization })) === 0 || undefined,
    )
})

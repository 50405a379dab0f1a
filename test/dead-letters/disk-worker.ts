/**
 * A process that fills and empties letters on disk for ever, so that their journal is written anew again and again:
 * `disk-worker.ts <folder> <prefix of its ids>`. It writes to stdout what it has done: `+id` a letter is kept, `~id` it is about
 * to be purged, `-id` it was.
 */
import { writeSync } from 'node:fs'
import { diskDeadLetters } from '../../src/factories/disk-dead-letters.ts'

const [directory = '', prefix = ''] = process.argv.slice(2)
const queue = diskDeadLetters({ directory })
const say = (sign: string, ids: readonly string[]): void =>
  void writeSync(1, ids.map((id) => `${sign}${id}\n`).join(''))
const draft = { organization: 'acme', channel: 'email', messageId: 'm', error: new Error('down') }
const large = 'x'.repeat(900_000)

for (let round = 0; ; round += 1) {
  const ids = [0, 1, 2, 3].map((n) => `${prefix}-${round}-${n}`)
  await Promise.all(
    ids.map(async (id, index) => {
      await queue.enqueue({ ...draft, id, payload: index === 0 ? 'small' : large })
      say('+', [id])
    }),
  )
  const purged = ids.slice(1)
  say('~', purged)
  await queue.purge(purged.map((id) => `acme.${id}`))
  say('-', purged)
}

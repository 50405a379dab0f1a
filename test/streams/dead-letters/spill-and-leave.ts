/**
 * A process whose store is away, and whose journal cannot be written (`spill-and-leave.ts <folder>`) or can: it adds letters,
 * says what became of them, and ends by itself, if nothing keeps it.
 */
import { writeSync } from 'node:fs'
import { diskJournal } from '../../../src/adapters/disk/journal.ts'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { writeLetter } from '../../../src/ports/letter.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { spillingLetters } from '../../../src/streams/dead-letters/spilling-letters.ts'
import { behind } from '../../../src/testing/laws/dead-letters-subject.ts'

const [directory = ''] = process.argv.slice(2)
const store = behind(memoryLetters(), async () => {
  throw new UnavailableError('store', 'it is away')
})
const parts = { clock: systemClock, random: systemRandom, logger: silentLogger }
const journal = diskJournal({ directory, name: 'spill', isShared: true, bytesMax: 1e6, logger: silentLogger })
const spilling = spillingLetters(store, journal, { deadlineMs: 100, ...parts })

for (let n = 0; n < 5; n += 1) {
  const draft = { organization: 'acme', channel: 'email', messageId: 'm', payload: n, error: 'down' }
  const letter = writeLetter(draft, { at: 0, newId: () => String(n), bodyBytesMax: 1_000 })
  await spilling.add(letter, { lettersMax: 10 }).then(
    () => writeSync(1, 'added '),
    (error: unknown) => writeSync(1, `${error instanceof Error ? error.name : ''} `),
  )
}
await systemClock.sleep(1_500)

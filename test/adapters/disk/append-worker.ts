/**
 * A process that appends numbered records to a journal, many at a time, and writes the number of each to stdout once it is
 * durable: `append-worker.ts <folder> <from> <bytes of a record> <until>`. One that was refused is told of on stderr, and
 * not tried again.
 */
import { writeSync } from 'node:fs'
import { diskJournal } from '../../../src/adapters/disk/journal.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { recordOf } from './numbered-record.ts'

const [directory = '', from = '', bytes = '', until = ''] = process.argv.slice(2)
const journal = diskJournal({ directory, name: 'spill', isShared: true, bytesMax: 1e9, logger: silentLogger })
let next = Number(from)

async function appendInTurn(): Promise<void> {
  while (next < Number(until)) {
    const n = next++
    try {
      await journal.append(recordOf(n, Number(bytes)))
      writeSync(1, `${n}\n`)
    } catch (error) {
      writeSync(2, `${n} ${String(error)}\n`)
    }
  }
}

await Promise.all(Array.from({ length: 8 }, () => appendInTurn()))
await journal.close()

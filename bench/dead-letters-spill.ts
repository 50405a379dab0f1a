import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diskJournal } from '../src/adapters/disk/journal.ts'
import { silentLogger } from '../src/ports/logger.ts'
import { asking } from './dead-letters-peers.ts'
import { compare, type Measured } from './harness.ts'

/** What it costs that a letter on the disk is there after a crash of the machine. */
export async function spilling(): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'switchgear-bench-'))
  const bare = await open(join(directory, 'bare'), 'a')
  const journal = diskJournal({
    directory: join(directory, 'journal'),
    name: 'bench',
    isShared: false,
    bytesMax: 10_000_000_000,
    logger: silentLogger,
  })
  const record = Buffer.alloc(1_024, 'x')
  try {
    const [measured] = await compare({
      baseline: asking(() => bare.appendFile(record)),
      time: 'wall',
      rows: [
        {
          id: 'spill',
          what: 'journal with group commit, to appending without a sync',
          goal: { atLeast: 0.2 },
          ours: asking(() => journal.append(record)),
        },
      ],
    })
    if (measured === undefined) throw new Error('nothing was measured')
    return measured
  } finally {
    await Promise.all([bare.close(), journal.close()])
    await rm(directory, { recursive: true })
  }
}

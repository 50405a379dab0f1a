import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nanos } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sized } from '../../sized.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { until } from '../../servers/until.ts'
import { accountIs, streamRig } from './jetstream-rig.ts'

const messages = sized(3_000, 30_000)
const kills = sized(2, 10)

const folder = mkdtempSync(join(tmpdir(), 'switchgear-jetstream-'))
const notes = join(folder, 'outcomes')
writeFileSync(notes, '')
const worker = fileURLToPath(new URL('jetstream-worker.ts', import.meta.url))
const root = fileURLToPath(new URL('../../..', import.meta.url))

let server: Server
beforeAll(async () => void (server = await startNats()))
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('killed with -9 while 500 are in flight, again and again: each has an outcome, and none was acknowledged before', async () => {
  const rig = await streamRig(server.url, { ack_wait: nanos(1_000) })
  for (let from = 0; from < messages; from += 500)
    await rig.publish(...Array.from({ length: Math.min(500, messages - from) }, (_, n) => String(from + n)))

  for (let life = 0; life < kills; life += 1) {
    const child = start(rig.stream, 500)
    await child.full
    const before = outcomes().length
    await until('some outcomes', () => outcomes().length > before + 20 || undefined, 30_000)
    await child.kill()
    const [noted, left] = [new Set(outcomes()), await rig.left()]
    // A work queue forgets what was acknowledged: everything that it has forgotten was noted before.
    const forgotten = Array.from({ length: messages }, (_, n) => n + 1).filter((seq) => !left.has(seq))
    expect(forgotten.filter((seq) => !noted.has(seq))).toEqual([])
  }

  const last = start(rig.stream, 1)
  await accountIs(rig, 'all to be acknowledged', (info) => info.num_pending + info.num_ack_pending === 0, 120_000)
  await last.kill()
  const all = outcomes()
  const again = all.length - new Set(all).size
  console.info(`${messages} messages, ${kills} kills with 500 in flight: ${again} outcomes twice, none missing`)
  expect(new Set(all).size).toBe(messages)
  expect(again).toBeLessThanOrEqual(kills * 500)
  await rig.end()
})

function outcomes(): number[] {
  return readFileSync(notes, 'utf8').split('\n').slice(0, -1).map(seqOf)
}

/** Each line is of one outcome: `17 delivered`. */
function seqOf(line: string): number {
  expect(line).toMatch(/^\d+ delivered$/)
  return Number.parseInt(line, 10)
}

/** A worker, and when so many messages are in flight in it. */
function start(stream: string, wanted: number): { readonly full: Promise<unknown>; kill(): Promise<void> } {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', 'tsx', worker, server.url, stream, notes, String(wanted)],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const closed = once(child, 'close')
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  return {
    full: once(child.stdout ?? child, 'data'),
    async kill() {
      child.kill('SIGKILL')
      await closed
      process.removeListener('exit', onExit)
    },
  }
}

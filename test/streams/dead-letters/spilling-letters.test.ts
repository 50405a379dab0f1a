import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { diskJournal } from '../../../src/adapters/disk/journal.ts'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import { OverCapacityError, UnavailableError } from '../../../src/kernel/errors.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { LetterStore } from '../../../src/ports/letter-store.ts'
import { type LetterParts, writeLetter } from '../../../src/ports/letter.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { type SpillingOptions, spillingLetters } from '../../../src/streams/dead-letters/spilling-letters.ts'
import { behind } from '../../../src/testing/laws/dead-letters-subject.ts'
import { newFolder } from '../../adapters/disk/folder.ts'
import { until } from '../../servers/until.ts'

type Manner = 'there' | 'away' | 'hangs' | 'late'
const bounds = { lettersMax: 100_000 }

/** A store that can be away, and what spills from it into a folder. */
function rig(directory = newFolder(), options: Partial<SpillingOptions> & { readonly bytesMax?: number } = {}) {
  const letters = memoryLetters()
  const state = { manner: 'there' as Manner, calls: 0, lines: [] as string[] }
  const store = behind(letters, async (call) => {
    state.calls += 1
    const answer = state.manner === 'there' || state.manner === 'late' ? await call() : undefined
    // However late: a process that was busy hears an answer that came meanwhile.
    if (state.manner === 'hangs' || state.manner === 'late') await new Promise(() => {})
    if (answer === undefined && state.manner === 'away') throw new UnavailableError('store', 'it is away')
    return answer as Awaited<ReturnType<typeof call>>
  })
  const { bytesMax = 100_000_000, ...rest } = options
  const spills = (): LetterStore => {
    const say = (facts: object, message: string): void =>
      void state.lines.push(`${message} ${'letter' in facts ? String(facts.letter) : ''}`.trim())
    const logger = { info: say, warn: say, error: say }
    const journal = diskJournal({ directory, name: 'spill', isShared: true, bytesMax, logger })
    const parts = { deadlineMs: 100, clock: systemClock, random: systemRandom, logger, ...rest }
    const spilling = spillingLetters(store, journal, parts)
    onTestFinished(() => spilling.close?.())
    return spilling
  }
  const ids = async (): Promise<string[]> =>
    (await letters.page({}, { limit: 1_000, oldestFirst: true })).items.map(({ header }) => header.messageId)
  return { directory, letters, state, spills, ids }
}

function letter(n: number | string, payload: unknown = n): LetterParts {
  const draft = { organization: 'acme', channel: 'email', messageId: String(n), id: String(n), payload, error: 'down' }
  return writeLetter(draft, { at: 1_000, newId: () => String(n), bodyBytesMax: 10_000_000 })
}

async function drained(spilling: LetterStore): Promise<void> {
  await until('the journal to be empty', () => (spilling.spilled?.() === 0 ? true : undefined))
}

/** What `spill-and-leave.ts` says, and how it ended. */
async function runUntilItEnds(directory: string): Promise<{ readonly said: string; readonly code: unknown }> {
  const script = fileURLToPath(new URL('spill-and-leave.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (data: Buffer) => (said += data.toString()))
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(30_000) })) as readonly unknown[]
  return { said: said.trim(), code }
}

describe('letters that spill', () => {
  test('keep no process alive, and leave no rejection unhandled, whether the journal works or not', async () => {
    expect(await runUntilItEnds(newFolder())).toEqual({ said: 'added added added added added', code: 0 })
    const directory = join(newFolder(), 'taken')
    writeFileSync(directory, 'a file')
    const said = Array.from({ length: 5 }, () => 'UnavailableError').join(' ')
    expect(await runUntilItEnds(directory)).toEqual({ said, code: 0 })
  })

  test('go to the store while it answers, and nowhere else', async () => {
    const { directory, spills, ids } = rig()
    const spilling = spills()
    expect(await spilling.add(letter(1), bounds)).toMatchObject({ status: 'added' })
    expect(await spilling.add(letter(1), bounds)).toMatchObject({ status: 'present' })
    expect([spilling.spilled?.(), await ids()]).toEqual([0, ['1']])
    expect(readdirSync(directory).filter((name) => name.endsWith('.journal'))).toEqual([])
  })

  test('wait in the journal while it is away, and are there in their order, once, when it is back', async () => {
    const { state, spills, ids } = rig()
    const spilling = spills()
    state.manner = 'away'
    const all = Array.from({ length: 2_000 }, (_, n) => letter(n, `a\nb "${n}" é\u2028`))
    const results = await Promise.all(all.slice(0, 1_000).map((each) => spilling.add(each, bounds)))
    expect(results.every(({ status }) => status === 'added')).toBe(true)
    expect(spilling.spilled?.()).toBe(1_000)
    expect(await ids()).toEqual([])
    await Promise.all(all.slice(500).map((each) => spilling.add(each, bounds)))
    state.manner = 'there'
    await drained(spilling)
    const found = new Set(await ids())
    expect(found.size).toBe(1_000)
    for (const each of all) expect(await spilling.get(each.header.id)).toEqual(each)
    expect((await ids()).slice(0, 1_000)).toEqual(all.slice(0, 1_000).map(({ header }) => header.messageId))
    expect(state.lines).toContain('the store of dead letters answers again')
  })

  test('do not wait for a store that hangs longer than the deadline, nor at all once it is known to', async () => {
    const { state, spills } = rig()
    const spilling = spills()
    state.manner = 'hangs'
    const startedAt = performance.now()
    await Promise.all([1, 2, 3, 4].map((n) => spilling.add(letter(n), bounds)))
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    const [before, knownAt] = [state.calls, performance.now()]
    for (let n = 10; n < 60; n += 1) await spilling.add(letter(n), bounds)
    // Some may have tried, one after each pause, of 125 ms at least.
    expect(state.calls - before).toBeLessThanOrEqual(1 + (performance.now() - knownAt) / 125)
    expect(spilling.spilled?.()).toBe(54)
    state.manner = 'there'
    await drained(spilling)
  })

  test('are there once when the store took them and did not say so in time', async () => {
    const { letters, state, spills } = rig()
    const spilling = spills()
    state.manner = 'late'
    await spilling.add(letter('a'), bounds)
    expect(spilling.spilled?.()).toBe(1)
    state.manner = 'there'
    await drained(spilling)
    expect((await letters.count({})).count).toBe(1)
  })

  test('that were purged meanwhile do not come back', async () => {
    const { letters, state, spills } = rig()
    const spilling = spills()
    state.manner = 'late'
    await spilling.add(letter('a'), bounds)
    await letters.remove([letter('a').header.id])
    state.manner = 'there'
    await drained(spilling)
    expect((await letters.count({})).count).toBe(0)
  })

  test('are replayed by the next process, and by another one that shares the folder', async () => {
    const one = rig()
    one.state.manner = 'away'
    const dying = one.spills()
    await dying.add(letter('a'), bounds)
    await dying.close?.()
    const next = one.spills()
    await until('the letter to be found', () => (next.spilled?.() === 1 ? true : undefined))
    one.state.manner = 'there'
    await drained(next)
    expect(await one.ids()).toEqual(['a'])

    one.state.manner = 'away'
    await next.add(letter('b'), bounds)
    await next.close?.()
    const other = rig(one.directory)
    const spilling = other.spills()
    await until('the letter of the other process', async () => ((await other.ids()).length === 1 ? true : undefined))
    await drained(spilling)
  })

  test('are set aside in a file, loudly, when the store refuses them for good; the others pass', async () => {
    const { directory, state, spills, ids } = rig()
    const spilling = spills()
    state.manner = 'away'
    for (const n of [1, 2, 3]) await spilling.add(letter(n), { lettersMax: 2 })
    state.manner = 'there'
    await drained(spilling)
    expect(await ids()).toEqual(['1', '2'])
    expect(state.lines).toContain('a dead letter was refused by its store and set aside acme.3')
    const [refused = ''] = readdirSync(directory).filter((name) => name.endsWith('.refused'))
    expect(readFileSync(join(directory, refused), 'utf8')).toContain('"messageId":"3"')
  })

  test('are refused by the store itself while it answers', async () => {
    const { spills } = rig()
    const spilling = spills()
    await spilling.add(letter(1), { lettersMax: 1 })
    await expect(spilling.add(letter(2), { lettersMax: 1 })).rejects.toThrow(OverCapacityError)
    expect(spilling.spilled?.()).toBe(0)
  })

  test('are refused with a typed error when the journal is full, and taken again when there is room', async () => {
    const { state, spills, ids } = rig(newFolder(), { bytesMax: 5_000 })
    const spilling = spills()
    state.manner = 'away'
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => spilling.add(letter(n), bounds).then(() => String(n))),
    )
    const takenIn = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(OverCapacityError)
    }
    expect(takenIn.length).toBeGreaterThan(2)
    expect(takenIn.length).toBeLessThan(50)
    state.manner = 'there'
    await drained(spilling)
    expect(await ids()).toEqual(takenIn)
    state.manner = 'away'
    const more = letter('more')
    await until('room for one more', async () => (await spilling.add(more, bounds)).status)
    state.manner = 'there'
    await drained(spilling)
  })

  test('are refused with the name of the folder when it cannot be written to; later it can', async () => {
    const directory = join(newFolder(), 'taken')
    writeFileSync(directory, 'a file')
    const { state, spills, ids } = rig(directory)
    const spilling = spills()
    state.manner = 'away'
    const refused = spilling.add(letter(1), bounds)
    await expect(refused).rejects.toThrow(UnavailableError)
    await expect(refused).rejects.toThrow(directory)
    await until('it to be said', () => state.lines.find((line) => line.includes('cannot be read')))
    rmSync(directory)
    await spilling.add(letter(2), bounds)
    state.manner = 'there'
    await drained(spilling)
    expect(await ids()).toEqual(['2'])
  })

  test('leave records alone that they cannot read, in a file', async () => {
    const { directory, state, spills, ids } = rig()
    mkdirSync(directory, { recursive: true })
    const logger = { info() {}, warn() {}, error() {} }
    const other = diskJournal({ directory, name: 'spill', isShared: true, bytesMax: 10_000, logger })
    await other.append(Buffer.from('{"version":2}\nsomething'))
    await other.append(Buffer.from('nothing'))
    await other.close()
    const spilling = spills()
    await spilling.add(letter(1), bounds)
    await until('both to be set aside', () =>
      state.lines.filter((line) => line.includes('set aside')).length === 2 ? true : undefined,
    )
    await drained(spilling)
    expect(await ids()).toEqual(['1'])
    expect(readdirSync(directory).filter((name) => name.endsWith('.refused')).length).toBe(1)
  })

  test('set aside what the store cannot keep for a reason of its own, and go on', async () => {
    const { state, spills, letters } = rig(newFolder(), { isOutage: () => false })
    const spilling = spills()
    state.manner = 'away'
    await spilling.add(letter(1), bounds)
    await until('it to be set aside', () => state.lines.find((line) => line.includes('set aside acme.1')))
    await drained(spilling)
    state.manner = 'there'
    await spilling.add(letter(2), bounds)
    expect((await letters.count({})).count).toBe(1)
  })

  test('write on closing what is under way', async () => {
    const { state, spills, ids } = rig()
    const spilling = spills()
    state.manner = 'away'
    for (const n of [1, 2, 3]) await spilling.add(letter(n), bounds)
    const adding = spilling.add(letter(4), bounds)
    await spilling.close?.()
    await adding
    state.manner = 'there'
    const next = spills()
    await until('all to be there', async () => ((await ids()).length === 4 ? true : undefined))
    await drained(next)
  })
})

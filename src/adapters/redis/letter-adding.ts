import { OverCapacityError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Added, LetterBounds, LetterStore } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import { type LetterAsking, listIn } from './letter-asking.ts'
import { allKey, ownId } from './letter-keys.ts'
import type { LetterOrganizations } from './letter-organizations.ts'
import { addScript } from './letter-scripts.ts'
import { cellName, readValue, writeValue } from './letter-value.ts'

export interface LetterAdding {
  readonly redis: LetterAsking
  readonly fleet: string
  readonly organizations: LetterOrganizations
  readonly feedBounds: () => readonly [since: number, keptMs: number]
  readonly clock: Clock
}

/** Letters of an organization that go in one script: calling one costs as much as what it does for two letters. */
const batchMax = 16
const batchCharactersMax = 262_144
/** How often feeds are cut, in ms. */
const cutEveryMs = 60_000
const cutsRemembered = 10_000

interface Waiting {
  readonly letter: LetterParts
  readonly value: string
  readonly lettersMax: number
  resolve(added: Added): void
  reject(error: unknown): void
}

interface Batch {
  readonly waiting: Waiting[]
  characters: number
}

/** Adds letters; those that come in the same turn go together. */
export function letterAdding(parts: LetterAdding): LetterStore['add'] {
  const { redis, fleet, organizations, feedBounds } = parts
  const cutsFeeds = nowAndThen(parts.clock)
  let batches = new Map<string, Batch>()

  const send = async (organization: string, { waiting }: Batch): Promise<void> => {
    try {
      const [since, keptMs] = feedBounds()
      const cuts = cutsFeeds(organization) ? since : ''
      const args = waiting.flatMap(({ letter: { header }, value, lettersMax }) => {
        return [ownId(header.id), header.createdAt, value, cellName(header), lettersMax]
      })
      const reply = await redis.script(addScript, [allKey(fleet, organization)], [keptMs, cuts, ...args])
      const answers = listIn(reply)
      // Where Redis has lost what it had, it lost the announcement that we remember, too.
      if (answers.includes(2)) await organizations.announce(organization, true)
      for (const [index, one] of waiting.entries()) settle(one, answers[index])
    } catch (error) {
      organizations.doubt()
      for (const { reject } of waiting) reject(error)
    }
  }

  const sendAll = (): void => {
    const all = batches
    batches = new Map()
    for (const [organization, batch] of all) if (batch.waiting.length > 0) void send(organization, batch)
  }

  const enter = (one: Waiting): void => {
    const { organization } = one.letter.header
    const batch = batches.get(organization) ?? { waiting: [], characters: 0 }
    if (batches.size === 0) process.nextTick(sendAll)
    batches.set(organization, batch)
    batch.waiting.push(one)
    batch.characters += one.value.length
    if (batch.waiting.length < batchMax && batch.characters < batchCharactersMax) return
    batches.set(organization, { waiting: [], characters: 0 })
    void send(organization, batch)
  }

  return async (letter: LetterParts, { lettersMax }: LetterBounds) => {
    await organizations.announce(letter.header.organization)
    const value = writeValue(letter)
    return new Promise<Added>((resolve, reject) => enter({ letter, value, lettersMax, resolve, reject }))
  }
}

function settle({ letter, lettersMax, resolve, reject }: Waiting, answer: unknown): void {
  const { id, organization } = letter.header
  if (answer === 1 || answer === 2) return resolve({ status: 'added', letter })
  if (!Buffer.isBuffer(answer))
    return reject(new OverCapacityError(`dead letters of ${shown(organization)}`, 'lettersMax', lettersMax))
  const present = readValue(organization, ownId(id), answer)
  resolve(present === undefined ? { status: 'gone' } : { status: 'present', letter: present })
}

/** Says yes once in a while for each key. */
function nowAndThen(clock: Clock): (key: string) => boolean {
  const due = new Map<string, number>()
  return (key) => {
    const now = clock.monotonic()
    if ((due.get(key) ?? now) > now) return false
    if (due.size >= cutsRemembered) due.clear()
    due.set(key, now + cutEveryMs)
    return true
  }
}

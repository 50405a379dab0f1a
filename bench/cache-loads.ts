import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Redis } from 'ioredis'
import type { Measured } from './harness.ts'

const processes = 2
const callers = 100
const keys = 5

/** How often the loader of a cold key runs when all callers of all processes ask for it at once; the worst of some keys. */
export async function loadsOfTwo(url: string, client: Redis): Promise<Measured> {
  return {
    id: 'loads',
    what: `loads of a cold key, ${processes} processes × ${callers} callers`,
    goal: { atMost: 1 },
    limit: '1',
    unit: 'count',
    value: await worstOf('ours', url, client),
    peers: {
      'layered-loader': await worstOf('layered-loader', url, client),
      bentocache: await worstOf('bentocache', url, client),
    },
  }
}

async function worstOf(library: string, url: string, client: Redis): Promise<number> {
  const started = Array.from({ length: processes }, () => startCallers(library, url))
  try {
    const all = await Promise.all(started)
    const loads: number[] = []
    for (let key = 0; key < keys; key += 1) {
      const name = `${library}-${key}`
      await Promise.all(all.map((child) => ask(child, name)))
      loads.push(Number(await client.get(`loads:${name}`)))
    }
    return Math.max(...loads)
  } finally {
    for (const child of await Promise.allSettled(started)) if (child.status === 'fulfilled') child.value.disconnect()
  }
}

async function startCallers(library: string, url: string): Promise<ChildProcess> {
  const child = fork(new URL('cache-callers.ts', import.meta.url), [library, url, String(callers)])
  await answer(child)
  return child
}

async function ask(child: ChildProcess, key: string): Promise<void> {
  const answered = answer(child)
  child.send(key)
  await answered
}

async function answer(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() => {
    throw new Error('a process of callers has ended')
  })
  await Promise.race([once(child, 'message'), ended])
}

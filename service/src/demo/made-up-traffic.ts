import { setTimeout as sleep } from 'node:timers/promises'

/** The time between two alerts, in ms, and between two looks at statistics. */
const alertEveryMs = 120
const lookEveryMs = 300

const organizations = ['acme', 'acme', 'globex', 'globex', 'initech'] as const
const severities = ['critical', 'high', 'high', 'medium', 'low', 'info'] as const
const happenings = [
  { type: 'disk', title: 'Disk almost full on db-3', message: '94 % of /var/lib/postgresql is used' },
  { type: 'latency', title: 'Checkout is slow', message: 'p99 is 2.4 s, the objective is 800 ms' },
  { type: 'backup', title: 'Nightly backup failed', message: 'snapshot-eu-1 ended with code 3' },
  { type: 'certificate', title: 'Certificate ends soon', message: 'api.example ends in 6 days' },
  { type: 'queue', title: 'Queue grows', message: 'invoices: 12,400 waiting, 40 a second more' },
  { type: 'login', title: 'Many failed logins', message: '340 within a minute, from 12 addresses' },
] as const

/** People and machines that use the service: they post alerts, and look at statistics. Ends when it is told to. */
export async function madeUpTraffic(urls: readonly string[], signal: AbortSignal): Promise<void> {
  await Promise.all([
    every(alertEveryMs, signal, () => ask(`${oneOf(urls)}/v1/alerts`, signal, madeUpAlert())),
    every(lookEveryMs, signal, async () => {
      const organization = oneOf(organizations)
      for (const path of ['stats/overview?', 'stats/counts?', 'search?q=disk&'])
        await ask(`${oneOf(urls)}/v1/${path}organization=${organization}`, signal)
    }),
  ])
}

function madeUpAlert(): object {
  const happening = oneOf(happenings)
  return {
    organization: oneOf(organizations),
    severity: oneOf(severities),
    status: Math.random() < 0.8 ? 'firing' : 'resolved',
    ...happening,
    labels: { region: oneOf(['eu-1', 'us-2'] as const) },
  }
}

async function every(everyMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work()
    await sleep(everyMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {})
  }
}

/** Whatever is answered; a demonstration goes on. */
async function ask(url: string, signal: AbortSignal, body?: object): Promise<void> {
  try {
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const response = await fetch(url, { signal, ...(body === undefined ? {} : post) })
    await response.arrayBuffer()
  } catch {
    // It is stopping, or has just begun.
  }
}

function oneOf<T>(all: readonly [T, ...T[]] | readonly T[]): T {
  const chosen = all[Math.floor(Math.random() * all.length)]
  if (chosen === undefined) throw new RangeError('there is nothing to choose from')
  return chosen
}

import { setTimeout as sleep } from 'node:timers/promises'

/** An alert as these tests post it. */
export interface PostedAlert {
  readonly organization: string
  readonly id: string
}

/** An alert as the service shows it. */
export interface SeenAlert {
  readonly organization: string
  readonly id: string
  readonly acceptedAt: number
  readonly receivers: readonly SeenReceiver[]
}

export interface SeenReceiver {
  readonly name: string
  readonly state: string
  readonly reason?: string
  readonly lastError?: string
  readonly letterId?: string
  readonly attempts: readonly { readonly at: number; readonly error?: string }[]
}

export async function postAlerts(url: string, alerts: readonly PostedAlert[]): Promise<number> {
  return (await answerTo(url, alerts)).status
}

/** What the service says to alerts that are posted; its body is read. */
export async function answerTo(url: string, alerts: readonly PostedAlert[]): Promise<Response> {
  const body = alerts.map((alert) => ({
    ...alert,
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: `Disk full, ${alert.id}`,
    message: 'No space is left on /dev/sda1',
  }))
  const response = await fetch(`${url}/v1/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  await response.text()
  return response
}

export async function seeAlert(url: string, { organization, id }: PostedAlert): Promise<SeenAlert> {
  const response = await fetch(`${url}/v1/alerts/${id}?organization=${organization}`)
  if (response.status !== 200) throw new Error(`${organization}/${id} is answered ${response.status}`)
  return (await response.json()) as SeenAlert
}

/** How long is waited between two looks, in ms: looking is work for the service, too. */
const lookMs = 500

/** Looks at every alert until none has a receiver that is pending. @throws Error naming those that are, after `deadlineMs`. */
export async function settledAlerts(
  url: string,
  alerts: readonly PostedAlert[],
  deadlineMs: number,
): Promise<readonly SeenAlert[]> {
  const endAt = Date.now() + deadlineMs
  const settled: SeenAlert[] = []
  let waiting = [...alerts]
  while (waiting.length > 0) {
    const [first] = waiting.slice(-1)
    // The last is among the last to be settled: only then is it worth looking at all of them.
    if (first !== undefined && isPending(await seeAlert(url, first)) && Date.now() < endAt) {
      await sleep(lookMs)
      continue
    }
    const seen = await inGroups(waiting, 20, (alert) => seeAlert(url, alert))
    settled.push(...seen.filter((alert) => !isPending(alert)))
    waiting = seen.filter(isPending)
    if (Date.now() > endAt) throw new Error(`still pending: ${JSON.stringify(waiting.slice(0, 3))}`)
  }
  return settled
}

function isPending({ receivers }: SeenAlert): boolean {
  return receivers.some(({ state }) => state === 'pending')
}

async function inGroups<T, R>(items: readonly T[], size: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let start = 0; start < items.length; start += size)
    results.push(...(await Promise.all(items.slice(start, start + size).map(work))))
  return results
}

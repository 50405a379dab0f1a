/** An answer, and what the cache says of it. */
export interface DashboardAnswer {
  readonly status: number
  readonly xCache: string | null
  readonly type: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface DashboardClient {
  get(path: string): Promise<DashboardAnswer>
  post(path: string, body: unknown): Promise<DashboardAnswer>
}

/** Somebody who asks this service, with a token. */
export function dashboardClient(url: string, token: string): DashboardClient {
  const authorization = `Bearer ${token}`
  const ask = async (path: string, init: RequestInit): Promise<DashboardAnswer> => {
    const response = await fetch(`${url}${path}`, init)
    const body = (await response.json()) as Record<string, unknown>
    const type = response.headers.get('content-type') ?? ''
    return { status: response.status, xCache: response.headers.get('x-cache'), type, body }
  }
  return {
    get: (path) => ask(path, { headers: { authorization } }),
    post(path, body) {
      const headers = { authorization, 'content-type': 'application/json' }
      return ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
    },
  }
}

/** An alert to post. */
export function dashboardAlert(organization: string, over: Readonly<Record<string, unknown>> = {}): object {
  const facts = { severity: 'high', status: 'firing', type: 'disk', title: 'Disk full', message: 'No space is left' }
  return { organization, ...facts, ...over }
}

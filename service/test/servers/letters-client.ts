/** What the service answers on the routes of dead letters, as far as tests look at it. */
export interface SeenLetter {
  readonly id: string
  readonly organization: string
  readonly channel: string
  readonly messageId: string
  readonly payload: { readonly alert: { readonly id: string; readonly title: string }; readonly receiver: string }
  readonly errorType: string
  readonly error: { readonly message: string; readonly stack?: string }
  readonly attempts: readonly { readonly at: number; readonly error: string }[]
  readonly redriveCount: number
  readonly parked: boolean
  readonly version: number
}

export interface SeenRedrive {
  readonly id: string
  readonly state: string
  readonly done: number
  readonly total: number
  readonly delivered: number
  readonly failed: number
  readonly parked: number
}

export interface Answer<T> {
  readonly status: number
  readonly type: string
  readonly body: T
}

/** Asks a service in the name of whoever has the token. */
export interface LettersClient {
  ask<T>(method: string, path: string, body?: unknown): Promise<Answer<T>>
  letters(query?: string): Promise<readonly SeenLetter[]>
  /** Starts a redrive, and gives its id. @throws Error unless it is answered 202 */
  redrive(body: object): Promise<string>
  redriveOf(id: string): Promise<SeenRedrive>
}

export function lettersClient(url: string, token?: string): LettersClient {
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<Answer<T>> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const type = response.headers.get('content-type') ?? ''
    return { status: response.status, type, body: (await response.json()) as T }
  }
  const asked = async <T>(expected: number, method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await ask<T>(method, path, body)
    if (answer.status !== expected)
      throw new Error(`${method} ${path} is answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  return {
    ask,
    letters: async (query = '') =>
      (await asked<{ items: readonly SeenLetter[] }>(200, 'GET', `/v1/dead-letters${query}`)).items,
    redrive: async (body) => (await asked<{ id: string }>(202, 'POST', '/v1/dead-letters/redrive', body)).id,
    redriveOf: (id) => asked(200, 'GET', `/v1/redrives/${encodeURIComponent(id)}`),
  }
}

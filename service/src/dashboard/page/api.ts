/** What the service answered instead of what was asked for. */
export class ApiError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ApiError'
    this.status = status
  }
}

const tokenKey = 'switchgear.token'

/** Of this tab alone, and gone with it. */
export function token(): string | undefined {
  return sessionStorage.getItem(tokenKey) ?? undefined
}

export function keepToken(given: string | undefined): void {
  if (given === undefined) sessionStorage.removeItem(tokenKey)
  else sessionStorage.setItem(tokenKey, given)
}

export function authorization(): Record<string, string> {
  const shown = token()
  return shown === undefined ? {} : { authorization: `Bearer ${shown}` }
}

/** Asks the service. @throws ApiError with what its problem document says */
export async function ask<T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<T> {
  const response = await fetch(path, {
    method,
    headers: { ...authorization(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw await apiError(response)
  return (await response.json()) as T
}

export async function apiError(response: Response): Promise<ApiError> {
  let detail = `the service answered ${response.status}`
  try {
    const problem = (await response.json()) as { readonly detail?: unknown; readonly title?: unknown }
    if (typeof problem.detail === 'string') detail = problem.detail
    else if (typeof problem.title === 'string') detail = problem.title
  } catch {
    // It has said nothing more.
  }
  return new ApiError(response.status, detail)
}

/** A path with what is asked for, without what is absent. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}

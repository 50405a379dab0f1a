import { UnavailableError } from 'switchgear'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { type SharedService, startSharedService } from './servers/shared-service.ts'

let service: SharedService
beforeAll(async () => {
  service = await startSharedService({ organizations: {} })
})
afterAll(() => service?.stop())

async function ask(path: string) {
  const response = await fetch(`${service.url}${path}`)
  const { detail } = (await response.json()) as { detail?: string }
  return { status: response.status, detail, retryAfter: response.headers.get('retry-after') }
}

/** Whatever the store does, the process lives. */
async function expectUnready(detail: string): Promise<void> {
  expect(await ask('/readyz')).toEqual({ status: 503, detail, retryAfter: '1' })
  expect((await ask('/healthz')).status).toBe(200)
}

it('A service is ready while its store answers, and again when it does so again', async () => {
  expect((await ask('/readyz')).status).toBe(200)

  service.database.answer = () => Promise.reject(new UnavailableError('PostgreSQL', 'it is away'))
  await expectUnready('the store cannot be reached')

  let thaw = (): void => {}
  const frozen = new Promise<void>((resolve) => (thaw = resolve))
  onTestFinished(() => thaw())
  service.database.answer = (query) => frozen.then(query)
  await expectUnready('the store does not answer')

  service.database.answer = (query) => query()
  thaw()
  await until('it to be ready', async () => (await ask('/readyz')).status === 200 || undefined)
})

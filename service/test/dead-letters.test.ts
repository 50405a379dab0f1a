import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import { type LettersClient, lettersClient, type SeenLetter, type SeenRedrive } from './servers/letters-client.ts'
import { type MailServer, startMailServer } from './servers/mail-server.ts'
import { prepareData } from './store/prepare-data.ts'

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, yes').toString('base64')}`
const tokens = { acme: 'acme-token', globex: 'globex-token', '*': 'operator-token' }
const names = [
  'acme',
  'globex',
  'mail',
  'slow',
  'edited',
  'moved',
  'rated',
  'limited',
  'counted',
  'poison',
  'sick',
  'gone',
  'fragile',
]

/** The limit of one organization for webhooks. */
const [countedMax, countedMs] = [4, 2_000]

/** What each organization's endpoint answers, by its path; 200 unless told. */
const status = new Map<string, number>()
let retryAfter: string | undefined

describe('dead letters over HTTP', () => {
  let folder: string
  let endpoint: HttpEndpoint
  let fragile: HttpEndpoint
  let mail: MailServer
  let service: Service
  let operator: LettersClient

  const settings = () =>
    readSettings({
      SWITCHGEAR_CONFIG: join(folder, 'config.json'),
      DATA_DIR: folder,
      PORT: '0',
      LOG_LEVEL: 'silent',
      WEBHOOK_ALLOW_PRIVATE: '1',
      SMTP_URL: mail.url,
      SWITCHGEAR_TOKENS: [...names, '*']
        .map((name) => `${name}:${name in tokens ? tokens[name as 'acme'] : `${name}-token`}`)
        .join(','),
    })

  function configure(over: object = {}): void {
    const organizations = Object.fromEntries(
      names.map((name) => [
        name,
        {
          maxAgeMs: name === 'fragile' ? 1_000 : 3_600_000,
          ...(name === 'counted' ? { limits: { webhook: { limit: countedMax, windowMs: countedMs } } } : {}),
          receivers: [
            {
              name: 'hook',
              channel: 'webhook',
              url: `${name === 'fragile' ? fragile.url : endpoint.url}/${name}/secret-path`,
              secret,
            },
          ],
        },
      ]),
    )
    const engine = {
      breakers: {
        default: { failureThreshold: 1_000, timeoutMs: 5_000 },
        [`webhook:127.0.0.1:${fragile.port}`]: { failureThreshold: 2, recoveryTimeoutMs: 4_000 },
      },
      retry: { maxAttempts: 2, baseDelayMs: 10, maxDelayMs: 50 },
    }
    const mailTo = { name: 'ops', channel: 'email', to: ['a@mail.example', 'b@mail.example'] }
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({
        organizations: { ...organizations, mail: { receivers: [mailTo] }, ...over },
        engine,
      }),
    )
  }

  async function start(): Promise<void> {
    service = await serve(settings())
    operator = lettersClient(service.url, tokens['*'])
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-letters-'))
    mail = await startMailServer()
    endpoint = await startHttpEndpoint(({ path }, response) => {
      const code = status.get(path.split('/')[1] ?? '') ?? 200
      response.writeHead(code, code === 429 && retryAfter !== undefined ? { 'retry-after': retryAfter } : {}).end()
    })
    fragile = await startHttpEndpoint((_request, response) => response.writeHead(status.get('fragile') ?? 200).end())
    configure()
    await prepareData(folder)
    await start()
  })
  afterAll(async () => {
    await service.stop()
    await endpoint.close()
    await fragile.close()
    await mail.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const requestsOf = (name: string) => endpoint.requests.filter(({ path }) => path.startsWith(`/${name}/`))

  let counter = 0
  /** Alerts whose message fails for good; gives their letters once they are there, oldest first. */
  async function deadLetters(organization: string, count = 1, code = 400): Promise<readonly SeenLetter[]> {
    status.set(organization, code)
    const ids = Array.from({ length: count }, () => `alert-${(counter += 1)}`)
    const alerts = ids.map((id) => ({
      organization,
      id,
      severity: 'high',
      status: 'firing',
      type: 'disk',
      title: `Disk full, ${id}`,
      message: 'No space is left',
    }))
    expect((await operator.ask('POST', '/v1/alerts', alerts)).status).toBe(202)
    return until(
      `${count} letters of ${organization}`,
      async () => {
        const letters = await operator.letters(`?organization=${organization}&limit=1000`)
        const own = letters.filter(({ payload }) => ids.includes(payload.alert.id))
        return own.length === count ? own.toReversed() : undefined
      },
      20_000,
    )
  }

  const receiverOf = async (organization: string, alert: string): Promise<Record<string, unknown>> => {
    const { body } = await operator.ask<{ receivers: Record<string, unknown>[] }>(
      'GET',
      `/v1/alerts/${alert}?organization=${organization}`,
    )
    return body.receivers[0] ?? {}
  }

  const settled = (client: LettersClient, id: string): Promise<SeenRedrive> =>
    until(
      'the redrive to be over',
      async () => {
        const job = await client.redriveOf(id)
        return job.state === 'done' || job.state === 'cancelled' ? job : undefined
      },
      30_000,
    )

  it('has a letter of what failed for good, with all that is needed to understand it and no secret', async () => {
    const [letter] = await deadLetters('acme')
    expect(letter).toMatchObject({
      organization: 'acme',
      channel: 'webhook',
      errorType: 'rejected',
      error: { name: 'HttpAnswerError', message: expect.stringContaining('400') as string },
      payload: { receiver: 'hook', destination: `webhook:127.0.0.1:${endpoint.port}`, alert: { organization: 'acme' } },
      attempts: [{ error: expect.stringContaining('400') as string }],
      redriveCount: 0,
      parked: false,
      version: 1,
    })
    expect(letter?.id).toBe(`acme.${letter?.messageId}`)
    expect(JSON.stringify(letter)).not.toMatch(/secret-path|whsec_/)
    expect(await receiverOf('acme', letter?.payload.alert.id ?? '')).toMatchObject({
      state: 'deadLettered',
      letterId: letter?.id,
    })
    const one = await operator.ask('GET', `/v1/dead-letters/${letter?.id}`)
    expect(one).toMatchObject({ status: 200, body: letter })
  })

  it('shows where in our code it went wrong to the operator alone', async () => {
    const [letter] = await deadLetters('acme')
    const path = `/v1/dead-letters/${letter?.id}`
    const own = lettersClient(service.url, tokens.acme)
    const edit = { payload: { ...letter?.payload, reached: [] } }
    expect((await operator.ask<SeenLetter>('GET', path)).body.error.stack).toContain('    at ')
    const answers = [
      ...(await own.letters()),
      (await own.ask<SeenLetter>('GET', path)).body,
      (await own.ask<SeenLetter>('PATCH', path, edit)).body,
    ]
    expect(answers.length).toBeGreaterThan(2)
    for (const { error } of answers) expect(Object.keys(error).toSorted()).toEqual(['message', 'name'])
    expect((await operator.ask<SeenLetter>('GET', path)).body.error.stack).toContain('    at ')
  })

  it('sends a letter again, once, under the same id, and its alert says that it was delivered', async () => {
    const [letter] = await deadLetters('globex')
    const before = requestsOf('globex').length
    status.set('globex', 200)
    const own = lettersClient(service.url, tokens.globex)
    const id = await own.redrive({ ids: [letter?.id] })
    expect(await settled(own, id)).toEqual({
      id,
      organization: 'globex',
      state: 'done',
      startedAt: expect.any(Number) as number,
      maxRedrives: 5,
      done: 1,
      total: 1,
      delivered: 1,
      failed: 0,
      parked: 0,
      skipped: 0,
    })
    const sent = requestsOf('globex').slice(before)
    expect(sent.map(({ headers }) => headers['webhook-id'])).toEqual([letter?.messageId])
    expect((await operator.ask('GET', `/v1/dead-letters/${letter?.id}`)).status).toBe(404)
    const receiver = await receiverOf('globex', letter?.payload.alert.id ?? '')
    expect(receiver).toMatchObject({ state: 'delivered', letterId: letter?.id, attempts: [{}, {}] })
    expect((receiver['attempts'] as object[])[1]).not.toHaveProperty('error')
  })

  it('lists newest first, by page and filter', async () => {
    const letters = await deadLetters('rated', 5)
    await deadLetters('rated', 2, 500)
    const ids = async (query: string) => (await operator.letters(`?organization=rated&${query}`)).map(({ id }) => id)
    const rejected = letters.map(({ id }) => id).toReversed()
    expect(new Set(await ids('errorType=rejected'))).toEqual(new Set(rejected))
    expect(await ids('errorType=server_error&channel=webhook')).toHaveLength(2)
    expect(await ids('channel=email')).toEqual([])
    expect(await ids('text=ANSWERED+400')).toHaveLength(5)
    expect(await ids(`since=${Date.now() + 60_000}`)).toEqual([])
    expect(await ids(`until=${Date.now()}&parked=false`)).toHaveLength(7)
    const pages: string[] = []
    let next: string | undefined
    do {
      const cursor = next === undefined ? '' : `&cursor=${encodeURIComponent(next)}`
      const { body } = await operator.ask<{ items: SeenLetter[]; next?: string }>(
        'GET',
        `/v1/dead-letters?organization=rated&limit=3${cursor}`,
      )
      pages.push(...body.items.map(({ id }) => id))
      next = body.next
    } while (next !== undefined)
    expect(pages).toHaveLength(7)
    expect(new Set(pages).size).toBe(7)
    expect(await operator.ask('GET', '/v1/dead-letters/stats?organization=rated')).toMatchObject({
      status: 200,
      body: {
        total: 7,
        parked: 0,
        spilled: 0,
        rows: [
          { organization: 'rated', channel: 'webhook', errorType: 'rejected', count: 5 },
          { errorType: 'server_error', count: 2 },
        ],
      },
    })
  })

  it('sends what an operator edited, and not an edit of a version that is gone', async () => {
    const [letter] = await deadLetters('edited')
    const path = `/v1/dead-letters/${letter?.id}`
    const alert = { ...letter?.payload.alert, title: 'Edited', organization: 'globex' }
    const edit = { payload: { ...letter?.payload, alert }, version: 1 }
    expect(await operator.ask('PATCH', path, edit)).toMatchObject({
      status: 200,
      body: { version: 2, payload: { alert: { title: 'Edited' } }, edits: [{ version: 1, payload: letter?.payload }] },
    })
    expect(await operator.ask('PATCH', path, edit)).toMatchObject({
      status: 409,
      body: { errors: [{ path: 'version' }] },
    })
    status.set('edited', 200)
    await settled(operator, await operator.redrive({ ids: [letter?.id] }))
    expect(JSON.parse(requestsOf('edited').at(-1)?.body ?? '')).toMatchObject({
      data: { title: 'Edited', organization: 'edited', receiver: 'hook' },
    })
  })

  it('sends a letter whose channel was edited to the one receiver on that channel', async () => {
    const [letter] = await deadLetters('moved')
    const edited = { channel: 'email' }
    expect((await operator.ask('PATCH', `/v1/dead-letters/${letter?.id}`, edited)).status).toBe(200)
    expect(await settled(operator, await operator.redrive({ ids: [letter?.id] }))).toMatchObject({ failed: 1 })
    expect(await operator.ask('GET', `/v1/dead-letters/${letter?.id}`)).toMatchObject({
      body: { errorType: 'invalid', error: { message: expect.stringContaining('no receiver on email') as string } },
    })
    const hook = { name: 'hook', channel: 'webhook', url: `${endpoint.url}/moved/`, secret }
    const ops = { name: 'ops', channel: 'email', to: ['ops@moved.example'] }
    await service.stop()
    configure({ moved: { receivers: [hook, ops] } })
    await start()
    const left = await operator.letters('?organization=moved')
    expect(left.map(({ id, channel }) => [id, channel])).toEqual([[letter?.id, 'email']])
    await settled(operator, await operator.redrive({ filter: { organization: 'moved' } }))
    expect(mail.received.at(-1)).toMatchObject({
      to: ['ops@moved.example'],
      messageId: expect.stringContaining(letter?.messageId ?? '-') as string,
    })
  })

  it('sends a mail again to those who did not get it, also to who was refused for good', async () => {
    mail.rules.recipient = (address) => (address.startsWith('b@') ? { code: 550, text: 'no such user' } : undefined)
    const [letter] = await deadLetters('mail')
    expect(letter).toMatchObject({
      channel: 'email',
      payload: {
        reached: ['a@mail.example'],
        refused: { 'b@mail.example': expect.stringContaining('no such') as string },
      },
    })
    mail.rules = {}
    await settled(operator, await operator.redrive({ ids: [letter?.id] }))
    const own = mail.received.filter(({ messageId }) => messageId.includes(letter?.messageId ?? '-'))
    expect(own.map(({ to }) => to)).toEqual([['a@mail.example'], ['b@mail.example']])
  })

  it('remembers who got a mail by a redrive that failed for others', async () => {
    mail.rules.recipient = () => ({ code: 550, text: 'nobody' })
    const [letter] = await deadLetters('mail')
    mail.rules.recipient = (address) => (address.startsWith('b@') ? { code: 550, text: 'no such user' } : undefined)
    expect(await settled(operator, await operator.redrive({ ids: [letter?.id] }))).toMatchObject({ failed: 1 })
    expect(await operator.ask('GET', `/v1/dead-letters/${letter?.id}`)).toMatchObject({
      body: { redriveCount: 1, payload: { reached: ['a@mail.example'] } },
    })
    mail.rules = {}
    expect(await settled(operator, await operator.redrive({ ids: [letter?.id] }))).toMatchObject({ delivered: 1 })
    const own = mail.received.filter(({ messageId }) => messageId.includes(letter?.messageId ?? '-'))
    expect(own.map(({ to }) => to)).toEqual([['a@mail.example'], ['b@mail.example']])
  })

  it('counts redrives that fail, and parks what failed often enough', async () => {
    const [letter] = await deadLetters('poison')
    const filter = { organization: 'poison' }
    expect(await settled(operator, await operator.redrive({ filter, maxRedrives: 2 }))).toMatchObject({ failed: 1 })
    expect(await settled(operator, await operator.redrive({ filter, maxRedrives: 2 }))).toMatchObject({ parked: 1 })
    const [parked] = await operator.letters('?organization=poison&parked=true')
    expect(parked).toMatchObject({ id: letter?.id, parked: true, redriveCount: 2 })
    expect(parked?.attempts).toHaveLength(3)
    expect((await operator.ask('POST', '/v1/dead-letters/redrive', { filter })).status).toBe(404)
    expect((await operator.ask('POST', '/v1/dead-letters/unpark', { filter })).body).toEqual({ count: 1 })
    expect((await operator.ask('POST', '/v1/dead-letters/park', { ids: [letter?.id] })).body).toEqual({ count: 1 })
    const purge = { filter: { ...filter, parked: true } }
    expect((await operator.ask('POST', '/v1/dead-letters/purge', { ...purge, dryRun: true })).body).toEqual({
      count: 1,
    })
    expect((await operator.ask('POST', '/v1/dead-letters/purge', purge)).body).toEqual({ count: 1 })
    expect(await operator.letters('?organization=poison')).toEqual([])
  })

  it('waits when the destination asks it to, and spends no redrive', async () => {
    await deadLetters('limited', 3)
    status.set('limited', 429)
    retryAfter = '1'
    const before = requestsOf('limited').length
    const id = await operator.redrive({ filter: { organization: 'limited' } })
    await until('it to be paused', async () => ((await operator.redriveOf(id)).state === 'paused' ? true : undefined))
    expect(requestsOf('limited').length - before).toBeLessThanOrEqual(3)
    status.set('limited', 200)
    expect(await settled(operator, id)).toMatchObject({ delivered: 3, failed: 0 })
    const times = requestsOf('limited')
      .slice(before)
      .map(({ at }) => at)
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(900)
  })

  it('counts under the limit of its channel as what is sent the first time, waits for it, and spends no redrive', async () => {
    const since = Date.now()
    await deadLetters('counted', countedMax)
    status.set('counted', 200)
    const id = await operator.redrive({ filter: { organization: 'counted' } })
    expect(await settled(operator, id)).toMatchObject({ delivered: countedMax, failed: 0 })
    const times = requestsOf('counted').map(({ at }) => at)
    expect(times).toHaveLength(2 * countedMax)
    // None was counted before it was posted, and each is counted before it is sent.
    expect(times[countedMax]).toBeGreaterThanOrEqual(since + countedMs)
  })

  it('waits while the breaker is open, goes on when it is closed, and spends no redrive', async () => {
    const letters = await deadLetters('fragile', 6, 500)
    expect(letters.filter(({ errorType }) => errorType === 'expired').length).toBeGreaterThanOrEqual(3)
    const asked = fragile.requests.length
    const id = await operator.redrive({ filter: { organization: 'fragile' } })
    await until('it to be paused', async () => ((await operator.redriveOf(id)).state === 'paused' ? true : undefined))
    expect(await operator.redriveOf(id)).toMatchObject({ pausedUntilAt: expect.any(Number) as number, done: 0 })
    expect(fragile.requests.length).toBe(asked)
    expect((await operator.letters('?organization=fragile')).every(({ redriveCount }) => redriveCount === 0)).toBe(true)
    status.set('fragile', 200)
    expect(await settled(operator, id)).toMatchObject({ delivered: 6, failed: 0 })
    const sent = fragile.requests.slice(asked).map(({ headers }) => String(headers['webhook-id']))
    expect(sent.toSorted()).toEqual(letters.map(({ messageId }) => messageId).toSorted())
  })

  it('keeps to a rate and a number, and ends when it is told to', async () => {
    await deadLetters('slow', 10)
    status.set('slow', 200)
    const before = requestsOf('slow').length
    const few = await operator.redrive({ filter: { organization: 'slow' }, max: 2 })
    expect(await settled(operator, few)).toMatchObject({ total: 2, delivered: 2 })
    const id = await operator.redrive({ filter: { organization: 'slow' }, ratePerSecond: 2 })
    await until('some of it', async () => ((await operator.redriveOf(id)).done >= 2 ? true : undefined))
    expect(await operator.ask('DELETE', `/v1/redrives/${id}`)).toMatchObject({
      status: 200,
      body: { state: 'cancelled' },
    })
    const { delivered } = await settled(operator, id)
    expect(delivered).toBeLessThan(8)
    await until('what was being sent to be settled', async () => {
      const left = await operator.letters('?organization=slow')
      return left.length + (requestsOf('slow').length - before) === 10 ? true : undefined
    })
    expect((await operator.ask<{ items: object[] }>('GET', '/v1/redrives?organization=slow')).body.items).toMatchObject(
      [
        { id, state: 'cancelled' },
        { id: few, state: 'done' },
      ],
    )
  })

  it('does letters of several organizations as a job each', async () => {
    const letters = [...(await deadLetters('acme')), ...(await deadLetters('globex'))]
    for (const name of ['acme', 'globex']) status.set(name, 200)
    const { status: code, body } = await operator.ask<{ id: string; ids: string[] }>(
      'POST',
      '/v1/dead-letters/redrive',
      {
        ids: letters.map(({ id }) => id),
        ratePerSecond: 10,
      },
    )
    expect(code).toBe(202)
    expect(body.ids).toHaveLength(2)
    expect(body.ids[0]).toBe(body.id)
    for (const id of body.ids) expect(await settled(operator, id)).toMatchObject({ delivered: 1, ratePerSecond: 5 })
    const { body: all } = await operator.ask<{ items: { id: string }[] }>('GET', '/v1/redrives')
    expect(all.items.map(({ id }) => id)).toEqual(expect.arrayContaining(body.ids))
  })

  it('tells an organization nothing of another, and lets it change nothing there', async () => {
    const [letter] = await deadLetters('acme')
    await deadLetters('sick')
    status.set('acme', 200)
    const job = await operator.redrive({ ids: [letter?.id] })
    await settled(operator, job)
    const [foreign] = await operator.letters('?organization=sick')
    const foreignId = foreign?.id ?? ''
    const acme = lettersClient(service.url, tokens.acme)
    const sick = lettersClient(service.url, 'sick-token')
    const problems = async (method: string, path: string, body?: unknown) => {
      const there = await acme.ask<{ detail: string }>(method, path.replace('ID', foreignId), replaced(body, foreignId))
      const missing = await acme.ask<{ detail: string }>(
        method,
        path.replace('ID', 'sick.none'),
        replaced(body, 'sick.none'),
      )
      expect(there.status).toBe(404)
      expect(there.type).toContain('application/problem+json')
      expect({ ...there, body: { ...there.body, detail: there.body.detail.replace(foreignId, '') } }).toEqual({
        ...missing,
        body: { ...missing.body, detail: missing.body.detail.replace('sick.none', '') },
      })
    }
    await problems('GET', '/v1/dead-letters/ID')
    await problems('PATCH', '/v1/dead-letters/ID', { payload: {} })
    for (const order of ['redrive', 'park', 'unpark', 'purge'])
      await problems('POST', `/v1/dead-letters/${order}`, { ids: ['ID'] })
    for (const method of ['GET', 'DELETE']) expect((await sick.ask(method, `/v1/redrives/${job}`)).status).toBe(404)
    for (const order of ['park', 'unpark', 'purge']) {
      expect((await acme.ask('POST', `/v1/dead-letters/${order}`, { filter: {} })).status).toBe(200)
      const asked = { filter: { organization: 'sick' } }
      expect((await acme.ask('POST', `/v1/dead-letters/${order}`, asked)).status).toBe(403)
    }
    expect((await acme.ask('GET', '/v1/dead-letters?organization=sick')).status).toBe(403)
    expect((await acme.ask('GET', '/v1/redrives?organization=sick')).status).toBe(403)
    expect((await acme.letters()).every(({ organization }) => organization === 'acme')).toBe(true)
    const { body: stats } = await acme.ask<{ rows: { organization: string }[] }>('GET', '/v1/dead-letters/stats')
    expect(stats.rows.every(({ organization }) => organization === 'acme')).toBe(true)
    expect(stats).not.toHaveProperty('spilled')
    const { body: jobs } = await sick.ask<{ items: object[] }>('GET', '/v1/redrives')
    expect(jobs.items).toEqual([])
    expect(await operator.ask('GET', `/v1/dead-letters/${foreignId}`)).toMatchObject({ body: foreign })
  })

  it.each([
    ['GET', '/v1/dead-letters'],
    ['GET', '/v1/dead-letters/stats'],
    ['GET', '/v1/dead-letters/acme.x'],
    ['PATCH', '/v1/dead-letters/acme.x'],
    ['POST', '/v1/dead-letters/redrive'],
    ['POST', '/v1/dead-letters/park'],
    ['POST', '/v1/dead-letters/unpark'],
    ['POST', '/v1/dead-letters/purge'],
    ['GET', '/v1/redrives'],
    ['GET', '/v1/redrives/acme.x'],
    ['DELETE', '/v1/redrives/acme.x'],
  ])('%s %s needs a token', async (method, path) => {
    for (const token of [undefined, 'nobody'])
      expect((await lettersClient(service.url, token).ask(method, path)).status).toBe(401)
  })

  it.each<[string, string, unknown, number]>([
    ['GET', '/v1/dead-letters?limit=0', undefined, 400],
    ['GET', '/v1/dead-letters?limit=many', undefined, 400],
    ['GET', '/v1/dead-letters?cursor=nonsense', undefined, 400],
    ['GET', '/v1/dead-letters?cursor=%00', undefined, 400],
    ['GET', '/v1/dead-letters?errorType=sad', undefined, 400],
    ['GET', '/v1/dead-letters?since=yesterday', undefined, 400],
    ['GET', '/v1/dead-letters?parked=perhaps', undefined, 400],
    ['GET', '/v1/dead-letters?colour=red', undefined, 400],
    ['GET', '/v1/dead-letters?text=a&text=b', undefined, 400],
    ['GET', '/v1/dead-letters/stats?limit=5', undefined, 400],
    ['GET', '/v1/dead-letters/nonsense', undefined, 404],
    ['GET', '/v1/dead-letters/%E0%A4%A', undefined, 400],
    ['GET', '/v1/dead-letters/a%00b.c', undefined, 404],
    ['PATCH', '/v1/dead-letters/acme.none', { channel: 'email' }, 404],
    ['PATCH', '/v1/dead-letters/acme.none', {}, 400],
    ['PATCH', '/v1/dead-letters/acme.none', { channel: 'pigeon' }, 400],
    ['PATCH', '/v1/dead-letters/acme.none', { payload: 1, version: 'first' }, 400],
    ['PATCH', '/v1/dead-letters/acme.none', undefined, 415],
    ['POST', '/v1/dead-letters/park', undefined, 415],
    ['POST', '/v1/dead-letters/park', {}, 400],
    ['POST', '/v1/dead-letters/park', [], 400],
    ['POST', '/v1/dead-letters/park', 'null', 400],
    ['POST', '/v1/dead-letters/park', { ids: ['a'], filter: {} }, 400],
    ['POST', '/v1/dead-letters/park', { ids: [1] }, 400],
    ['POST', '/v1/dead-letters/park', { ids: [] }, 400],
    ['POST', '/v1/dead-letters/park', { filter: { since: 'x' } }, 400],
    ['POST', '/v1/dead-letters/purge', { filter: {}, dryRun: 'yes' }, 400],
    ['POST', '/v1/dead-letters/redrive', { ids: ['nonsense'] }, 400],
    ['POST', '/v1/dead-letters/redrive', { filter: { text: 'nothing has this text' } }, 404],
    ['POST', '/v1/dead-letters/redrive', { filter: {}, ratePerSecond: 0 }, 400],
    ['POST', '/v1/dead-letters/redrive', { filter: {}, max: 0.5 }, 400],
    ['POST', '/v1/dead-letters/redrive', { filter: {}, maxRedrives: 0 }, 400],
    ['POST', '/v1/dead-letters/burn', { filter: {} }, 404],
    ['GET', '/v1/redrives/nonsense', undefined, 404],
    ['DELETE', '/v1/redrives/acme.none', undefined, 404],
    ['GET', '/v1/redrives?colour=red', undefined, 400],
  ])('%s %s with %j is answered %i, with a problem', async (method, path, body, expected) => {
    const answer = await operator.ask(method, path, body)
    expect(answer).toMatchObject({ status: expected, body: { status: expected } })
    expect(answer.type).toContain('application/problem+json')
  })

  it.each([200, 1_500, 4_000])('an id of %i characters is one that is not there', async (length) => {
    const answer = await operator.ask('GET', `/v1/dead-letters/acme.${'x'.repeat(length)}`)
    expect(answer.status).toBe(404)
    expect(answer.type).toContain('application/problem+json')
  })

  it('fails with a clear error where the receiver or its organization is gone', async () => {
    const [letter] = await deadLetters('gone')
    await service.stop()
    configure({ gone: { receivers: [] } })
    await start()
    const fresh = async () => {
      expect(await settled(operator, await operator.redrive({ ids: [letter?.id] }))).toMatchObject({ failed: 1 })
      return (await operator.ask<SeenLetter>('GET', `/v1/dead-letters/${letter?.id}`)).body
    }
    expect(await fresh()).toMatchObject({
      errorType: 'invalid',
      error: { message: 'the receiver "hook" is no longer configured' },
    })
    const edit = { payload: 'nothing that could be sent' }
    expect((await operator.ask('PATCH', `/v1/dead-letters/${letter?.id}`, edit)).status).toBe(200)
    expect((await fresh()).error.message).toContain('payload')
  })

  it('stands in the OpenAPI document', async () => {
    const { body } = await operator.ask<{ paths: Record<string, object> }>('GET', '/openapi.json')
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        '/v1/dead-letters',
        '/v1/dead-letters/{id}',
        '/v1/dead-letters/redrive',
        '/v1/redrives/{id}',
      ]),
    )
  })
})

function replaced(body: unknown, id: string): unknown {
  return body === undefined
    ? undefined
    : (JSON.parse(JSON.stringify(body).replace('"ID"', JSON.stringify(id))) as unknown)
}

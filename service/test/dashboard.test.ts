import { createSwitchgear, type Switchgear } from 'switchgear'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { sized } from '../../test/sized.ts'
import { readAssets } from '../src/dashboard/assets.ts'
import { keepPicture, startBrowser, type TestBrowser } from './servers/browser.ts'
import { hookAt, type SharedService, startSharedService } from './servers/shared-service.ts'

const acme = 'webhook:hook.acme.example'
const evil = `"><img src=x onerror="window.hacked = 'img'"><script>window.hacked = 'script'</script>`

let service: SharedService
let browser: TestBrowser
/** What the operator sees. */
let page: Page
/** Another instance of the fleet, and what the page is compared with. */
let other: Switchgear
beforeAll(async () => {
  service = await startSharedService(
    {
      organizations: {
        acme: { receivers: [hookAt('hook.acme.example')] },
        globex: { receivers: [hookAt('hook.globex.example', evil)] },
      },
      engine: { breakers: { default: { failureThreshold: 2 } }, retry: { maxAttempts: 1 } },
    },
    { SWITCHGEAR_TOKENS: 'acme:acmes-token,globex:globexs-token,*:operators-token' },
  )
  other = createSwitchgear({ fleet: 'alerts', instance: 'two', log: service.log })
  browser = await startBrowser()
  page = await browser.open(service.url, 'operators-token', { viewport: { width: 1360, height: 900 } })
})
afterAll(async () => {
  await browser?.close()
  await other?.close()
  await service?.stop()
})

describe('the dashboard, in a browser', () => {
  it('asks for a token, and shows nothing before', async () => {
    const page = await browser.openAnonymously(service.url)
    await expectText(page.getByRole('dialog'), /expected Authorization: Bearer and a token/)
    expect(await page.locator('#content').isVisible()).toBe(false)
    await page.getByLabel('Token').fill('acmes-token')
    await page.getByRole('button', { name: 'Show it' }).click()
    await page.locator('#content').waitFor()
    await page.close()
  })

  it('shows a breaker opening within 2 s, why, on what counts, who did it and when the next probe is due', async () => {
    await post('acme', 'fine')
    await row(page, acme).and(page.locator('.is-closed')).waitFor()
    service.dead.add('hook.acme.example')
    const opened = until('the breaker to open', () => (other.states().get(acme)?.mode === 'open' ? true : undefined))
    await post('acme', 'lost-1', 'lost-2')
    await opened
    const openedAt = performance.now()
    await row(page, acme).and(page.locator('.is-open')).waitFor()
    const shownMs = Math.round(performance.now() - openedAt)
    console.info(`a breaker that opens is shown after ${shownMs} ms`)
    // Two seconds where nothing else is done; the suite's machine may be busy with other tests.
    expect(shownMs).toBeLessThan(sized(10_000, 2_000))
    await row(page, acme).getByRole('button', { expanded: false }).click()
    const details = row(page, acme).locator('.breaker-details')
    await expectText(details, /Open for the whole fleet since .*: 2 consecutive failures, seen by one/)
    await expectText(details, /probe in \d+ s|probe in 1 min/)
    await expectText(details, /failures\s*2/)
    await expectText(details.locator('.history'), /opened.*2 consecutive failures.*one/s)
    await keepPicture(page, 'open-light')
    await page.emulateMedia({ colorScheme: 'dark' })
    await keepPicture(page, 'open-dark')
    await page.emulateMedia({ colorScheme: 'light' })
  })

  it('gives orders with a name and a reason, and one closes the breaker', async () => {
    await order(page, 'Disable', 'the other side is well again')
    await row(page, acme).and(page.locator('.is-disabled')).waitFor()
    expect(other.states().get(acme)).toMatchObject({
      mode: 'disabled',
      by: 'Ann',
      reason: 'the other side is well again',
    })
    await order(page, 'Release', 'seen to work')
    await row(page, acme).and(page.locator('.is-closed')).waitFor()
    service.dead.clear()
  })

  it('shows dead letters by organization and error; one is changed, sent again, and its progress shown', async () => {
    await page.getByRole('button', { name: 'Look at acme, webhook, server error' }).click()
    await page.locator('.letters button').first().click()
    const dialog = page.getByRole('dialog')
    const payload = dialog.getByRole('textbox')
    await payload.fill((await payload.inputValue()).replace(/"title": ".*?"/, '"title": "Mended by hand"'))
    await keepPicture(page, 'letter')
    await dialog.getByRole('button', { name: 'Redrive' }).click()
    await expectText(page.locator('.redrives'), /done: 1 of 1, 1 arrived, 0 did not/)
    expect(service.arrived.map(({ alert }) => alert.title)).toContain('Mended by hand')
  })

  it('shows an organization its own alone, and lets it give no orders', async () => {
    await post('globex', 'of-globex')
    const page = await browser.open(service.url, 'acmes-token')
    await row(page, acme).getByRole('button', { expanded: false }).click()
    await expectText(page.locator('#whose'), /acme/)
    expect(await page.locator('.breaker').count()).toBe(1)
    expect(await page.locator('form.order').count()).toBe(0)
    expect(await page.locator('body').textContent()).not.toMatch(/globex/i)
    await page.close()
  })

  it('shows every text as text: nothing of it runs', async () => {
    service.dead.add('hook.globex.example')
    await post('globex', evil, 'second', 'third')
    const page = await browser.open(service.url, 'globexs-token')
    await page
      .getByRole('button', { name: /^Look at globex/ })
      .first()
      .click()
    await page.locator('.letters button').last().click()
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
    await expectText(page.locator('#alerts'), /\d+ alerts kept/)
    const [kept = ''] = /\d+ alerts kept/.exec((await page.locator('#alerts').textContent()) ?? '') ?? []
    await post('globex', 'one more')
    await expectText(page.locator('#alerts'), new RegExp(`(?<!\\d)${Number.parseInt(kept, 10) + 1} alerts kept`))
    await page.getByRole('searchbox', { name: 'Search alerts' }).fill('onerror')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.locator('.alerts button').first().click()
    await expectText(page.getByRole('dialog'), /<img src=x onerror="window\.hacked/)
    const order = { by: evil, reason: evil }
    await ask('POST', `/v1/breakers/${encodeURIComponent('webhook:hook.globex.example')}/force-open`, order)
    await expectText(page.locator('.breaker .why'), /onerror/)
    expect(await page.evaluate('window.hacked')).toBeUndefined()
    await page.close()
  })

  it('is worked by the keyboard alone', async () => {
    await row(page, acme).getByRole('button', { expanded: true }).focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.type('a drill')
    for (let tabs = 0; tabs < 2; tabs++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await row(page, acme).and(page.locator('.is-forcedOpen')).waitFor()
    await row(page, acme).getByRole('button', { expanded: true }).click()
  })

  it('stays small and says the worst first with 200 breakers and 1,000 instances', async () => {
    await makeMany(200)
    const stop = answerFor(1_000)
    await expectText(page.locator('#fleet'), /2 differ, 3 are cut off, 5 lag, 990 agree, of 1,000 instances/)
    // Rows keep their places for a while after somebody was busy with them.
    await until('the worst to be first', async () => {
      const modes = await page.locator('.breaker .mode').allTextContents()
      return modes.slice(0, 12).every((mode) => mode === 'open') ? true : undefined
    })
    const nodes = await page.evaluate('document.querySelectorAll("*").length')
    console.info(`200 breakers and 1,000 instances are ${String(nodes)} elements`)
    expect(nodes).toBeLessThan(2_500)
    await page.getByRole('searchbox', { name: 'Filter breakers by name' }).fill('host-199.')
    await expectText(page.locator('.breakers'), /host-199\.example/)
    expect(await page.locator('.breaker').count()).toBe(1)
    await page.getByRole('searchbox', { name: 'Filter breakers by name' }).fill('')
    await keepPicture(page, 'many', { fullPage: true })
    await page.setViewportSize({ width: 390, height: 844 })
    await keepPicture(page, 'phone', { fullPage: true })
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    expect(overflow).toBe(0)
    stop()
  })

  it('complained of nothing, and asked nobody else', () => {
    expect(browser.complaints).toEqual([])
  })
})

it('weighs less than 150 KB, all files together', async () => {
  const bytes = [...(await readAssets()).values()].reduce((sum, { body }) => sum + body.length, 0)
  console.info(`the dashboard weighs ${bytes} bytes`)
  expect(bytes).toBeGreaterThan(10_000)
  expect(bytes).toBeLessThan(150_000)
})

function row(page: Page, breaker: string) {
  return page.locator('.breaker', { has: page.locator('.name', { hasText: breaker }) })
}

async function order(page: Page, button: string, reason: string): Promise<void> {
  await page.getByLabel('Your name').fill('Ann')
  await page.getByLabel('Reason').fill(reason)
  await page.getByRole('button', { name: button }).click()
}

async function expectText(locator: ReturnType<Page['locator']>, text: RegExp): Promise<void> {
  const seen = async (): Promise<string> => (await locator.allTextContents()).join('\n')
  await until(`the page to say ${text}`, async () => (text.test(await seen()) ? true : undefined)).catch(
    async (error) => {
      throw new Error(`it says: ${(await seen()).slice(0, 2_000)}`, { cause: error })
    },
  )
}

async function post(organization: string, ...titles: readonly string[]): Promise<void> {
  const alert = { organization, severity: 'high', status: 'firing' }
  const alerts = titles.map((title) => ({ ...alert, type: title, title, message: title, labels: { text: title } }))
  expect((await ask('POST', '/v1/alerts', alerts)).status).toBe(202)
}

async function ask(method: string, path: string, body: object): Promise<Response> {
  const headers = { authorization: 'Bearer operators-token', 'content-type': 'application/json' }
  return fetch(`${service.url}${path}`, { method, headers, body: JSON.stringify(body) })
}

/** Twelve that are open, and others that were once. */
async function makeMany(count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const breaker = other.breaker(`webhook:host-${index}.example`, { failureThreshold: 1 })
      if (index < 12) return breaker.run(() => Promise.reject(new Error('no answer'))).catch(() => {})
      await breaker.forceOpen({ by: 'Ann', reason: 'a drill' })
      return breaker.release({ by: 'Ann', reason: 'it is over' })
    }),
  )
  await until('the log to know them', () => (other.health().log.breakers >= count ? true : undefined))
}

/** Says on behalf of so many instances how they stand: ten do not agree. */
function answerFor(count: number): () => void {
  return other.peers.listen('instances', (data) => {
    if (!new TextDecoder().decode(data).includes('"ask"')) return
    const { seq, digest } = other.health().log
    for (let index = 0; index < count - 1; index++) {
      const trouble =
        index < 3 ? { isLinked: false } : index < 8 ? { seq: seq - 50 } : index < 10 ? { digest: 'other' } : {}
      const instance = `alerts-${String(index).padStart(4, '0')}`
      const answer = { instance, startedAt: 0, isLinked: true, seq, digest, own: [], ...trouble }
      other.peers.broadcast('instances', new TextEncoder().encode(JSON.stringify({ v: 1, answer })))
    }
  })
}

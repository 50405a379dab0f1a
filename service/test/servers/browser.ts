import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { findProgram, servers } from '../../../test/servers/install.ts'

/** Where pictures are put for people to look at. */
const pictures = fileURLToPath(new URL('../../../artifacts/dashboard/', import.meta.url))

const quietly = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** A browser with an empty profile, and what went wrong in it. */
export interface TestBrowser {
  /** Opens the dashboard with a token, and waits until it is live. */
  open(url: string, token: string, options?: BrowserContextOptions): Promise<Page>
  /** Opens it without, and waits for nothing; what it complains of is not kept. */
  openAnonymously(url: string): Promise<Page>
  /** Errors and warnings of the console, exceptions, and requests that went elsewhere or failed. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = process.env[servers.chromium] ?? findProgram('chromium')
  if (executablePath === undefined) throw new Error('there is no chromium')
  const browser: Browser = await chromium.launch({ executablePath, args: quietly })
  const complaints: string[] = []
  return {
    async open(url, token, options = {}) {
      const page = await browser.newPage(options)
      watch(page, new URL(url).origin, complaints)
      // Before anything of the page runs; as text, since it runs elsewhere.
      await page.addInitScript(`sessionStorage.setItem('switchgear.token', '${token}')`)
      await page.goto(url)
      await page.locator('#state.is-live').waitFor()
      return page
    },
    async openAnonymously(url) {
      const page = await browser.newPage()
      await page.goto(url)
      return page
    },
    complaints,
    close: () => browser.close(),
  }
}

/** Keeps a picture of the page as it is. */
export async function keepPicture(
  page: Page,
  name: string,
  options: { readonly fullPage?: boolean } = {},
): Promise<void> {
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: `${pictures}${name}.png`, ...options })
}

function watch(page: Page, origin: string, complaints: string[]): void {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`a request to ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`)
  })
}

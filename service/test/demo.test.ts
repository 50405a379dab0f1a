import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { followEvents } from './servers/events-client.ts'
import { runService } from './servers/service-process.ts'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

describe('switchgear-service demo', () => {
  it('shows an outage on three instances within a minute, and ends by itself when told to', async () => {
    const child = spawn(process.execPath, [program, 'demo', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    const text: string[] = []
    createInterface(child.stdout).on('line', (line) => text.push(line))
    try {
      const urls = await until('its addresses', () => addressesIn(text.join('\n')), 60_000)
      expect(urls).toHaveLength(3)
      const page = await fetch(urls[0] ?? '')
      expect(await page.text()).toContain('<title>Switchgear</title>')
      const seen = await Promise.all(urls.map((url) => followEvents(`${url}v1/events?types=transition`, undefined)))
      const isOpen = (events: (typeof seen)[number]): boolean =>
        events.of('transition').some(({ breaker, to }) => breaker === 'webhook:pager.example' && to === 'open')
      await until('the outage on every instance', () => (seen.every(isOpen) ? true : undefined), 60_000)
      await Promise.all(seen.map((events) => events.stop()))
    } finally {
      child.kill('SIGTERM')
    }
    expect(await ended).toEqual([0, null])
  })

  it('says what it is, and that a port is in use or none', async () => {
    expect((await runService('.', ['demo', '--help'])).output).toMatch(/three instances.*--port/s)
    expect(await runService('.', ['demo', '--port', 'http'])).toMatchObject({ code: 1 })
  })
})

function addressesIn(text: string): readonly string[] | undefined {
  return text.includes('Ctrl-C') ? (text.match(/http:\S+\//g) ?? undefined) : undefined
}

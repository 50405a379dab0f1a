import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createSwitchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { expect, test } from 'vitest'
import { startNats } from '../servers/start-nats.ts'
import { until } from '../servers/until.ts'

const example = fileURLToPath(new URL('../../examples/subscribe.mjs', import.meta.url))

test('the example of a subscriber needs the client of NATS and nothing of ours', () => {
  const imports = [...readFileSync(example, 'utf8').matchAll(/from '([^']+)'|import\('([^']+)'\)/g)]
  expect(imports.map(([, name]) => name)).toEqual(['@nats-io/transport-node'])
})

test('the example of a subscriber prints a line for each transition, and ends in order', async () => {
  const server = await startNats()
  const gear = createSwitchgear({
    fleet: 'example',
    instance: 'alerts-a',
    log: natsLog({ servers: server.url, manage: true }),
  })
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [example], {
    env: { PATH, NATS_URL: server.url, FLEET: 'example' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const says = (what: string): Promise<string> =>
    until(`a line with ${what}`, () => lines.find((line) => line.includes(what)), 60_000)
  try {
    await gear.ready({ deadlineMs: 60_000 })
    await says('listening on switchgear.v1.example.transitions.>')
    const breaker = gear.breaker('webhook:äcme.example')
    for (let call = 0; call < 5; call++) await breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
    expect(await says('opened')).toBe(
      '1 webhook:äcme.example closed -> open by alerts-a: failureThreshold (io.switchgear.breaker.opened.v1)',
    )
    await breaker.disable({ by: 'ann', reason: 'it lies' })
    expect(await says('disabled')).toContain('webhook:äcme.example open -> disabled by ann: it lies')
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
    await gear.close()
    await server.stop()
  }
})

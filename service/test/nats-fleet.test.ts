import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { createSwitchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Server } from '../../test/servers/server-process.ts'
import { startNats } from '../../test/servers/start-nats.ts'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { seeAlert } from './servers/client.ts'
import { prepareData } from './store/prepare-data.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgear-nats-fleet-'))
const destination = 'webhook:acme.example'

let nats: Server
let service: Service
beforeAll(async () => {
  nats = await startNats()
  const configFile = join(folder, 'config.json')
  const receivers = [
    { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret: `whsec_${'a'.repeat(32)}` },
  ]
  const routes = [{ match: { severity: ['critical'] }, to: ['hook'] }]
  writeFileSync(configFile, JSON.stringify({ organizations: { acme: { receivers, routes } } }))
  await prepareData(folder)
  service = await serve(
    readSettings({
      PORT: '0',
      DATA_DIR: folder,
      LOG_LEVEL: 'silent',
      FLEET: 'served',
      NATS_URL: nats.url,
      SWITCHGEAR_CONFIG: configFile,
    }),
  )
})
afterAll(async () => {
  await service.stop()
  await nats.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('with NATS_URL an order to the service holds in the whole fleet', async () => {
  const other = createSwitchgear({ fleet: 'served', log: natsLog({ servers: nats.url }) })
  const seen = other.breaker(destination)
  await other.ready({ deadlineMs: 10_000 })
  await until('the service to be linked', () => order('force-open'), 20_000)
  await until('the order to arrive', () => seen.state.mode === 'forcedOpen' || undefined)
  await other.close()
})

test('and an alert that is published is one that was posted', async () => {
  const nc = await connect({ servers: nats.url })
  const alert = { organization: 'acme', id: 'published', severity: 'low', status: 'firing', type: 'disk' }
  const body = JSON.stringify({ ...alert, title: 'Disk full', message: 'No space' })
  await until('the stream to take it', () => jetstream(nc).publish('switchgear.v1.served.alerts.acme', body))
  const found = await until('it to be stored', () => seeAlert(service.url, alert))
  expect(found).toMatchObject({ organization: 'acme', id: 'published', receivers: [] })
  await nc.close()
})

/** `true` once the order was taken. */
async function order(what: string): Promise<true | undefined> {
  const response = await fetch(`${service.url}/v1/breakers/${encodeURIComponent(destination)}/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ by: 'ann', reason: 'a test' }),
  })
  await response.text()
  return response.ok || undefined
}

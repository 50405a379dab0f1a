import { expect, it } from 'vitest'
import { startMessage } from '../src/start-message.ts'

it.each([
  ['http://0.0.0.0:3000', 'http://127.0.0.1:3000'],
  ['http://[::]:3000', 'http://[::1]:3000'],
  ['http://10.0.0.1:3000', 'http://10.0.0.1:3000'],
])('the start message of %s says what can be asked from this machine', (url, asked) => {
  const facts = { organizations: new Map(), configPath: undefined, store: 'a folder', needsToken: false }
  expect(startMessage({ url, ...facts })).toContain(`curl -sS ${asked}/v1/alerts `)
})

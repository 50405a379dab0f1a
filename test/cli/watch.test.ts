import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { type Command, startCommand } from './command.ts'
import { type Fleet, startFleet } from './fleet.ts'

let node: NatsNode
let fleet: Fleet
const started: Command[] = []
const ann = { by: 'ann', reason: 'the relay is being replaced' }

beforeAll(async () => {
  node = await startNatsNode()
  fleet = await startFleet(node.url, 'alerts')
  await fleet.trip('before')
})
afterEach(() => {
  for (const command of started.splice(0)) command.signal('SIGKILL')
})
afterAll(async () => {
  await fleet?.close()
  await node?.remove()
})

function watch(...args: string[]): Command {
  const command = startCommand(['watch', ...args], { NATS_URL: node.url, FLEET: 'alerts' })
  started.push(command)
  return command
}

test('shows what is not closed, then a line a transition, until SIGINT, and ends with 0', async () => {
  const watching = watch()
  await watching.says('watching fleet "alerts": 1 of 1 breakers are not closed')
  expect(watching.lines[1]).toMatch(/^before +open /)
  await fleet.trip('smtp')
  expect(await watching.says('smtp')).toMatch(
    /^2\S+ \S+Z {2}smtp {2}closed -> open {2}by worker-1: 5 consecutive failures \(term 1\)$/,
  )
  watching.signal('SIGINT')
  expect(await watching.ended).toMatchObject({ code: 0, stderr: '' })
})

test('of one breaker shows that one, for programs as an object a line, until SIGTERM', async () => {
  const watching = watch('chosen', '--json')
  await watching.says('linked')
  await fleet.trip('other')
  await fleet.trip('chosen')
  await watching.says('transition')
  watching.signal('SIGTERM')
  const { code, stdout } = await watching.ended
  expect(code).toBe(0)
  const objects = stdout.split('\n').map((line): unknown => JSON.parse(line))
  expect(objects).toMatchObject([
    { type: 'link', state: 'linked' },
    {
      type: 'transition',
      breaker: 'chosen',
      from: 'closed',
      to: 'open',
      scope: 'fleet',
      by: 'worker-1',
      why: '5 consecutive failures',
      term: 1,
    },
  ])
})

test('says that NATS went away, lives on, says that it is back, and tells what happened since', async () => {
  const watching = watch()
  await watching.says('watching fleet')
  await node.kill()
  await watching.says('link down')
  await node.start()
  await watching.says('Z  linked')
  await Promise.all(fleet.gears.map((gear) => gear.ready({ deadlineMs: 60_000 })))
  await fleet.gears[0]?.breaker('late').forceOpen(ann)
  expect(await watching.says('late')).toContain('closed -> forcedOpen  by ann: the relay is being replaced (term 1)')
  watching.signal('SIGINT')
  expect((await watching.ended).code).toBe(0)
})

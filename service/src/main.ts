#!/usr/bin/env node
import { createRequire } from 'node:module'
import { defineCommand, runMain } from 'citty'
import { ConfigError } from 'switchgear'
import { startDemoFleet } from './demo/demo-fleet.ts'
import { demoMessage } from './demo/demo-message.ts'
import { refuseUnknown } from './refuse-unknown.ts'
import { serve } from './serve.ts'
import { readSettings } from './settings.ts'
import { startMessage } from './start-message.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

const serveCommand = defineCommand({
  meta: {
    name: 'serve',
    description:
      'Take alerts in and send them. Settings come from the environment, receivers from switchgear.config.json',
  },
  run: ({ rawArgs }) => runService(rawArgs).catch(fail),
})

const demoCommand = defineCommand({
  meta: {
    name: 'demo',
    description:
      'Watch a fleet of three instances with made-up traffic, and a dependency that fails on a schedule. Needs no servers, sends nothing, keeps nothing',
  },
  args: {
    port: {
      type: 'string',
      valueHint: 'n',
      description: "Where the first instance's dashboard is; 0: any",
      default: '3000',
    },
  },
  run: ({ args, rawArgs }) => runDemo(args.port, rawArgs).catch(fail),
})

await runMain(
  defineCommand({
    meta: { name: 'switchgear-service', version, description: 'The alert notification service that embeds switchgear' },
    subCommands: { serve: serveCommand, demo: demoCommand },
  }),
)

async function runService(given: readonly string[]): Promise<void> {
  refuseUnknown('serve', given)
  const settings = readSettings(process.env)
  const service = await serve(settings)
  const store = settings.databaseUrl === undefined ? `${settings.dataDir} (embedded)` : 'PostgreSQL'
  stopWhenTold(() => service.stop())
  say(startMessage({ ...service, store, needsToken: settings.tokens.length > 0 }))
}

async function runDemo(portGiven: string, given: readonly string[]): Promise<void> {
  refuseUnknown('demo', given, ['port'])
  const { port, logLevel } = readSettings({ PORT: portGiven, LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'error' })
  const fleet = await startDemoFleet({ port, logLevel })
  stopWhenTold(() => fleet.stop())
  say(demoMessage(fleet.urls))
}

/** The process ends by itself when everything is let go of: nothing is cut short by an exit. */
function stopWhenTold(end: () => Promise<void>): void {
  const stop = (): void => {
    end().catch(fail)
    // Who asks twice does not want to wait.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

/** To be called last: whoever reads it may ask for the end at once. */
function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function fail(error: unknown): void {
  process.exitCode = 1
  if (error instanceof ConfigError) process.stderr.write(`switchgear-service: ${error.message}\n`)
  else
    process.stderr.write(
      `switchgear-service: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
}

#!/usr/bin/env node
import { createRequire } from 'node:module'
import { defineCommand, runMain } from 'citty'
import { ConfigError } from 'switchgear'
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
  run: () => runService().catch(fail),
})

await runMain(
  defineCommand({
    meta: { name: 'switchgear-service', version, description: 'The alert notification service that embeds switchgear' },
    subCommands: { serve: serveCommand },
  }),
)

async function runService(): Promise<void> {
  const settings = readSettings(process.env)
  const service = await serve(settings)
  const store = settings.databaseUrl === undefined ? `${settings.dataDir} (embedded)` : 'PostgreSQL'
  // The process ends by itself when the service has let go of everything: nothing is cut short by an exit.
  const stop = (): void => {
    service.stop().catch(fail)
    // Who asks twice does not want to wait.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  // Whoever reads it may ask for the end at once.
  process.stdout.write(`${startMessage({ ...service, store, needsToken: settings.tokens.length > 0 })}\n`)
}

function fail(error: unknown): void {
  process.exitCode = 1
  if (error instanceof ConfigError) process.stderr.write(`switchgear-service: ${error.message}\n`)
  else
    process.stderr.write(
      `switchgear-service: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
}

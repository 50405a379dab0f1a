import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // The tests run the sources, under the names that users import; test/package runs what is packed.
    alias: [
      { find: /^switchgear$/, replacement: source('./src/index.ts') },
      { find: /^switchgear\/(.+)$/, replacement: source('./src/$1.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'service/test/**/*.test.ts'],
    globalSetup: ['test/servers/install.ts'],
    // A process a file: tests start servers, kill them, and look at what their own process leaves behind.
    pool: 'forks',
    maxWorkers: Math.min(4, Math.max(3, availableParallelism())),
    // Property tests run 1,000 cases and real servers start: slow is no failure, hanging is.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    // Nothing is let through in silence: no rejection that nobody handled, no `.only`, no second try, no empty run.
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: false,
    retry: 0,
    passWithNoTests: false,
  },
})

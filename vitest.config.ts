import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const rules = ['kernel', 'ports', 'machines', 'streams', 'switchgear', 'testing', 'laws', 'adapters/memory'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
)

export default defineConfig({
  resolve: {
    // The tests run the sources, under the names that users import; test/package runs what is packed.
    alias: [
      { find: /^switchgear$/, replacement: source('./src/index.ts') },
      { find: /^switchgear\/(.+)$/, replacement: source('./src/$1.ts') },
    ],
  },
  test: {
    globalSetup: ['test/servers/install.ts'],
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
    projects: [
      {
        extends: true,
        // What starts no server and no process: files share a process, which is loaded once.
        test: { name: 'rules', include: rules, isolate: false },
      },
      {
        extends: true,
        // A process a file: tests start servers, kill them, and look at what their own process leaves behind.
        test: { name: 'servers', include: ['test/**/*.test.ts'], exclude: rules },
      },
      {
        extends: true,
        // What these cost is to load the service and to compile PGlite, which files that share a process do once.
        test: { name: 'service', include: ['service/test/**/*.test.ts'], isolate: false },
      },
    ],
  },
})

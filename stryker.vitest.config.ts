import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** By which tests the mutants of an area have to be noticed: those without servers, so that thousands of runs are affordable. */
const tests: Readonly<Record<string, string[]>> = {
  machines: [
    'test/machines/{machine-loads,decide,decide-words,evolve,fold,fold-cause,fold-held,joining,quorum,restoring,codec,causes}.test.ts',
  ],
  streams: ['test/streams/{retry,limiter,safe-call}/*.test.ts'],
  adapters: ['test/adapters/memory/*.test.ts'],
}

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: tests[process.env['SWITCHGEAR_MUTATE'] ?? 'machines'] ?? [],
    projects: undefined,
    globalSetup: [],
  },
})

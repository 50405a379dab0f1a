import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/**
 * By which tests the mutants of an area have to be noticed: those without servers, so that thousands of runs are
 * affordable. Anything else is a pattern of their names, for a part of an area: `streams/retry/*`.
 */
const tests: Readonly<Record<string, string>> = {
  machines:
    'machines/{machine-loads,decide,decide-words,evolve,fold,fold-cause,fold-held,joining,quorum,restoring,codec,causes}',
  streams: 'streams/{retry,limiter,safe-call}/*',
  adapters: 'adapters/memory/*',
}

const area = process.env['SWITCHGEAR_MUTATE'] ?? 'machines'

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [`test/${tests[area] ?? area}.test.ts`],
    projects: undefined,
    globalSetup: [],
  },
})

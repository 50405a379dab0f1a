/** A file that one rule, and only that one, must find fault with. */
export interface Plant {
  readonly folder: string
  readonly text: string
}

/** Gives each its own file name. */
export function placed<P extends Plant>(
  plants: readonly P[],
  kind: string,
): readonly (P & { readonly path: string })[] {
  return plants.map((plant, index) => {
    const ending = plant.folder.endsWith('test') ? '.test.ts' : '.ts'
    return { ...plant, path: `${plant.folder}/${kind}-${index + 1}${ending}` }
  })
}

/** One clean file on every floor, each importing what its floor may. */
export const house: Readonly<Record<string, string>> = {
  'src/kernel/count.ts': lines(
    "import { z } from 'zod'",
    '',
    'export const count: z.ZodType<number> = z.number().int()',
  ),
  'src/ports/clock.ts': lines(
    "import { count } from '../kernel/count.ts'",
    '',
    'export interface Clock {',
    '  now(): number',
    '}',
    '',
    'export const start = (given: unknown): number => count.parse(given)',
  ),
  'src/machines/lamp.ts': lines(
    "import { createMachine } from 'xstate'",
    "import { start } from '../ports/clock.ts'",
    '',
    'export const lamp = (given: unknown): string => createMachine({ id: `lamp ${start(given)}` }).id',
  ),
  'src/streams/blink.ts': lines(
    "import { of, type Observable } from 'rxjs'",
    "import { lamp } from '../machines/lamp.ts'",
    '',
    'export const blink = (): Observable<string> => of(lamp(1))',
  ),
  'src/adapters/memory/clock.ts': lines(
    "import type { Clock } from '../../ports/clock.ts'",
    '',
    'export const stoppedClock: Clock = { now: () => 0 }',
  ),
  'src/adapters/disk/clock.ts': lines(
    "import { statSync } from 'node:fs'",
    "import type { Clock } from '../../ports/clock.ts'",
    '',
    'export const fileClock: Clock = { now: () => statSync(import.meta.filename).mtimeMs }',
  ),
  'src/testing/clocks.ts': lines(
    "import { constant, type Arbitrary } from 'fast-check'",
    "import { stoppedClock } from '../adapters/memory/clock.ts'",
    "import type { Clock } from '../ports/clock.ts'",
    '',
    'export const clocks = (): Arbitrary<Clock> => constant(stoppedClock)',
  ),
  'src/index.ts': lines(
    "export { fileClock } from './adapters/disk/clock.ts'",
    "export { blink } from './streams/blink.ts'",
  ),
  'src/adapters/nats/subject.ts': lines(
    "import { sep } from 'node:path'",
    '',
    "export const subject = (name: string): string => name.replaceAll(sep, '.')",
  ),
  'src/adapters/http/status.ts': lines(
    "import { STATUS_CODES } from 'node:http'",
    '',
    "export const status = (code: number): string => STATUS_CODES[code] ?? ''",
  ),
  'src/http.ts': lines("export { status } from './adapters/http/status.ts'"),
  'src/nats.ts': lines("export { subject } from './adapters/nats/subject.ts'"),
  'src/adapters/redis/key.ts': lines(
    "import { sep } from 'node:path'",
    '',
    "export const key = (name: string): string => name.replaceAll(sep, ':')",
  ),
  'src/redis.ts': lines("export { key } from './adapters/redis/key.ts'"),
  'src/adapters/telemetry/named.ts': lines(
    "import { sep } from 'node:path'",
    '',
    "export const named = (name: string): string => name.replaceAll(sep, '_')",
  ),
  'src/telemetry.ts': lines("export { named } from './adapters/telemetry/named.ts'"),
  'src/testing.ts': lines("export { clocks } from './testing/clocks.ts'"),
  'src/cli/main.ts': lines('#!/usr/bin/env node', "import { blink } from '../index.ts'", '', 'blink().subscribe()'),
  'service/package.json': '{ "name": "switchgear-service", "type": "module", "dependencies": { "switchgear": "*" } }',
  'service/src/dashboard/page/main.ts': lines("document.title = 'A house'"),
  'service/src/main.ts': lines("import { blink } from 'switchgear'", '', 'blink().subscribe()'),
  'test/blink.test.ts': lines(
    "import { lastValueFrom } from 'rxjs'",
    "import { blink } from 'switchgear'",
    "import { expect, test } from 'vitest'",
    '',
    "test('blinks', async () => expect(await lastValueFrom(blink())).toBe('lamp 1'))",
  ),
}

/** Which file imports what, on which floor: each of these is one floor too high, or a wire where there is none. */
export const floorPlants: readonly (Plant & { readonly what: string })[] = [
  ...imports('src/kernel', '../ports/clock.ts', '../machines/lamp.ts', '../index.ts', 'rxjs', 'switchgear'),
  ...imports('src/ports', '../machines/lamp.ts', '../adapters/memory/clock.ts', 'rxjs', 'xstate'),
  ...imports('src/machines', '../streams/blink.ts', '../adapters/memory/clock.ts', '../testing/clocks.ts', 'rxjs'),
  ...imports('src/machines', 'node:fs', 'node:timers', 'node:crypto', './../streams/blink.ts'),
  ...imports('src/streams', '../adapters/memory/clock.ts', '../testing/clocks.ts', '../index.ts'),
  ...imports('src/streams', 'node:net', 'node:timers/promises', 'node:perf_hooks'),
  ...imports(
    'src/streams/retry',
    '../../adapters/memory/clock.ts',
    '../../testing/clocks.ts',
    '../../index.ts',
    'node:net',
  ),
  ...imports('src/factories', '../index.ts', '../testing/clocks.ts', '../cli/main.ts'),
  ...imports('src/adapters/memory', '../disk/clock.ts', '../../machines/lamp.ts', '../../streams/blink.ts'),
  ...imports('src/adapters/memory', '../../index.ts', 'rxjs', '@nats-io/jetstream', 'switchgear'),
  ...imports('src/adapters/nats', '../memory/clock.ts', '../../machines/lamp.ts', 'ioredis'),
  ...imports('src/adapters/http', '../memory/clock.ts', '../../machines/lamp.ts', 'fastify', 'express'),
  ...imports('src/adapters/redis', '../memory/clock.ts', '../../machines/lamp.ts', '@nats-io/jetstream'),
  ...imports('src/adapters/telemetry', '../memory/clock.ts', '../../machines/lamp.ts', 'prom-client', 'ioredis'),
  ...imports('src/adapters/telemetry', '@opentelemetry/api'),
  ...imports('src/testing', '../index.ts', '../cli/main.ts', 'vitest', 'switchgear'),
  ...imports('src/testing/laws', '../../index.ts', '../../cli/main.ts'),
  ...imports('src', './cli/main.ts', 'switchgear', '../service/src/main.ts', '../test/blink.test.ts'),
  ...imports('src/cli', '../machines/lamp.ts', '../adapters/disk/clock.ts', 'switchgear'),
  ...imports('service/src', '../../src/index.ts', '../../src/machines/lamp.ts', 'switchgear/src/index.ts'),
  ...imports('service/src/routes', '../../../src/index.ts'),
  ...imports('service/src/dashboard/page', '../../main.ts', 'node:fs', 'switchgear'),
  {
    what: 'a type of ports',
    folder: 'src/kernel',
    text: lines("import type { Clock } from '../ports/clock.ts'", '', 'export type Watch = Clock'),
  },
  {
    what: 'ports, late',
    folder: 'src/kernel',
    text: lines("export const later = (): Promise<object> => import('../ports/clock.ts')"),
  },
]

/** A rule of the linter, and a file that breaks it. */
export const rulePlants: readonly (Plant & { readonly rule: string })[] = [
  // These two stand first, and so they know each other's file names.
  breaks('import(no-cycle)', 'src/kernel', "export { two } from './rule-2.ts'", '', 'export const one = 1'),
  breaks(
    'import(no-cycle)',
    'src/kernel',
    "import type { one } from './rule-1.ts'",
    '',
    'export const two: typeof one = 1',
  ),
  breaks('typescript(no-explicit-any)', 'src/kernel', 'export const size = (given: any[]): number => given.length'),
  breaks(
    'typescript(no-non-null-assertion)',
    'src/kernel',
    'export const first = (given: string[]): string => given[0]!',
  ),
  breaks(
    'typescript(no-floating-promises)',
    'src/kernel',
    'export function lose(): void {',
    '  Promise.resolve(1)',
    '}',
  ),
  breaks(
    'typescript(no-misused-promises)',
    'src/kernel',
    'export const each = (given: string[]): void => given.forEach(async (one) => one.length)',
  ),
  breaks(
    'typescript(switch-exhaustiveness-check)',
    'src/kernel',
    "export function side(given: 'left' | 'right'): void {",
    '  switch (given) {',
    "    case 'left':",
    '      return',
    '  }',
    '}',
  ),
  breaks(
    'typescript(no-unsafe-return)',
    'src/kernel',
    'export const parse = (text: string): string[] => JSON.parse(text)',
  ),
  breaks('typescript(only-throw-error)', 'src/kernel', 'export function fail(): never {', "  throw 'a text'", '}'),
  breaks('typescript(ban-ts-comment)', 'src/kernel', '// @ts-ignore', 'export const one = 1'),
  breaks('typescript(consistent-type-imports)', 'src/ports', "export type Count = import('../kernel/count.ts').Count"),
  breaks('import(no-default-export)', 'src/kernel', 'export default 1'),
  breaks('eslint(no-unused-vars)', 'src/kernel', "import { join } from 'node:path'", '', 'export const one = 1'),
  breaks('eslint(no-console)', 'src/kernel', "export const shout = (): void => console.log('here')"),
  breaks('vitest(no-disabled-tests)', 'test', "import { test } from 'vitest'", '', "test.skip('later', () => {})"),
  breaks('vitest(no-focused-tests)', 'test', "import { test } from 'vitest'", '', "test.only('this', () => {})"),
  ...['src/machines', 'src/streams'].flatMap((folder) => [
    breaks('eslint(no-restricted-properties)', folder, 'export const at = (): number => Date.now()'),
    breaks('eslint(no-restricted-properties)', folder, 'export const chance = (): number => Math.random()'),
    breaks('eslint(no-restricted-globals)', folder, 'export const at = (): number => performance.now()'),
    breaks(
      'eslint(no-restricted-globals)',
      folder,
      'export const wait = (run: () => void): unknown => setTimeout(run, 1)',
    ),
    breaks(
      'eslint(no-restricted-globals)',
      folder,
      'export const again = (run: () => void): unknown => setInterval(run, 1)',
    ),
    breaks('eslint(no-restricted-globals)', folder, 'export const id = (): string => crypto.randomUUID()'),
  ]),
]

function imports(folder: string, ...specifiers: string[]): (Plant & { what: string })[] {
  return specifiers.map((what) => ({ what, folder, text: lines(`export * from '${what}'`) }))
}

function breaks(rule: string, folder: string, ...text: string[]): Plant & { rule: string } {
  return { rule, folder, text: lines(...text) }
}

function lines(...text: string[]): string {
  return `${text.join('\n')}\n`
}

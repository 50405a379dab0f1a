import { afterAll, beforeAll, expect, test } from 'vitest'
import repository from '../../package.json' with { type: 'json' }
import { type Consumer, packLibrary, type Tarball } from './install-tarball.ts'

const dependencies = Object.keys(repository.dependencies)
const peers = Object.keys(repository.peerDependencies)

/** What each door must hold, by name; `instanceof` and the like are tested where they are made. */
const doors: Readonly<Record<string, readonly string[]>> = {
  switchgear: [
    'createSwitchgear',
    'memoryLog',
    'memoryDeadLetters',
    'memoryCache',
    'defaultCacheKinds',
    'typedCodec',
    'retry',
    'retryBudget',
    'backoff',
    'classify',
    'SwitchgearError',
    'ConfigError',
    'BreakerOpenError',
    'RateLimitedError',
    'TimeoutError',
    'OverCapacityError',
    'UnavailableError',
    'ClosedError',
  ],
  'switchgear/http': [
    'fastifyRateLimit',
    'rateLimitMiddleware',
    'limited',
    'rateLimitHeaders',
    'decisionsOf',
    'problemOf',
  ],
  'switchgear/nats': ['natsLog', 'fromJetStream', 'encodeToken'],
  'switchgear/redis': ['redisLimiter', 'redisDeadLetters', 'redisCache', 'redisStores'],
  'switchgear/telemetry': ['prometheus', 'openTelemetry', 'activeTraceparent', 'telemetryDefaults'],
  'switchgear/testing': [
    'verify',
    'check',
    'toJUnit',
    'laws',
    'arbitraries',
    'simulate',
    'virtualClock',
    'seededRandom',
  ],
}

let tarball: Tarball
let consumer: Consumer
beforeAll(async () => {
  tarball = await packLibrary()
  consumer = await tarball.install([...dependencies, ...peers, '@types/node', 'undici-types'])
  consumer.write('package.json', JSON.stringify({ type: 'module' }))
})
afterAll(() => {
  consumer?.remove()
  tarball?.remove()
})

test('every door of the package is tried here', () => {
  const names = Object.keys(repository.exports).filter((path) => path !== './package.json')
  expect(names.map((path) => path.replace('.', 'switchgear'))).toEqual(Object.keys(doors))
})

test('each door of the packed library opens in plain Node, holds its names, and leaves nothing running', async () => {
  const opening = Object.keys(doors).map((door) => `'${door}': Object.keys(await import('${door}'))`)
  const seen = await consumer.run('node', ...evaluated(`console.log(JSON.stringify({ ${opening.join(', ')} }))`))
  const held = JSON.parse(seen) as Readonly<Record<string, readonly string[]>>
  for (const [door, names] of Object.entries(doors)) {
    expect(held[door]).toEqual(expect.arrayContaining([...names]))
    expect(held[door]).not.toContain('default')
  }
})

test('each door has types that hold in a strict project, the declarations of the library included', async () => {
  const files = Object.entries(doors).map(([door, names]) => {
    const file = `${door.replace('/', '-')}.ts`
    const all = `export const all: object[] = [${names.join(', ')}]`
    consumer.write(file, `import { ${names.join(', ')} } from '${door}'\n\n${all}\n`)
    return file
  })
  const strict = ['--strict', '--noEmit', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
  await consumer.run('node', compiler, ...strict, ...files)
})

test('the doors for which no peer is needed open without any', async () => {
  const alone = await tarball.install(dependencies)
  try {
    const opening = ['switchgear', 'switchgear/http', 'switchgear/telemetry'].map((door) => `await import('${door}')`)
    await alone.run('node', ...evaluated(opening.join('\n')))
  } finally {
    alone.remove()
  }
})

test('the command of the package runs, and says its version and its help', async () => {
  const [name, path] = Object.entries(repository.bin)[0] ?? []
  expect(name).toBe('switchgear')
  const command = `node_modules/switchgear/${path}`
  expect(await consumer.run('node', command, '--version')).toBe(`${repository.version}\n`)
  expect(await consumer.run('node', command, '--help')).toContain('force-open')
  await expect(consumer.run('node', command, 'frobnicate')).rejects.toThrow('there is no such command')
})

test('what is installed with the library is small, and known; whatever else it can use is optional', () => {
  expect(dependencies).toEqual(['citty', 'lru-cache', 'rxjs', 'ulid', 'xstate', 'zod'])
  expect(Object.keys(repository.peerDependenciesMeta)).toEqual(peers)
})

test('the tarball holds what was built, the licence, the README and the table of errors, and nothing else', () => {
  const strangers = consumer.packed.filter((path) => !/^dist(\/[\w-]+)*(\/[\w-]+(\.d\.ts|\.js|\.js\.map))?$/.test(path))
  expect(strangers.toSorted()).toEqual(['LICENSE', 'README.md', 'docs', 'docs/ERRORS.md', 'package.json'])
})

const compiler = new URL(import.meta.resolve('typescript/package.json')).pathname.replace('package.json', 'bin/tsc')

function evaluated(text: string): string[] {
  return ['--input-type=module', '--eval', text]
}

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { drainDeadlineMs } from '../../service/src/delivery/deliver-messages.ts'
import { serve, type Service } from '../../service/src/serve.ts'
import { readSettings } from '../../service/src/settings.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const command = 'node service/dist/main.js serve'

/** What the service asks its environment for. */
const asked = new Set<string>(['NODE_ENV'])
const defaults = readSettings(
  new Proxy<Record<string, string>>({}, { get: (_none, name) => void asked.add(String(name)) }),
)

/** What a file sets, checked as a start would. */
function expectSettings(environment: Readonly<Record<string, string>>): void {
  expect(Object.keys(environment).filter((name) => !asked.has(name))).toEqual([])
  expect(() => readSettings(environment)).not.toThrow()
}

let folder: string
let service: Service
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-ops-'))
  service = await serve(readSettings({ DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'silent' }))
})
afterAll(async () => {
  await service.stop()
  rmSync(folder, { recursive: true, force: true })
})

const answers = async (path: string): Promise<number> => (await fetch(`${service.url}${path}`)).status

it('the command that starts the service is that of npm start', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  expect(scripts['start']).toContain(command)
  const { bin } = JSON.parse(read('service/package.json')) as { bin: Record<string, string> }
  expect(bin['switchgear-service']).toBe('dist/main.js')
})

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').replaceAll('\\\n', ' ').split('\n')
  const told = (instruction: string): string[] =>
    lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1).trim())

  it('sets what the service asks for, and listens on its own port for everybody', () => {
    const environment = Object.fromEntries(
      told('ENV').flatMap((line) => line.split(' ').map((each) => each.split('='))),
    ) as Record<string, string>
    expectSettings(environment)
    expect(environment).toMatchObject({ HOST: '0.0.0.0', PORT: String(defaults.port), NODE_ENV: 'production' })
    expect(told('EXPOSE')).toEqual([environment['PORT']])
    expect(told('VOLUME')).toEqual([environment['DATA_DIR']])
  })

  it('copies what is there, and what it has built', () => {
    const copied = told('COPY')
      .flatMap((line) => line.split(' ').slice(0, -1))
      .filter((word) => !word.startsWith('--'))
    expect(copied.length).toBeGreaterThan(5)
    for (const path of copied) {
      const own = path.replace(/^\/app\//, '')
      if (!/(?:^|\/)(?:dist|node_modules)$/.test(own)) expect(existsSync(join(root, own)), own).toBe(true)
    }
  })

  it('starts the service as process 1, as a user without rights', () => {
    expect(JSON.parse(told('CMD').at(-1) ?? '')).toEqual(command.split(' '))
    expect(told('USER')).toEqual(['node'])
  })

  it('runs a Node that the packages allow, from an image of one', () => {
    for (const image of told('FROM')) expect(Number(/^node:(\d+)-/.exec(image)?.[1])).toBeGreaterThanOrEqual(20)
  })

  it('asks for a path that answers', async () => {
    const path = /127\.0\.0\.1:' \+ process\.env\.PORT \+ '([^']+)'/.exec(told('HEALTHCHECK').join(' '))?.[1] ?? ''
    expect(path).toBe('/readyz')
    expect(await answers(path)).toBe(200)
  })
})

interface ComposeService {
  readonly image?: string
  readonly build?: string
  readonly profiles?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly stop_grace_period?: string
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>
  readonly healthcheck?: object
}

describe('docker-compose.yml', () => {
  const text = read('docker-compose.yml')
  const { services, volumes } = parse(text, { merge: true }) as {
    readonly services: Readonly<Record<string, ComposeService>>
    readonly volumes: Readonly<Record<string, null>>
  }
  const inProfile = (profile: string | undefined): string[] =>
    Object.keys(services).filter((name) => services[name]?.profiles?.[0] === profile)

  it('starts the three servers of a fleet, and more where a profile asks for it', () => {
    expect(inProfile(undefined)).toEqual(['redis', 'nats', 'postgres'])
    expect(inProfile('nats-cluster')).toEqual(['nats-1', 'nats-2', 'nats-3', 'nats-streams'])
    expect(inProfile('redis-cluster')).toEqual(
      [1, 2, 3, 4, 5, 6].map((index) => `redis-${index}`).concat('redis-cluster'),
    )
    expect(inProfile('service')).toEqual(['alerts'])
  })

  it('refers to services and volumes that are there, and waits for what says that it is healthy', () => {
    for (const { depends_on = {}, volumes: mounted = [] } of Object.values(services)) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(services)).toContain(name)
        if (condition === 'service_healthy') expect(services[name]?.healthcheck).toBeDefined()
      }
      for (const [source = ''] of mounted.map((each) => each.split(':')))
        if (source.startsWith('.')) expect(existsSync(join(root, source))).toBe(true)
        else expect(Object.keys(volumes)).toContain(source)
    }
  })

  it('publishes ports to this machine alone, and that of the service', () => {
    const ports = Object.values(services).flatMap((each) => each.ports ?? [])
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/)
    expect(services['alerts']?.ports).toEqual([`127.0.0.1:${defaults.port}:${defaults.port}`])
  })

  it('joins the three NATS servers to one cluster', () => {
    const nodes = inProfile('nats-cluster').slice(0, 3)
    for (const name of nodes) {
      const words = services[name]?.command ?? []
      const after = (option: string): string => words[words.indexOf(option) + 1] ?? ''
      expect(after('--name')).toBe(name)
      expect(after('--cluster_name')).toBe('switchgear')
      expect(after('--routes')).toBe(nodes.map((each) => `nats://${each}:6222`).join(','))
      expect(after('--cluster')).toMatch(/:6222$/)
      expect(words).toContain('--jetstream')
    }
  })

  it('keeps what Redis holds: every node writes it down, and evicts nothing', () => {
    for (const name of ['redis', 'redis-1', 'redis-6'])
      expect(services[name]?.command?.join(' ')).toMatch(/--appendonly yes --maxmemory-policy noeviction/)
  })

  it('gives the service settings that it takes, on one server each and on clusters', () => {
    const environment = services['alerts']?.environment ?? {}
    const byDefault = (value: string): string => value.replace(/^\$\{\w+:-(.*)\}$/, '$1')
    expectSettings(Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, byDefault(value)])))
    const exported = Object.fromEntries(
      [...text.matchAll(/^# {3}export (.*)$/gm)].flatMap(([, line = '']) =>
        [...line.matchAll(/(\w+)=(\S+)/g)].map(
          ([, name = '', value = '']) => [name, value.replaceAll("'", '')] as const,
        ),
      ),
    )
    expect(Object.keys(exported).every((name) => environment[name]?.startsWith(`\${${name}:-`))).toBe(true)
    expectSettings(exported)
    const { natsUrls = [], redisUrls = [] } = readSettings(exported)
    for (const url of [...natsUrls, ...redisUrls]) expect(Object.keys(services)).toContain(new URL(url).hostname)
  })

  it('lets the service drain', () => {
    expect(Number.parseInt(services['alerts']?.stop_grace_period ?? '', 10) * 1_000).toBeGreaterThan(drainDeadlineMs)
  })
})

describe('the systemd unit', () => {
  const unit = read('ops/systemd/switchgear-service.service')
  const all = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)

  it('sets what the service asks for, and keeps its data where the unit may write', () => {
    const environment = Object.fromEntries(all('Environment').map((line) => line.split('='))) as Record<string, string>
    expectSettings(environment)
    expect(environment['PORT']).toBe(String(defaults.port))
    expect(environment['DATA_DIR']).toBe(`/var/lib/${all('StateDirectory')[0]}`)
  })

  it('starts the service, lets it drain, and starts it again when it fails', () => {
    expect(all('ExecStart')).toEqual([`/usr/bin/${command.replace('service/', '/opt/switchgear/service/')}`])
    expect(Number(all('TimeoutStopSec')[0]) * 1_000).toBeGreaterThan(drainDeadlineMs)
    expect(all('Restart')).toEqual(['on-failure'])
  })

  it('has nothing but sections, settings and comments', () => {
    for (const line of unit.split('\n')) expect(line).toMatch(/^(?:|#.*|\[(?:Unit|Service|Install)\]|[A-Z]\w+=.*)$/)
    expect(unit).not.toContain('MemoryDenyWriteExecute=yes')
  })
})

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

interface Manifest {
  readonly kind: string
  readonly spec: {
    readonly replicas?: number
    readonly maxUnavailable?: number
    readonly selector?: object
    readonly ports?: readonly { readonly targetPort: string }[]
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly {
          readonly args: readonly string[]
          readonly env: readonly { readonly name: string; readonly value: string }[]
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
          readonly startupProbe: Probe
          readonly livenessProbe: Probe
          readonly readinessProbe: Probe
          readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
        }[]
        readonly volumes: readonly { readonly name: string }[]
      }
    }
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[]
  }
}

describe('the manifests for Kubernetes', () => {
  const text = read('ops/kubernetes/switchgear-service.yaml')
  const documents = parseAllDocuments(text)
  const manifests = documents.map((document) => document.toJS() as Manifest)
  const specOf = (kind: string): Manifest['spec'] | undefined => manifests.find((each) => each.kind === kind)?.spec
  const pods = specOf('StatefulSet')?.template
  const container = pods?.spec.containers[0]

  it('are YAML, of a service, a disruption budget and a set of pods that all mean the same pods', () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([])
    expect(manifests.map(({ kind }) => kind)).toEqual(['Service', 'PodDisruptionBudget', 'StatefulSet'])
    const labels = pods?.metadata.labels
    expect(specOf('Service')?.selector).toEqual(labels)
    for (const kind of ['PodDisruptionBudget', 'StatefulSet'])
      expect(specOf(kind)?.selector).toEqual({ matchLabels: labels })
    expect(specOf('PodDisruptionBudget')?.maxUnavailable).toBe(1)
    expect(specOf('StatefulSet')?.replicas).toBe(3)
  })

  it('start the service with settings that it takes, on the port that is asked', () => {
    expect(container?.args.join(' ')).toBe(command)
    const environment = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]))
    expectSettings(environment)
    expect(container?.ports).toEqual([{ name: 'http', containerPort: Number(environment['PORT']) }])
    expect(specOf('Service')?.ports?.map(({ targetPort }) => targetPort)).toEqual(['http'])
    const secret = [...text.matchAll(/--from-literal=(\w+)='/g)].map(([, name = '']) => name)
    expect(secret.filter((name) => !asked.has(name))).toEqual([])
    expect(secret).toContain('SWITCHGEAR_TOKENS')
  })

  it('probe paths that answer without a token', async () => {
    const probes = [container?.startupProbe, container?.livenessProbe, container?.readinessProbe]
    expect(probes.map((probe) => probe?.httpGet.path)).toEqual(['/healthz', '/healthz', '/readyz'])
    for (const probe of probes) {
      expect(probe?.httpGet.port).toBe('http')
      expect(await answers(probe?.httpGet.path ?? '')).toBe(200)
    }
  })

  it('give pods the time to leave the service, and then to drain', () => {
    const leaveSeconds = Number(container?.lifecycle.preStop.exec.command.at(-1))
    const given = pods?.spec.terminationGracePeriodSeconds ?? 0
    expect(given).toBeGreaterThan(leaveSeconds + drainDeadlineMs / 1_000)
  })

  it('mount volumes that are there, at the paths that the settings name', () => {
    const known = [
      ...(pods?.spec.volumes ?? []).map(({ name }) => name),
      ...(specOf('StatefulSet')?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
    ]
    const mounts = container?.volumeMounts ?? []
    expect(mounts.map(({ name }) => name).toSorted()).toEqual(known.toSorted())
    const value = (name: string): string => container?.env.find((each) => each.name === name)?.value ?? ''
    expect(mounts.map(({ mountPath }) => mountPath)).toEqual([
      value('DATA_DIR'),
      value('SWITCHGEAR_CONFIG').replace(/\/[^/]+$/, ''),
    ])
  })
})

it('the script that makes the streams has the commands that docs/nats.md has', () => {
  const commands = (path: string): string[] => {
    const text = read(path).replaceAll('\\\n', ' ').replaceAll('$fleet', 'alerts').replaceAll(/['"]/g, '')
    return [...text.matchAll(/^nats (?:stream|consumer) add .*$/gm)].map(([line]) => line.replaceAll(/\s+/g, ' '))
  }
  expect(commands('ops/nats/make-streams.sh')).toHaveLength(4)
  expect(commands('ops/nats/make-streams.sh')).toEqual(commands('docs/nats.md'))
})

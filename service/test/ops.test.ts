import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { hookAt, type SharedService, startSharedService } from './servers/shared-service.ts'

/** What `ops/` asks Prometheus for must be what `GET /metrics` really tells, with the labels that it really has. */
const read = (path: string): string => readFileSync(new URL(`../../ops/${path}`, import.meta.url), 'utf8')

const ruleSchema = z.strictObject({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+[smh]$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(['info', 'warning', 'critical']) }).optional(),
  annotations: z.strictObject({ summary: z.string(), action: z.string() }).optional(),
})
const rulesSchema = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), interval: z.string().optional(), rules: z.array(ruleSchema) })),
})
const rulesIn = (path: string) => rulesSchema.parse(parse(read(path))).groups.flatMap(({ rules }) => rules)
const recorded = rulesIn('prometheus/rules.yml')
const alerts = rulesIn('prometheus/alerts.yml')

const dashboard = z
  .object({
    panels: z.array(
      z.object({ id: z.number(), title: z.string(), targets: z.array(z.object({ expr: z.string() })).optional() }),
    ),
    templating: z.object({ list: z.array(z.object({ name: z.string(), query: z.string() })) }),
  })
  .parse(JSON.parse(read('grafana/switchgear.json')))

const expressions: readonly (readonly [string, string])[] = [
  ...recorded.map(({ record = '', expr }) => [`rule ${record}`, expr] as const),
  ...alerts.map(({ alert = '', expr }) => [`alert ${alert}`, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [`panel ${title}`, expr] as const),
  ),
]

let service: SharedService
let text: string
/** The names of rows, and the names of labels of each family. */
let told: ReadonlySet<string>
let labelsOf: ReadonlyMap<string, ReadonlySet<string>>
beforeAll(async () => {
  service = await startSharedService({ organizations: { acme: { receivers: [hookAt('good.example')] } } })
  text = await (await fetch(`${service.url}/metrics`)).text()
  told = namesIn(text)
  labelsOf = familiesIn()
})
afterAll(() => service.stop())

describe('the dashboard, the alerts and the recording rules', () => {
  it.each(expressions)('%s asks for metrics that there are', (_, expr) => {
    const known = new Set([...told, ...recorded.map(({ record }) => record)])
    const asked = metricsIn(expr)
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.filter((name) => !known.has(name))).toEqual([])
    expect(isBalanced(expr)).toBe(true)
  })

  it.each(expressions)('%s selects and groups by labels that there are', (_, expr) => {
    const known = new Set([
      'instance',
      'le',
      ...metricsIn(expr).flatMap((name) => [...(labelsOf.get(familyOf(name)) ?? [])]),
    ])
    expect(labelsIn(expr).filter((label) => !known.has(label))).toEqual([])
  })

  it('finds a name and a label that are not there', () => {
    const wrong = 'sum by (made_up) (rate(switchgear_made_up_total{channel="x"}[5m]))'
    expect(metricsIn(wrong).filter((name) => !told.has(name))).toEqual(['switchgear_made_up_total'])
    expect(labelsIn(wrong)).toEqual(['channel', 'made_up'])
  })

  it('say of each alert what it is and what to do, and have each name once', () => {
    for (const { alert, annotations, labels, for: patience } of alerts)
      expect([alert, typeof annotations?.action, typeof labels?.severity, typeof patience]).toEqual([
        expect.stringMatching(/^Switchgear[A-Z]\w+$/),
        'string',
        'string',
        'string',
      ])
    const names = alerts.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
    const ids = dashboard.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('docs/telemetry.md gives each metric the labels that its rows have', () => {
    for (const [, name = '', list = ''] of text.matchAll(/^(switchgear_\w+)\{([^}]*)\}/gm)) {
      const labels = [...list.matchAll(/(\w+)="/g)].map(([, label = '']) => label).filter((label) => label !== 'le')
      expect([name, labels]).toEqual([name, [...(labelsOf.get(familyOf(name)) ?? [])]])
    }
  })

  it('docs/telemetry.md names every metric of ours, and no other', () => {
    const page = readFileSync(new URL('../../docs/telemetry.md', import.meta.url), 'utf8')
    const families = [...text.matchAll(/^# TYPE (switchgear_\w+) /gm)].map(([, name = '']) => name)
    expect(families.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
    const given = new Set(families)
    const ofOptions = /^switchgear_(?:retry_budget|pipeline)_/
    const named = [...page.matchAll(/`(switchgear_[a-z_]+)`/g)].map(([, name = '']) => name)
    expect(named.filter((name) => !given.has(name) && !ofOptions.test(name))).toEqual([])
  })
})

/** Every name that a row may have: families without rows are there by their type. */
function namesIn(exposition: string): ReadonlySet<string> {
  const types = [...exposition.matchAll(/^# TYPE (\w+) (\w+)$/gm)]
  return new Set(
    types.flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
}

/** The labels of families, from the table on the page: a family that nothing was counted in has no row yet. */
function familiesIn(): ReadonlyMap<string, ReadonlySet<string>> {
  const page = readFileSync(new URL('../../docs/telemetry.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `switchgear_'))
  const ofRules = recorded.map(({ record = '', expr }) => [record, new Set(labelsIn(expr))] as const)
  return new Map([
    ...ofRules,
    ...rows.flatMap((row) => {
      const [, names = '', , labels = ''] = row.split('|')
      const quoted = (cell: string): readonly string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
      return quoted(names).map((name) => [name, new Set(quoted(labels))] as const)
    }),
  ])
}

function familyOf(name: string): string {
  return name.replace(/_(?:bucket|sum|count)$/, '')
}

/** Strings, label lists and durations taken out, what is no word of PromQL is the name of a metric. */
function metricsIn(expr: string): readonly string[] {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, '')
  const words = [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\s*\()\b(?![\w:]*\s*\()/g)].map(([word]) => word)
  return words.filter((word) => !promqlWords.has(word))
}

function labelsIn(expr: string): readonly string[] {
  const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, list = '']) =>
    [...list.replaceAll(/"[^"]*"/g, '').matchAll(/\w+/g)].map(([label]) => label),
  )
  const grouped = [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  )
  return [...selected, ...grouped]
}

const promqlWords = new Set([
  'by',
  'without',
  'on',
  'ignoring',
  'or',
  'and',
  'unless',
  'sum',
  'max',
  'min',
  'avg',
  'count',
])

function isBalanced(expr: string): boolean {
  const open: string[] = []
  for (const sign of expr.replaceAll(/"[^"]*"/g, '')) {
    if (sign in closes) open.push(sign)
    if (')]}'.includes(sign) && closes[open.pop() ?? ''] !== sign) return false
  }
  return open.length === 0
}

const closes: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

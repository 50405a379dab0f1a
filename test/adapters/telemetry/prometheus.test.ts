import { channel } from 'node:diagnostics_channel'
import { Registry } from 'prom-client'
import { ConfigError, createSwitchgear, memoryDeadLetters, retryBudget, type Switchgear } from 'switchgear'
import { prometheus } from 'switchgear/telemetry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rowsOf } from './exposition.ts'

let registry: Registry
let gear: Switchgear
beforeEach(() => {
  registry = new Registry()
  gear = createSwitchgear({ breakers: { default: { failureThreshold: 2 } } })
})
afterEach(() => gear.close())

/** Rows of the exposition, by what stands before their value. */
async function rows(): Promise<ReadonlyMap<string, number>> {
  return rowsOf(await registry.metrics())
}

const failing = async (): Promise<never> => {
  throw Object.assign(new Error('no'), { status: 503 })
}

describe('prometheus', () => {
  it('counts outcomes by breaker, status and reason, with their attempts and durations', async () => {
    prometheus(registry, { gear })
    await gear.safeCall({ breaker: 'smtp', retry: { maxAttempts: 1 } }, async () => 1)
    await gear.safeCall({ breaker: 'smtp', retry: { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 1 } }, failing)
    await gear.safeCall({ breaker: 'smtp' }, failing)
    const told = await rows()
    expect(told.get('switchgear_calls_total{breaker="smtp",status="delivered",reason=""}')).toBe(1)
    expect(told.get('switchgear_calls_total{breaker="smtp",status="failed",reason="server_error"}')).toBe(1)
    expect(told.get('switchgear_calls_total{breaker="smtp",status="refused",reason="breakerOpen"}')).toBe(1)
    expect(told.get('switchgear_attempts_total{breaker="smtp"}')).toBe(3)
    expect(told.get('switchgear_retries_total{error="server_error"}')).toBe(1)
    expect(told.get('switchgear_call_duration_seconds_count{breaker="smtp",status="delivered"}')).toBe(1)
    expect([...told.keys()].filter((row) => row.includes('duration') && row.includes('refused'))).toEqual([])
  })

  it('reads breakers by mode, and names those that are not closed, when it is collected', async () => {
    prometheus(registry, { gear })
    gear.breaker('slack')
    expect((await rows()).get('switchgear_breakers{mode="open"}')).toBe(0)
    for (let call = 0; call < 2; call += 1)
      await gear
        .breaker('smtp')
        .run(failing)
        .catch(() => {})
    const told = await rows()
    expect(told.get('switchgear_breakers{mode="closed"}')).toBe(1)
    expect(told.get('switchgear_breakers{mode="open"}')).toBe(1)
    expect(told.get('switchgear_breaker_not_closed{breaker="smtp",mode="open"}')).toBe(1)
    const order = { by: 'ann', reason: 'upgrade' }
    await gear.breaker('smtp').forceOpen(order)
    expect((await rows()).get('switchgear_breaker_not_closed{breaker="smtp",mode="forcedOpen"}')).toBe(1)
    await gear.breaker('smtp').release(order)
    expect([...(await rows()).keys()].filter((row) => row.startsWith('switchgear_breaker_not_closed'))).toEqual([])
  })

  it('reads the link, dead letters, the cache, budgets and pipelines', async () => {
    const budget = retryBudget()
    budget.recordCall()
    prometheus(registry, {
      gear,
      retryBudgets: { mail: budget },
      pipelines: { alerts: () => ({ inFlight: 3, waiting: 7 }) },
    })
    await gear.ready()
    const draft = { organization: 'acme', messageId: 'm-1', payload: {}, error: new Error('no') }
    await gear.deadLetters.enqueue({ ...draft, channel: 'email' })
    await gear.deadLetters.enqueue({ ...draft, channel: 'email', messageId: 'm-2' })
    const address = { organization: 'acme', kind: 'stats', key: 'all' }
    await gear.cache.wrap(address, async () => 1)
    await gear.cache.wrap(address, async () => 1)
    const told = await rows()
    expect(told.get('switchgear_link{state="linked"}')).toBe(1)
    expect(told.get('switchgear_link{state="down"}')).toBe(0)
    expect(told.get('switchgear_dead_letters{channel="email"}')).toBe(2)
    expect(told.get('switchgear_letters_total{channel="email",error="unknown"}')).toBe(2)
    expect(told.get('switchgear_dead_letters_oldest_age_seconds')).toBeGreaterThanOrEqual(0)
    expect(told.get('switchgear_cache_hit_ratio{tier="local"}')).toBe(0.5)
    expect(told.get('switchgear_cache_reads_total{kind="stats",found="local",stale="false"}')).toBe(1)
    expect(told.get('switchgear_cache_entries')).toBe(1)
    expect(told.get('switchgear_retry_budget_calls{budget="mail"}')).toBe(1)
    expect(told.get('switchgear_pipeline_items{pipeline="alerts",state="waiting"}')).toBe(7)
  })

  it('counts decisions by the limit that made them', async () => {
    prometheus(registry, { gear })
    for (let call = 0; call < 51; call += 1) await gear.limiter.check('acme', ['email', 'alerts'])
    const told = await rows()
    expect(told.get('switchgear_limit_decisions_total{limit="email",decision="allowed",degraded="false"}')).toBe(50)
    expect(told.get('switchgear_limit_decisions_total{limit="email",decision="refused",degraded="false"}')).toBe(1)
    expect(told.has('switchgear_limit_decisions_total{limit="alerts",decision="refused",degraded="false"}')).toBe(false)
  })

  it('tells names past the bound of a label as other', async () => {
    prometheus(registry, { gear, labelValuesMax: 2 })
    for (const breaker of ['a', 'b', 'c', 'd', 'a']) await gear.safeCall({ breaker }, async () => 1)
    const told = await rows()
    const calls = [...told].filter(([row]) => row.startsWith('switchgear_calls_total'))
    expect(calls.map(([row, value]) => [/breaker="(\w+)"/.exec(row)?.[1], value])).toEqual([
      ['a', 2],
      ['b', 1],
      ['other', 2],
    ])
  })

  it('collects all the same when the queue of letters cannot be asked, and says so', async () => {
    const deadLetters = { ...memoryDeadLetters(), stats: () => Promise.reject(new Error('away')) }
    await using away = disposable(createSwitchgear({ deadLetters }))
    prometheus(registry, { gear: away.gear })
    const told = await rows()
    expect(told.get('switchgear_breakers{mode="closed"}')).toBe(0)
    expect([...told.keys()].filter((row) => row.startsWith('switchgear_dead_letters'))).toEqual([])
    const again = await rows()
    expect(again.get('switchgear_collect_failures_total{metric="switchgear_dead_letters"}')).toBeGreaterThanOrEqual(1)
  })

  it('stops listening and leaves the registry when it is closed, and can come again', async () => {
    const telemetry = prometheus(registry, { gear })
    expect(() => prometheus(registry)).toThrow(ConfigError)
    telemetry.close()
    telemetry.close()
    expect(await registry.metrics()).not.toContain('switchgear')
    expect(channels.map((name) => channel(name).hasSubscribers)).toEqual(channels.map(() => false))
    prometheus(registry).close()
  })

  it('stops listening when its instance closes, and what was counted can still be read', async () => {
    prometheus(registry, { gear })
    await gear.safeCall({ breaker: 'smtp' }, async () => 1)
    await gear.close()
    expect(channels.map((name) => channel(name).hasSubscribers)).toEqual(channels.map(() => false))
    expect((await rows()).get('switchgear_attempts_total{breaker="smtp"}')).toBe(1)
  })

  it('refuses options that cannot be meant', () => {
    expect(() => prometheus(registry, { labelValuesMax: 0 })).toThrow('telemetry.labelValuesMax')
  })
})

const channels = ['call', 'transition', 'retry', 'limit', 'letter', 'cache'].map((name) => `switchgear:${name}`)

function disposable(own: Switchgear): AsyncDisposable & { readonly gear: Switchgear } {
  return { gear: own, [Symbol.asyncDispose]: () => own.close() }
}

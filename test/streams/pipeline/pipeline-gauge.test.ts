import { describe, expect, it } from 'vitest'
import { pipelineGauge } from '../../../src/streams/pipeline/pipeline-gauge.ts'
import { line } from './deliver-rig.ts'

const never = (): Promise<never> => new Promise(() => {})

describe('pipelineGauge', () => {
  it('says what all pipelines that have it hold, on its way and waiting', () => {
    const gauge = pipelineGauge()
    const { counts } = gauge
    expect(counts()).toEqual({ inFlight: 0, waiting: 0 })
    const one = line({ to: never, concurrency: 2, gauge })
    const other = line({ to: never, concurrency: 1, gauge })
    one.push(1, 2, 3, 4, 5)
    other.push(6)
    expect(counts()).toEqual({ inFlight: 3, waiting: 3 })
    one.unsubscribe()
    expect(counts()).toEqual({ inFlight: 1, waiting: 0 })
    other.unsubscribe()
    expect(counts()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('forgets a pipeline that has ended', async () => {
    const read = new Set<unknown>()
    const gauge = {
      counts: pipelineGauge().counts,
      add: (counts: unknown) => {
        read.add(counts)
        return () => void read.delete(counts)
      },
    }
    const { push, source, ends, clock } = line({ to: () => 'sent', gauge })
    push(1)
    expect(read.size).toBe(1)
    source.complete()
    await clock.advanceBy(0)
    expect(ends).toEqual(['complete'])
    expect(read.size).toBe(0)
  })
})

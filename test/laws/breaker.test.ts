import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { proveLaw } from '../../src/testing/law.ts'
import { laws } from '../../src/testing/laws/laws.ts'
import { logScripts, writeLog } from '../../src/testing/written-log.ts'

describe('the laws of a breaker', () => {
  test.each(Object.values(laws.breaker).map((law) => [law.name, law.says, law] as const))(
    '%s: %s',
    async (_name, _says, law) => {
      expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
    },
  )
})

describe('the logs that they are tried on', () => {
  test('reach every row of the machine’s table, and every reason to ignore a message', () => {
    const reached = new Map<string, number>()
    const runs = 1_000
    for (const script of fc.sample(logScripts(), { numRuns: runs, seed: 1 })) {
      const { verdicts, positions } = writeLog(script)
      const rows = verdicts.map((verdict, at) =>
        verdict.accepted
          ? `${verdict.event.before.mode}: ${verdict.event.fact?.type ?? 'unknown'} → ${positions[at]?.state.mode}`
          : verdict.why,
      )
      for (const row of new Set(rows)) reached.set(row, (reached.get(row) ?? 0) + 1)
    }
    for (const row of rowsToReach) expect([row, (reached.get(row) ?? 0) > 1]).toEqual([row, true])
  })
})

const rowsToReach = [
  'closed: voted → closed',
  'closed: opened → open',
  'closed: forcedOpen → forcedOpen',
  'closed: disabled → disabled',
  'closed: restored → closed',
  'closed: unknown → open',
  'open: probeClaimed → halfOpen',
  'open: forcedOpen → forcedOpen',
  'open: disabled → disabled',
  'open: restored → open',
  'halfOpen: probeClaimed → halfOpen',
  'halfOpen: probePassed → halfOpen',
  'halfOpen: probeReleased → halfOpen',
  'halfOpen: closed → closed',
  'halfOpen: reopened → open',
  'halfOpen: forcedOpen → forcedOpen',
  'halfOpen: disabled → disabled',
  'halfOpen: restored → halfOpen',
  'forcedOpen: released → closed',
  'forcedOpen: forcedOpen → forcedOpen',
  'forcedOpen: disabled → disabled',
  'forcedOpen: restored → forcedOpen',
  'disabled: released → closed',
  'disabled: forcedOpen → forcedOpen',
  'disabled: disabled → disabled',
  'disabled: restored → disabled',
  'undecodable',
  'lostRace',
  'early',
  'late',
  'forbidden',
]

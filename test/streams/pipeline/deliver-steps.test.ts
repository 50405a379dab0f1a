import { expect, test } from 'vitest'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
import { assertBounded, assertClean, assertOrder } from '../../../src/testing/laws/pipeline.ts'
import { type DeliverScenario, playDeliver } from '../../../src/testing/laws/pipeline-scenario.ts'

/** Something of everything: retries, a hang, a mistake, a wait that is asked for, a breaker that opens, an item called off. */
const items: DeliverScenario['items'] = [
  { afterMs: 0, key: 'a', destination: 'x', does: ['succeed'], tookMs: 30, abortsAfterMs: undefined },
  { afterMs: 0, key: 'a', destination: 'x', does: ['fail', 'succeed'], tookMs: 1, abortsAfterMs: undefined },
  { afterMs: 0, key: 'b', destination: 'y', does: ['hang'], tookMs: 0, abortsAfterMs: undefined },
  { afterMs: 1, key: 'b', destination: 'x', does: ['throw'], tookMs: 0, abortsAfterMs: undefined },
  { afterMs: 40, key: 'a', destination: 'y', does: ['askToWait', 'succeed'], tookMs: 1, abortsAfterMs: undefined },
  { afterMs: 0, key: 'c', destination: 'y', does: ['succeed'], tookMs: 90, abortsAfterMs: 20 },
  { afterMs: 0, key: 'a', destination: 'x', does: ['fail'], tookMs: 0, abortsAfterMs: undefined },
  { afterMs: 1, key: 'c', destination: 'x', does: ['fail'], tookMs: 0, abortsAfterMs: undefined },
  { afterMs: 40, key: 'b', destination: 'x', does: ['succeed'], tookMs: 30, abortsAfterMs: undefined },
  { afterMs: 400, key: 'a', destination: 'y', does: ['failForGood'], tookMs: 1, abortsAfterMs: undefined },
  { afterMs: 400, key: 'a', destination: 'x', does: ['succeed'], tookMs: 1, abortsAfterMs: undefined },
]

test.each(['pushed', 'asked'] as const)(
  'left, failed, drained or completed before any step of a source that is %s, nothing is lost and nothing remains',
  async (source) => {
    let played = 0
    for (let before = 0; before <= items.length; before += 1)
      for (const by of ['complete', 'error', 'drain', 'unsubscribe'] as const)
        for (const guarded of [false, true])
          for (const [ordered, limit] of [
            [false, 'none'],
            [true, 'wait'],
          ] as const) {
            const bounds = { concurrency: 3, maxWaiting: 5, maxAgeMs: undefined }
            const scenario: DeliverScenario = {
              ...{
                seed: before,
                source,
                items,
                guarded,
                ordered,
                limit,
                whenOpen: 'wait',
                letters: 'sound',
                ...bounds,
              },
              ends: { by, before },
            }
            const what = JSON.stringify({ before, by, guarded, ordered, limit })
            const play = await playDeliver(deliver, scenario)
            for (const check of [assertOrder, assertBounded, assertClean])
              expect(() => check(scenario, play), what).not.toThrow()
            played += 1
          }
    process.stdout.write(`every step of a source that is ${source}: ${played} plays\n`)
  },
)

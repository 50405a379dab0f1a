import { expect, test } from 'vitest'
import { tellStory } from '../../src/testing/story.ts'

test('a story is a line for each moment, a column for each instance, in the order of time', () => {
  const story = tellStory(
    [
      { atMs: 60_000, who: 'b', what: 'probes' },
      { atMs: 0, who: 'a', what: 'a call fails' },
      { atMs: 0, who: 'a', what: 'opens by itself' },
      { atMs: 41, who: 'b', what: 'hears of it' },
      { atMs: 1_000, what: 'the dependency is back' },
    ],
    { columns: ['a', 'b'] },
  )
  expect(story.split('\n')).toEqual([
    '       at │ a               │ b',
    '     0 ms │ a call fails    │',
    '          │ opens by itself │',
    '    41 ms │                 │ hears of it',
    ' 1,000 ms │ ── the dependency is back',
    '60,000 ms │                 │ probes',
  ])
})

test('what is wider than its column is wrapped, words that are wider than it are cut, and no line is too long', () => {
  const long = `a text that goes on, and on, and on ${'z'.repeat(90)}`
  const names = ['one', 'two', 'three']
  const story = tellStory(
    names.map((who, atMs) => ({ atMs, who, what: long })),
    { width: 80 },
  )
  for (const line of story.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  expect(story.replaceAll(/[^z]/gu, '')).toHaveLength(3 * 90)
})

test('of a long story the beginning and the end are told, and how much is left out', () => {
  const events = Array.from({ length: 1_000 }, (_, atMs) => ({ atMs, who: 'a', what: `step ${atMs}` }))
  const lines = tellStory(events, { momentsMax: 30 }).split('\n')
  expect(lines).toHaveLength(1 + 30 + 1)
  expect(lines).toContain('… 970 more moments …')
  expect(lines.at(-1)).toContain('step 999')
})

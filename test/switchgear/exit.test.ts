import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('left-alone.ts', import.meta.url))

/** Runs the program in a process of its own, and fails when it has not ended by itself in time. */
function runToItsEnd(...args: string[]): Promise<{ readonly out: string; readonly err: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', program, ...args], { timeout: 120_000 }, (error, out, err) => {
      if (error) reject(new Error(`it did not end by itself: ${error.message}\n${out}\n${err}`))
      else resolve({ out, err })
    })
  })
}

describe('a process in which only our timers are left', () => {
  test('ends by itself', async () => {
    expect(await runToItsEnd()).toEqual({ out: 'open open halfOpen done\n', err: '' })
  })

  test('does not end before the deadline of a call that is awaited', async () => {
    expect((await runToItsEnd('--hang')).out).toMatch(/^TimeoutError .* done\n$/)
  })

  test('ends by itself after close', async () => {
    expect(await runToItsEnd('--close')).toEqual({ out: 'open open halfOpen done\n', err: '' })
  })
})

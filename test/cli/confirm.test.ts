import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { ConfigError } from '../../src/index.ts'
import { isConfirmed } from '../../src/cli/confirm.ts'

const terminal = (
  isTTY: boolean,
): { stdin: PassThrough & { isTTY: boolean }; stderr: PassThrough & { isTTY: boolean } } => ({
  stdin: Object.assign(new PassThrough(), { isTTY }),
  stderr: Object.assign(new PassThrough(), { isTTY }),
})

test.each([
  ['y\n', true],
  ['Yes \n', true],
  ['n\n', false],
  ['\n', false],
  ['yo\n', false],
  ['', false],
])('the answer %j is %j', async (answer, is) => {
  const { stdin, stderr } = terminal(true)
  stdin.end(answer)
  expect(await isConfirmed({}, 'remove 3 letters of "\u001b"', { stdin, stderr })).toBe(is)
  const said = String(stderr.read())
  expect(said.startsWith('remove 3 letters of "\\u{1b}"? [y/N] ')).toBe(true)
  expect(said.endsWith('nothing was done\n')).toBe(!is)
})

test('nobody is asked with --yes, nor where there is no terminal, where it is an error', async () => {
  const nowhere = terminal(false)
  expect(await isConfirmed({ yes: true }, 'remove them', nowhere)).toBe(true)
  const refused = isConfirmed({}, 'remove them', nowhere)
  await expect(refused).rejects.toThrow(ConfigError)
  await expect(refused).rejects.toThrow('--yes: it is needed to remove them, since nobody can be asked here')
})

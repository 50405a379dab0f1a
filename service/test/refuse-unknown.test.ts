import { expect, it } from 'vitest'
import { refuseUnknown } from '../src/refuse-unknown.ts'

it.each([
  ['an option that there is not', ['--prot', '4000'], "serve: Unknown option '--prot'; "],
  ['a short one', ['-p', '4000'], "serve: Unknown option '-p'; "],
  ['an argument, where none is taken', ['4000'], "serve: Unexpected argument '4000'"],
  ['an option without its value', ['--port'], "serve: Option '--port <value>' argument missing; "],
])('%s is refused by its name', (_, given, said) => {
  expect(() => refuseUnknown('serve', given, ['port'])).toThrow(said)
})

it('what is known passes', () => {
  expect(() => refuseUnknown('demo', ['--port', '0'], ['port'])).not.toThrow()
  expect(() => refuseUnknown('demo', ['--port=0'], ['port'])).not.toThrow()
  expect(() => refuseUnknown('serve', [])).not.toThrow()
})

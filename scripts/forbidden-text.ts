import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * What the linter cannot say: texts and file names that must not stand in the repository. Prints each place and exits
 * with 1 when there is one.
 */
interface Rule {
  readonly what: RegExp
  readonly why: string
}

// One letter of each stands in brackets, so that this file does not find itself.
const textRules: readonly Rule[] = [
  {
    what: /as unknown [a]s\b/,
    why: 'a cast through unknown hides a mistake: narrow the value instead',
  },
  {
    what: /(ox|es)lint-[d]isable/,
    why: 'a rule is kept or changed for everybody, not switched off in place',
  },
  { what: /(prettier|oxfmt)-[i]gnore/, why: 'the formatter decides' },
]

const nameRules: readonly Rule[] = [
  { what: /^(utils|helpers|types|common|misc)\.ts$/, why: 'a file is named after the concept it exports' },
]

const folders = ['src', 'service', 'test', 'bench', 'scripts', 'examples']
const notOurs = ['node_modules', 'dist']

const sources = folders.filter((folder) => existsSync(folder)).flatMap(filesOf)
const found = sources.flatMap((path) => [...namedBadly(path), ...saidBadly(path)])

for (const place of found) process.stderr.write(`${place}\n`)
process.stdout.write(`forbidden text: ${found.length} found in ${sources.length} files\n`)
if (found.length > 0 || sources.length === 0) process.exitCode = 1

/** By hand, since a recursive `readdir` follows links, and there may be a link to all this in a `node_modules`. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return notOurs.includes(entry.name) ? [] : filesOf(path)
    return entry.isFile() && /\.[cm]?[jt]s$/.test(path) ? [path] : []
  })
}

function namedBadly(path: string): string[] {
  return nameRules.filter(({ what }) => what.test(basename(path))).map(({ why }) => `${path}: ${why}`)
}

function saidBadly(path: string): string[] {
  return linesOf(path).flatMap((line, index) =>
    textRules.filter(({ what }) => what.test(line)).map(({ why }) => `${path}:${index + 1}: ${why}`),
  )
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n')
}

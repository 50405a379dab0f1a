import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigError } from 'switchgear'
import { NotJsonError, parseJson } from '../json/parse-json.ts'
import { type Complaint, checkShape, complaintsError } from './check-shape.ts'
import { groupWaitMsDefault } from '../routing/group-of.ts'
import { demoConfig } from './demo-config.ts'
import { type ConfigFile, configSchema, type OrganizationConfig } from './schema.ts'

/** The file that is looked for in the working directory when `SWITCHGEAR_CONFIG` names none. */
export const configFileDefault = 'switchgear.config.json'

export interface LoadedConfig {
  readonly file: ConfigFile
  /** Where it was read from; absent when there is no file and the demonstration organization stands in. */
  readonly path?: string
}

/**
 * Reads and checks the receivers' configuration. Without a file there is one organization, `demo`, whose messages go to
 * the outbox.
 * @throws ConfigError naming the file and the path in it.
 */
export async function loadConfig(named: string | undefined): Promise<LoadedConfig> {
  const path = resolve(named ?? configFileDefault)
  const text = await readText(path, named === undefined)
  if (text === undefined) return { file: demoConfig }
  return { file: parseConfig(text, path), path }
}

/** @throws ConfigError */
export function parseConfig(text: string, source: string): ConfigFile {
  const file = checkShape(configSchema, json(text, source), source)
  const found = Object.entries(file.organizations).flatMap(([name, organization]) =>
    contradictions(`organizations.${name}`, organization),
  )
  if (found.length > 0) throw complaintsError(source, found)
  return file
}

async function readText(path: string, mayBeMissing: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (missing && mayBeMissing) return undefined
    throw new ConfigError('SWITCHGEAR_CONFIG', `${path} cannot be read`, { cause: error })
  }
}

function json(text: string, source: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof NotJsonError) throw new ConfigError(source, error.message, { cause: error })
    throw error
  }
}

/** What no schema says: names that are given twice, names that nobody has, and groups that are too old to be sent. */
function contradictions(at: string, { receivers, routes = [], maxAgeMs }: OrganizationConfig): readonly Complaint[] {
  const names = receivers.map(({ name }) => name)
  const twice = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ path: `${at}.receivers.${index}.name`, message: `"${name}" is the name of another receiver` }],
  )
  const nobody = routes.flatMap(({ to }, route) =>
    to.flatMap((name, index) =>
      names.includes(name)
        ? []
        : [{ path: `${at}.routes.${route}.to.${index}`, message: `no receiver is named "${name}"` }],
    ),
  )
  const late = routes.flatMap((route, index) => {
    const { groupBy, groupWaitMs = groupBy === undefined ? 0 : groupWaitMsDefault } = route
    const message = `a group waits ${groupWaitMs} ms, and messages are not sent after maxAgeMs, ${maxAgeMs}`
    return groupWaitMs < maxAgeMs ? [] : [{ path: `${at}.routes.${index}.groupWaitMs`, message }]
  })
  return [...twice, ...nobody, ...late]
}

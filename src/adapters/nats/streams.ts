import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream'
import type { Logger } from '../../ports/logger.ts'
import { describeDifferences, differences, type logStreamSettings } from './stream-settings.ts'

/** Whether the server refused with one of these codes. @see https://github.com/nats-io/nats-server `server/errors.json` */
export function isApiError(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof JetStreamApiError && codes.includes(error.code)
}

const streamNameInUse = 10058

type Wanted = ReturnType<typeof logStreamSettings>

/**
 * Finds the stream, or makes it when told to `manage`; several may try at once. A stream that is there is checked and
 * never changed: what differs is told once, and where the log cannot work with it, it is refused.
 * @throws Error that says what is wrong with the stream; errors of the client when the server cannot be asked.
 */
export async function findStream(
  jsm: JetStreamManager,
  wanted: Wanted,
  { manage, tell }: { readonly manage: boolean; readonly tell: TellOnce },
): Promise<StreamInfo> {
  const info = (await infoOf(jsm, wanted.name)) ?? (await makeStream(jsm, wanted, manage))
  const found = differences(info.config, wanted)
  const essential = found.filter((difference) => difference.essential)
  if (essential.length > 0) {
    const message = `stream ${wanted.name} cannot be used: ${describeDifferences(essential)}`
    tell('error', message)
    throw new Error(message)
  }
  if (found.length > 0) tell('warn', `stream ${wanted.name} is not as asked for: ${describeDifferences(found)}`)
  return info
}

/** `undefined` for a stream that is not there. */
async function infoOf(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name)
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return undefined
    throw error
  }
}

async function makeStream(jsm: JetStreamManager, wanted: Wanted, manage: boolean): Promise<StreamInfo> {
  if (!manage) throw new Error(`stream ${wanted.name} does not exist, and \`manage: false\` says not to make it`)
  try {
    return await jsm.streams.add({ ...wanted })
  } catch (error) {
    // Somebody was faster, with other settings.
    if (isApiError(error, streamNameInUse)) return jsm.streams.info(wanted.name)
    throw error
  }
}

/** Says something to the operator, the same thing not twice. */
export type TellOnce = (level: 'warn' | 'error', message: string) => void

/** So many different things are remembered as told. */
const toldMax = 100

export function tellOnce(logger: Logger, facts: object): TellOnce {
  const told = new Set<string>()
  return (level, message) => {
    if (told.has(message)) return
    if (told.size >= toldMax) told.clear()
    told.add(message)
    logger[level](facts, message)
  }
}

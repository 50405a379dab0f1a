import { filter, firstValueFrom, map, tap, timeout, TimeoutError } from 'rxjs'
import { createSwitchgear, UnavailableError, type Link, type Switchgear } from '../index.ts'
import { readableDuration } from './duration.ts'
import type { FleetOptions } from './fleet-options.ts'
import { openDoor } from './open-door.ts'
import { observerName } from './operator.ts'

/** The longest that NATS is given for one answer, in ms. */
const answerMs = 5_000

/**
 * Joins a fleet as an instance that looks on: it makes no stream, and runs no calls. Resolves when it is linked and has
 * read the log. @throws ConfigError; UnavailableError that says what to do
 */
export async function joinFleet(options: FleetOptions): Promise<Switchgear> {
  const { fleet, servers, identity, tls, deadlineMs } = options
  const { natsLog } = await openDoor(() => import('../nats.ts'), '@nats-io/transport-node @nats-io/jetstream')
  const log = natsLog({ servers, ...identity, tls, manage: false, deadlineMs: Math.min(answerMs, deadlineMs) })
  const gear = createSwitchgear({ fleet, instance: observerName(), log })
  try {
    await linked(gear, options)
    return gear
  } catch (error) {
    await gear.close()
    throw error
  }
}

/** Waits until it is linked, until waiting is no use, or until the time is over. */
async function linked(gear: Switchgear, { fleet, servers, deadlineMs }: FleetOptions): Promise<void> {
  let why = ''
  const settled$ = gear.link$.pipe(
    tap((link) => (why = link.state === 'down' ? link.why : 'the log is being read')),
    filter((link) => link.state === 'linked' || isFinal(link)),
    map((link) => link.state),
    timeout({ first: deadlineMs }),
  )
  const state = await firstValueFrom(settled$).catch((error: unknown) => {
    if (error instanceof TimeoutError) return 'down'
    throw error
  })
  if (state === 'linked') return
  const where = `${servers.map(withoutUser).join(', ')}, fleet "${fleet}"`
  throw new UnavailableError(where, `${why} (waited ${readableDuration(deadlineMs)} at most); ${adviceFor(why)}`)
}

const missing = /does not exist/
const unusable = /cannot be used/
const refused = /authorization|authentication|permission|credentials/i

/** Waiting does not mend it. */
function isFinal(link: Link): boolean {
  return link.state === 'down' && [missing, unusable, refused].some((pattern) => pattern.test(link.why))
}

function adviceFor(why: string): string {
  if (missing.test(why))
    return 'is --fleet right? Instances with `manage: true` make the stream, or docs/nats.md has how'
  if (unusable.test(why)) return 'docs/nats.md has the settings that it must have'
  if (refused.test(why)) return 'check --user and --pass, --token, --nkey or --creds'
  return 'is NATS running there? Check --servers (NATS_URL), or give it longer with --deadline'
}

/** A URL without what identifies, for messages. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?.*@/, '$1')
}

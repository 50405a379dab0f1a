import type { ArgsDef, CommandDef } from 'citty'
import type { Switchgear } from '../index.ts'
import type { ExitCode } from './exit-codes.ts'
import { fleetArgs, readFleetOptions } from './fleet-options.ts'
import { isGiven, type Given } from './given.ts'
import { joinFleet } from './join-fleet.ts'
import { screenOn, type Screen } from './screen.ts'

export interface FleetCommand {
  readonly name: string
  readonly description: string
  /** Its own; those of `fleetArgs` come on top. */
  readonly args: ArgsDef
  /**
   * Reads what was given, before anything is asked of NATS, and gives what to do once the fleet is joined.
   * @throws ConfigError
   */
  prepare(given: Given): (joined: Joined) => ExitCode | Promise<ExitCode>
}

/** A fleet that was joined and read, until the command is done. */
export interface Joined {
  readonly gear: Switchgear
  readonly screen: Screen
}

/** A command that joins the fleet for as long as it runs, and leaves it whatever happens. */
export function fleetCommand({ name, description, args, prepare }: FleetCommand): CommandDef {
  return {
    meta: { name, description },
    args: { ...args, ...fleetArgs },
    async run({ args: given }): Promise<ExitCode> {
      const work = prepare(given)
      const gear = await joinFleet(readFleetOptions(given))
      try {
        return await work({ gear, screen: screenOn(process.stdout, isGiven(given, 'json')) })
      } finally {
        await gear.close()
      }
    },
  }
}

import { countEvents } from './count-events.ts'
import type { Instruments } from './instruments.ts'
import { readOthers } from './read-others.ts'
import { readState } from './read-state.ts'
import { type Telemetry, telemetryDefaults, type TelemetryOptions } from './telemetry-options.ts'

/** All the metrics there are, on any backend. */
export function measure(instruments: Instruments, options: TelemetryOptions): Telemetry {
  const { labelValuesMax = telemetryDefaults.labelValuesMax, gear } = options
  const stops = [countEvents(instruments, labelValuesMax)]
  const stopListening = (): void => {
    for (const stop of stops.splice(0)) stop()
  }
  readOthers(instruments, options)
  if (gear !== undefined) {
    stops.push(readState(instruments, gear, labelValuesMax))
    const life = gear.transitions$.subscribe({ next: () => {}, complete: stopListening })
    stops.push(() => life.unsubscribe())
  }
  let isClosed = false
  return {
    close() {
      if (isClosed) return
      isClosed = true
      stopListening()
      instruments.close()
    },
  }
}

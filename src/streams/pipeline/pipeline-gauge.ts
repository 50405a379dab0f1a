/** Items in the hands of pipelines. */
export interface PipelineCounts {
  /** On their way, waits between attempts included. */
  readonly inFlight: number
  /** For a place, a limit or a destination. */
  readonly waiting: number
}

/** Says what pipelines have in hand: all those of `deliver` that were given it, as long as they run. */
export interface PipelineGauge {
  /** Now; it may be handed on by itself. Never throws. */
  readonly counts: () => PipelineCounts
  /** For `deliver`: a pipeline runs, until what this gives is called. */
  readonly add: (read: () => PipelineCounts) => () => void
}

/**
 * A gauge for one or more pipelines. To be read at any time, or by `switchgear/telemetry` at each collection.
 * @example
 * const inHand = pipelineGauge()
 * prometheus(registry, { gear, pipelines: { alerts: inHand.counts } })
 * alerts$.pipe(deliver({ through: smtp, to: send, gauge: inHand }))
 */
export function pipelineGauge(): PipelineGauge {
  const running = new Set<() => PipelineCounts>()
  return {
    counts() {
      let [inFlight, waiting] = [0, 0]
      for (const read of running) {
        const counts = read()
        inFlight += counts.inFlight
        waiting += counts.waiting
      }
      return { inFlight, waiting }
    },
    add(read) {
      running.add(read)
      return () => void running.delete(read)
    },
  }
}

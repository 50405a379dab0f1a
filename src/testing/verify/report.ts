/** What became of one law. */
export interface LawResult {
  readonly name: string
  /**
   * `vacuous`: too few cases came to the point, so that nothing was shown. `skipped`: somebody left it out, with a
   * reason. `notApplicable`: the configuration does not use what it is about.
   */
  readonly status: 'passed' | 'failed' | 'vacuous' | 'skipped' | 'notApplicable'
  /** Cases that were tried. */
  readonly runs: number
  /** For people: why it is not passed, or that it has passed on settings of its own. */
  readonly reason?: string
  /** Tries the same cases again, as `SWITCHGEAR_SEED`. */
  readonly seed?: number
  /** The shortest counterexample, as a timeline where the law can tell it. */
  readonly story?: string
  /** The setting, or the handler, that it comes from, where one is to blame. */
  readonly cause?: { readonly path: string; readonly message: string }
}

/** What `check` found. */
export interface VerificationReport {
  /** Whether no law is failed or vacuous. */
  readonly ok: boolean
  readonly seed: number
  readonly durationMs: number
  readonly laws: readonly LawResult[]
}

/** A result as a test's message shows it. */
export function describeResult({ name, status, reason, seed, story, cause }: LawResult): string {
  return [
    `law ${name} is ${status}${reason === undefined ? '' : `: ${reason}`}`,
    ...(story === undefined ? [] : ['', story, '']),
    ...(cause === undefined ? [] : [`cause: ${cause.path}: ${cause.message}`]),
    ...(seed === undefined ? [] : [`replay with SWITCHGEAR_SEED=${seed}`]),
  ].join('\n')
}

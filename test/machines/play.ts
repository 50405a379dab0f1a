import type { Breaker } from 'switchgear'
import type { VirtualClock } from 'switchgear/testing'

/** An error that says nothing of the dependency: this process has no file descriptors left. */
export const ownFault = (): Error => Object.assign(new Error('too many open files'), { code: 'EMFILE' })

/**
 * Plays outcomes through a breaker, one after the other, and gives its mode after each: `S` success, `F` failure,
 * `I` ignored, `S@100` and `F@100` ones that take 100 ms, `R` a call that must be refused, `+100` lets 100 ms pass, and
 * `F*4` is four of them.
 */
export async function play(breaker: Breaker, clock: VirtualClock, script: string): Promise<string[]> {
  const modes: string[] = []
  for (const step of script.split(' ').flatMap(repeated)) {
    if (step.startsWith('+')) await clock.advanceBy(Number(step.slice(1)))
    else {
      const settled = await clock.runUntil(outcome(breaker, clock, step))
      if (settled !== step.charAt(0)) throw new Error(`${step} in "${script}" ended as ${settled}`)
      modes.push(breaker.state.mode)
    }
  }
  return modes
}

function repeated(step: string): string[] {
  const [what = '', times = '1'] = step.split('*')
  return Array.from({ length: Number(times) }, () => what)
}

/** What became of one call, in the letters of the script. */
function outcome(breaker: Breaker, clock: VirtualClock, step: string): Promise<string> {
  const [kind, tookMs = '0'] = step.split('@')
  return breaker
    .run(async () => {
      if (tookMs !== '0') await clock.sleep(Number(tookMs))
      if (kind === 'F') throw new Error('down')
      if (kind === 'I') throw ownFault()
    })
    .then(
      () => 'S',
      (error: { readonly code?: string }) =>
        error.code === 'SWITCHGEAR_BREAKER_OPEN' ? 'R' : error.code === 'EMFILE' ? 'I' : 'F',
    )
}

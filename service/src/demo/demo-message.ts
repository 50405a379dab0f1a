import { pagerIsDead, roundMs } from './made-up-world.ts'

/** What a person reads when the demonstration has started. */
export function demoMessage([first = '', ...others]: readonly string[]): string {
  const seconds = (ms: number): string => `${ms / 1_000} s`
  return [
    '',
    '  Switchgear, a demonstration: three instances of the alert service, and nothing that is sent anywhere.',
    '',
    `  The dashboard:  ${first}/`,
    `  the same fleet, seen by the others:  ${others.map((url) => `${url}/`).join('  ')}`,
    '',
    `  Every ${seconds(roundMs)} pager.example is dead for ${seconds(pagerIsDead.untilMs - pagerIsDead.fromMs)}, for the first time in ${seconds(pagerIsDead.fromMs)}:`,
    '  its breaker opens on all instances at once, probes, and closes when it is well again.',
    '',
    '  Ctrl-C ends it.',
    '',
  ].join('\n')
}

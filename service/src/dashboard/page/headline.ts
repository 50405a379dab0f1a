import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setAttribute, setText } from './dom.ts'
import { count, plural, share, span } from './format.ts'
import { totalsSince } from './outcome-section.ts'
import type { LetterStats } from './letter.ts'

type Mood = 'good' | 'warn' | 'bad' | 'plain'

/** How it goes, in six figures, each a way to its section. */
export function headline(board: Board, letters: () => LetterStats | undefined): { update(): void } {
  const place = sectionOf('headline')
  const tiles = {
    breakers: tile('breakers', 'Breakers'),
    fleet: tile('fleet', 'Fleet'),
    letters: tile('letters', 'Dead letters'),
    outcomes: tile('outcomes', 'Delivered, last minute'),
    limits: tile('limits', 'Refused by limits, last minute'),
    cache: tile('cache', 'Cache hits'),
  }
  place.append(...Object.values(tiles).map(({ element }) => element))
  return { update }

  function update(): void {
    const notClosed = [...board.breakers.values()].filter(({ mode }) => mode !== 'closed')
    const refusing = notClosed.filter(({ mode }) => mode !== 'disabled').length
    tiles.breakers.say(
      refusing > 0 ? 'bad' : notClosed.length > 0 ? 'warn' : 'good',
      notClosed.length === 0 ? 'all closed' : `${count(notClosed.length)} not closed`,
      `of ${plural(board.breakers.size, 'breaker')}`,
    )
    fleet()
    const stats = letters()
    if (stats !== undefined)
      tiles.letters.say(
        stats.total === 0 ? 'good' : 'warn',
        count(stats.total),
        stats.total === 0 ? 'nothing waits' : `oldest ${span(stats.oldestAgeMs)}`,
      )
    activity()
    const { hitRate = 0, hits = 0, misses = 0 } = board.summary?.cache ?? {}
    tiles.cache.say('plain', hits + misses === 0 ? '–' : share(hitRate, 1), `of ${plural(hits + misses, 'read')}`)
  }

  function fleet(): void {
    const view = board.summary?.fleet
    if (view === undefined) return
    const { agrees, lags, differs, cutOff, silent } = view.standings
    const trouble = [
      [differs, 'differ'],
      [cutOff, 'cut off'],
      [silent, 'silent'],
      [lags, 'lag'],
    ] as const
    const said = trouble.filter(([of]) => of > 0).map(([of, what]) => `${count(of)} ${what}`)
    tiles.fleet.say(
      differs + cutOff > 0 ? 'bad' : silent + lags > 0 ? 'warn' : 'good',
      `${count(agrees)} of ${count(view.total)} agree`,
      said.length === 0 ? plural(view.total, 'instance') : said.join(', '),
    )
  }

  function activity(): void {
    const { delivered, lost, refused } = totalsSince(board, 60_000)
    const all = delivered + lost
    tiles.outcomes.say(
      lost === 0 ? 'good' : lost / all > 0.05 ? 'bad' : 'warn',
      count(delivered),
      lost === 0 ? 'nothing failed' : `${count(lost)} failed (${share(lost, all)})`,
    )
    tiles.limits.say(refused === 0 ? 'good' : 'warn', count(refused), refused === 0 ? 'nobody is held back' : 'see who')
  }
}

function tile(
  section: string,
  title: string,
): { readonly element: HTMLElement; say(mood: Mood, value: string, note: string): void } {
  const [value, note] = [h('strong'), h('small')]
  const element = h('a', { href: `#${section}`, class: 'tile' }, h('span', {}, title), value, note)
  return {
    element,
    say(mood, said, noted) {
      setAttribute(element, 'class', `tile is-${mood}`)
      setText(value, said)
      setText(note, noted)
    },
  }
}

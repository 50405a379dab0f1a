import type { Board } from './board.ts'
import { sectionOf } from './section.ts'
import { h, setAttribute, setText } from './dom.ts'
import { bytes, count, plural, share } from './format.ts'
import type { TierView } from './wire.ts'

/** How reads are answered, tier by tier. */
export function cacheSection(board: Board): { update(): void } {
  const [local, shared] = [tier('In process'), tier('Shared')]
  const said = h('p', { class: 'quiet' })
  sectionOf('cache').append(h('ul', { class: 'tiers' }, local.element, shared.element), said)
  return {
    update() {
      const cache = board.summary?.cache
      if (cache === undefined) return
      local.update(cache.tiers.local)
      shared.update(cache.tiers.shared)
      const stale = cache.stale > 0 ? `, ${count(cache.stale)} stale` : ''
      setText(
        said,
        `${plural(cache.hits + cache.misses, 'read')}, ${plural(cache.loads, 'load')}${stale}; ${plural(cache.entries, 'entry', 'entries')}, ${bytes(cache.bytes)} in this process.`,
      )
    },
  }
}

function tier(name: string): { readonly element: HTMLElement; update(tier: TierView): void } {
  const meter = h('meter', { min: 0, max: 1, 'aria-label': `${name}: hits of all reads` })
  const said = h('span', { class: 'quiet' })
  return {
    element: h('li', {}, h('span', { class: 'name' }, name), meter, said),
    update({ hits, misses, unanswered }) {
      const all = hits + misses
      setAttribute(meter, 'value', all === 0 ? 0 : hits / all)
      setText(said, `${share(hits, all)} of ${count(all)}${unanswered > 0 ? ` · ${count(unanswered)} unanswered` : ''}`)
    },
  }
}

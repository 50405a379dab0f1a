/** One of a list's elements, and how it is brought up to date. */
export interface Row<T> {
  readonly element: Element
  update(item: T): void
}

/** How long after somebody has touched one of them they stay in their places, in ms. */
const restMs = 4_000

/**
 * Keeps the children of an element in step with items, each known by its key. While somebody is busy with them nobody
 * moves: what is about to be pressed stays where it is, and what has the focus keeps it.
 */
export function keyed<T>(
  parent: Element,
  keyOf: (item: T) => string,
  create: (item: T) => Row<T>,
): (items: readonly T[]) => void {
  const rows = new Map<string, Row<T>>()
  let touchedAt = -Infinity
  for (const kind of ['pointermove', 'pointerdown', 'keydown', 'focusin'])
    parent.addEventListener(kind, () => (touchedAt = performance.now()))

  return (items) => {
    const focused = document.activeElement
    const byKey = new Map(items.map((item) => [keyOf(item), item]))
    for (const [key, row] of rows) {
      if (byKey.has(key)) continue
      row.element.remove()
      rows.delete(key)
    }
    let at = parent.firstElementChild
    for (const key of inOrder([...byKey.keys()])) {
      const item = byKey.get(key)
      if (item === undefined) continue
      const row = rows.get(key) ?? create(item)
      rows.set(key, row)
      row.update(item)
      if (row.element === at) at = at.nextElementSibling
      else parent.insertBefore(row.element, at)
    }
    keepFocus(focused)
  }

  /** What is moved loses it. */
  function keepFocus(focused: Element | null): void {
    if (!(focused instanceof HTMLElement) || document.activeElement === focused || !parent.contains(focused)) return
    const before = touchedAt
    focused.focus({ preventScroll: true })
    touchedAt = before
  }

  function inOrder(wanted: readonly string[]): readonly string[] {
    if (performance.now() - touchedAt > restMs) return wanted
    const isWanted = new Set(wanted)
    const shown = [...rows].map(([key, { element }]) => ({ key, element })).filter(({ key }) => isWanted.has(key))
    shown.sort((a, b) => (a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1))
    return [...shown.map(({ key }) => key), ...wanted.filter((key) => !rows.has(key))]
  }
}

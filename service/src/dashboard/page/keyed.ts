/** One of a list's elements, and how it is brought up to date. */
export interface Row<T> {
  readonly element: Element
  update(item: T): void
}

/**
 * Keeps the children of an element in step with items, each known by its key. While the focus is among them nobody moves:
 * what somebody is about to press stays where it is.
 */
export function keyed<T>(
  parent: Element,
  keyOf: (item: T) => string,
  create: (item: T) => Row<T>,
): (items: readonly T[]) => void {
  const rows = new Map<string, Row<T>>()

  return (items) => {
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
  }

  function inOrder(wanted: readonly string[]): readonly string[] {
    if (!parent.contains(document.activeElement)) return wanted
    const isWanted = new Set(wanted)
    const shown = [...rows].map(([key, { element }]) => ({ key, element })).filter(({ key }) => isWanted.has(key))
    shown.sort((a, b) => (a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1))
    return [...shown.map(({ key }) => key), ...wanted.filter((key) => !rows.has(key))]
  }
}

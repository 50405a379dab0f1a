/** The place of a section in the page. @throws TypeError where the page has none */
export function sectionOf(id: string): HTMLElement {
  const section = document.getElementById(id)
  if (section === null) throw new TypeError(`the page has no ${id}`)
  return section
}

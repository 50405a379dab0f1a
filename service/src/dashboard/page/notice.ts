import { h } from './dom.ts'

/** How long a notice stands, in ms. */
const standsMs = 6_000
const noticesMax = 4

/** Says something at the edge of the page, and to a screen reader. */
export function notify(text: string, kind: 'good' | 'bad' | 'plain' = 'plain'): void {
  const place = document.querySelector('#notices')
  if (place === null) return
  const notice = h('p', { class: `notice ${kind}` }, text)
  place.append(notice)
  while (place.childElementCount > noticesMax) place.firstElementChild?.remove()
  setTimeout(() => notice.remove(), standsMs)
}

/** Says to a screen reader alone what others see. */
export function announce(text: string): void {
  const place = document.querySelector('#announcements')
  if (place !== null) place.textContent = text
}

/** Does what somebody asked for, and says so where it fails. Gives whether it was done. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    notify(error instanceof Error ? error.message : String(error), 'bad')
    return false
  }
}

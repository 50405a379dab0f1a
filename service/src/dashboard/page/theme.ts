import { setAttribute, setText } from './dom.ts'

const key = 'switchgear.theme'
const themes = ['auto', 'light', 'dark'] as const

/** As the system has it, or as somebody wants it; remembered by this browser. */
export function themeButton(button: HTMLElement): void {
  let theme = themes.find((name) => name === localStorage.getItem(key)) ?? 'auto'
  wear()
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto'
    localStorage.setItem(key, theme)
    wear()
  })

  function wear(): void {
    setAttribute(document.documentElement, 'data-theme', theme === 'auto' ? undefined : theme)
    setText(button, { auto: '◐', light: '☀', dark: '☾' }[theme])
    setAttribute(button, 'aria-label', `Colours: ${theme}`)
    setAttribute(button, 'title', `Colours: ${theme}`)
  }
}

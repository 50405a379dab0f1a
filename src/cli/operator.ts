import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'

/** Who is at the keyboard, by the operating system; `undefined` where it has no name for them. */
export function operatorName(): string | undefined {
  try {
    const { username } = userInfo()
    return username === '' ? undefined : username
  } catch {
    return undefined
  }
}

/** The name under which a command joins a fleet for a moment: it says what it is, and no two are alike. */
export function observerName(): string {
  const user = (operatorName() ?? 'somebody').slice(0, 64).replaceAll(/[^\w.-]/g, '_')
  return `cli-${user}-${process.pid}-${randomBytes(3).toString('hex')}`
}

import { TimeoutError } from 'switchgear'

/** A deadline is counted in steps of so many ms, so that an event loop that is blocked for long costs one of them. */
const stepMs = 250

/**
 * The deadline is for the work, and not for this process: what it needs for other things does not count.
 * @throws TimeoutError when the work takes longer than `deadlineMs`; it is not called off.
 */
export async function within<T>(deadlineMs: number, what: string, work: Promise<T>): Promise<T> {
  let leftMs = deadlineMs
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setInterval(
      () => {
        leftMs -= stepMs
        if (leftMs <= 0) reject(new TimeoutError(what, deadlineMs))
      },
      Math.min(stepMs, deadlineMs),
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearInterval(timer)
  }
}

/** How long this process was kept from its timers at most, in ms, until it is asked. */
export function lagWatch(): () => number {
  let [last, longestMs] = [performance.now(), 0]
  const look = (): void => {
    longestMs = Math.max(longestMs, performance.now() - last)
    last = performance.now()
  }
  const timer = setInterval(look, 5)
  return () => {
    clearInterval(timer)
    look()
    return longestMs
  }
}

import type { Observable, Subscription } from 'rxjs'

/** What an Observable emits, as it comes; its end as a text. */
export function recorded<T>(source$: Observable<T>): { events: unknown[]; subscription: Subscription } {
  const events: unknown[] = []
  const subscription = source$.subscribe({
    next: (value) => void events.push(value),
    error: (error: unknown) => void events.push(`error: ${error instanceof Error ? error.message : String(error)}`),
    complete: () => void events.push('complete'),
  })
  return { events, subscription }
}

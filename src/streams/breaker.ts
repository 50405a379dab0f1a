import { defer, filter, map, startWith, type Observable } from 'rxjs'
import { CircuitBreaker } from '../machines/breaker.ts'
import type { BreakerHost } from '../machines/breaker-lifecycle.ts'
import type { BreakerState } from '../machines/breaker-state.ts'
import type { Transition } from '../machines/transition.ts'

/** A circuit breaker whose state can be watched. */
export class Breaker extends CircuitBreaker {
  declare protected readonly host: ObservableHost

  /** Its state: the current one at once, then each that a transition leads to. Completes when the instance closes. */
  get state$(): Observable<BreakerState> {
    return defer(() =>
      this.host.transitions$.pipe(
        filter(({ breaker }) => breaker === this.name),
        map(() => this.state),
        startWith(this.state),
      ),
    )
  }
}

export interface ObservableHost extends BreakerHost<CircuitBreaker> {
  readonly transitions$: Observable<Transition>
}

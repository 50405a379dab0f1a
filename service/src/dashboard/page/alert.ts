/** An alert as a search finds it. */
export interface Alert {
  readonly organization: string
  readonly id: string
  readonly severity: string
  readonly status: string
  readonly type: string
  readonly title: string
  readonly message: string
  readonly acceptedAt: number
}

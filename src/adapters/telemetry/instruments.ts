/** Values of labels, by name. */
export type Labels = Readonly<Record<string, string>>

/** What a metric is called and what it means; `name` is without the prefix and the endings that a backend adds. */
export interface MetricDefinition {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  /** `s`: durations in seconds. `By`: bytes. Absent: a number of things. */
  readonly unit?: 's' | 'By' | undefined
}

/** One reading of a gauge. */
export interface Reading {
  readonly labels: Labels
  readonly value: number
}

/** What a backend of metrics can do for us. */
export interface Instruments {
  counter(definition: MetricDefinition): (labels: Labels, by?: number) => void
  histogram(definition: MetricDefinition): (labels: Labels, value: number) => void
  /** `read` is called at each collection. What it gave before is forgotten; when it rejects, there is no reading. */
  gauge(definition: MetricDefinition, read: () => readonly Reading[] | Promise<readonly Reading[]>): void
  /** Takes all of them out again. */
  close(): void
}

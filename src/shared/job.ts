/** Progress of long work, reported at least once a second while it runs. */
export interface Progress {
  /** What is going on, for people: `reading`, `training`, `segmenting`. */
  stage: string
  done: number
  total: number
  /** Unit of `done` and `total`: `steps`, `slices`, `bytes`. */
  unit: string
  /** Seconds until the end of the whole job, when it can be told. */
  etaSeconds?: number
  /** Readings worth showing beside the bar, such as the current loss. */
  readings?: Record<string, number>
}

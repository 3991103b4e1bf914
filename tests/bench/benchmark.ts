import type { BenchmarkResult } from './report.ts'

export interface BenchmarkOptions {
  /** Tiny sizes and few rounds: shows that the benchmark runs, its numbers mean nothing. */
  smoke: boolean
  /** Length of the soak, in minutes. */
  minutes: number
  /** Peers to compare with; all when `null`. */
  peerNames: readonly string[] | null
  scores: ScoreOptions
  /** Empty temporary folder, removed afterwards. */
  folder: string
  /** One line that replaces the last one, on a terminal. */
  onProgress: (text: string) => void
}

export interface ScoreOptions {
  model: 'unet' | 'vgg16-nn'
  /** Of `vgg16-nn`; `null` means its default. */
  features: string | null
  /** `null` means what the preset says. */
  steps: number | null
  seeds: readonly number[]
  /** Splits to run; all when `null`. */
  splitNames: readonly string[] | null
  /** What `peers/keras_scores.py` or `peers/feature_scores.py` wrote; `null` compares with nothing. */
  kerasFile: string | null
}

export type Benchmark = (options: BenchmarkOptions) => Promise<BenchmarkResult>

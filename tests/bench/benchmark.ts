import type { BenchmarkResult } from './report.ts'

export interface BenchmarkOptions {
  /** Tiny sizes and few rounds: shows that the benchmark runs, its numbers mean nothing. */
  smoke: boolean
  /** Length of the soak, in minutes. */
  minutes: number
  /** Empty temporary folder, removed afterwards. */
  folder: string
  /** One line that replaces the last one, on a terminal. */
  onProgress: (text: string) => void
}

export type Benchmark = (options: BenchmarkOptions) => Promise<BenchmarkResult>

import type { Progress } from '../../shared/job.ts'

/** What every long call takes. */
export interface JobOptions {
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
}

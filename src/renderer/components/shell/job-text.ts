import { formatInteger } from '../../format/numbers.ts'
import { formatDuration } from '../../format/times.ts'
import type { Job } from '../../../shared/contract/jobs.ts'

/** Share that is done, 0…1; `null` when it cannot be told. */
export function jobProgress(job: Job): number | null {
  const { progress } = job
  return progress === null || progress.total <= 0 ? null : Math.min(1, progress.done / progress.total)
}

/** `slices 38 / 60 · 41 min left` */
export function jobReading(job: Job): string {
  const { progress } = job
  if (progress === null) return job.state === 'running' ? 'starting' : job.state
  const parts = [`${progress.unit} ${formatInteger(progress.done)} / ${formatInteger(progress.total)}`]
  if (progress.etaSeconds !== undefined) parts.push(`${formatDuration(progress.etaSeconds)} left`)
  return parts.join(' · ')
}

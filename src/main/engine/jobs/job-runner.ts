import type { JobOptions } from '../job-options.ts'

/** Runs long work in this process and tells its progress; see `shared/contract/jobs.ts`. */
export interface JobRunner {
  /**
   * Starts work and answers with its id at once. `run` returns the sentence for people that ends the job: what was done, how
   * fast, what was not. A rejection ends it as failed, `Cancelled` as stopped.
   */
  start(job: JobDescription, run: JobWork): string
}

export type JobWork = (options: Required<JobOptions>) => Promise<string>

export interface JobDescription {
  kind: string
  title: string
  /** Shown in the background only; waits for other quiet jobs, not for those that somebody started. Default: no. */
  quiet?: boolean
  /**
   * Set for a job that can be taken up again in a new process: what the resumer of this kind needs, as plain JSON. The job
   * keeps its id. Without it a job that loses its process is told as failed.
   */
  resume?: unknown
}

/** A job that is taken up again. */
export interface ResumedWork {
  run: JobWork
  /** What has to be there before it can go on. Until then the job waits, and does not stand in the way of others. */
  wait?: {
    /** For people: `waiting for the project anode to be opened again`. */
    reason: string
    /** Rejects with what the job then fails with, and with `Cancelled` through the signal. */
    until: (signal: AbortSignal) => Promise<void>
  }
}

/**
 * Makes the work of a job again from what it had recorded, which may have been written by another version. Throws `BadInput` when
 * that is not possible any more.
 */
export type JobResumer = (resume: unknown) => ResumedWork

/** Resumers by kind of job. */
export type JobResumers = Readonly<Record<string, JobResumer>>

import type { JobOptions } from '../job-options.ts'

/** Runs long work in this process and tells its progress; see `shared/contract/jobs.ts`. */
export interface JobRunner {
  /**
   * Starts work and answers with its id at once. `run` returns the sentence for people that ends the job: what was done, how
   * fast, what was not. A rejection ends it as failed, `Cancelled` as stopped.
   */
  start(
    job: { kind: string; title: string; quiet?: boolean },
    run: (options: Required<JobOptions>) => Promise<string>,
  ): string
}

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Emit, ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { Job, jobsService } from '../../../shared/contract/jobs.ts'
import {
  PhasemarkError,
  cancelled,
  hasTag,
  isPhasemarkError,
  throwIfCancelled,
  toErrorData,
} from '../../../shared/errors.ts'
import type { Progress } from '../../../shared/job.ts'
import type { JobRecord, RecordedJob } from './job-record.ts'
import type { JobDescription, JobResumer, JobRunner, JobWork } from './job-runner.ts'
import { throttle } from './throttle.ts'
import type { Throttle } from './throttle.ts'

/** Progress of a job is announced at most ten times a second: more cannot be seen. */
const progressIntervalMs = 100

/** Heavy jobs at the same time, in each lane. Two, so that a long one does not stand in the way of a short one. */
const defaultParallelJobs = 2

/** Ended jobs that are kept for the list. */
const mostEndedJobs = 100

/** How long the end of the process waits for jobs to stop. What they leave behind is made for being killed. */
const longestStopMs = 2000

/** A job that has lost this many processes probably ends them. */
const mostAttempts = 3

export interface JobRunnerOptions {
  emit: Emit<typeof jobsService>
  /** Told about errors that are defects, and about a record that cannot be written. */
  reportDefect: (error: unknown, where: string) => void
  /** Where running jobs are kept for the process after this one; without it they are not. */
  record?: JobRecord
  parallelJobs?: number
}

/** The job runner of one process and its `jobs` service. */
export interface JobService {
  readonly runner: JobRunner
  readonly implementation: ServiceImplementation<typeof jobsService>
  /** Says how jobs of a kind are taken up again. Before `resume`. */
  onResume(kind: string, resumer: JobResumer): void
  /** Takes up what an earlier process has left; once, when the process is complete. */
  resume(): Promise<void>
  /** Stops all jobs and waits for them, at most two seconds. Those that can be taken up again stay recorded. */
  close(): Promise<void>
}

interface ActiveJob {
  job: Job
  work: JobWork
  description: JobDescription
  attempts: number
  controller: AbortController
  throttle: Throttle
  /** Set while it runs. */
  ended: Promise<void> | null
}

/**
 * States of a job: waiting → running → done | stopped | failed. Jobs that somebody started and quiet ones wait in separate
 * lanes, each with its limit.
 */
export function createJobRunner(options: JobRunnerOptions): JobService {
  const { emit, reportDefect, record } = options
  const parallelJobs = options.parallelJobs ?? defaultParallelJobs
  /** In the order of their start. */
  const active = new Map<string, ActiveJob>()
  const ended = new Map<string, Job>()
  const resumers = new Map<string, JobResumer>()
  let closing = false

  function announce(job: Job): void {
    emit('changed', { ...job })
  }

  function writeRecord(): void {
    if (record === undefined) return
    const jobs = [...active.values()].filter((one) => !one.job.quiet).map(recorded)
    record.write(jobs).catch((error: unknown) => {
      reportDefect(error, 'the record of running jobs')
    })
  }

  function add(job: Job, description: JobDescription, work: JobWork, attempts: number): void {
    const one: ActiveJob = {
      job,
      description,
      work,
      attempts,
      controller: new AbortController(),
      throttle: throttle(progressIntervalMs, () => {
        announce(job)
      }),
      ended: null,
    }
    active.set(job.id, one)
    announce(job)
    writeRecord()
    startWaiting()
  }

  function startWaiting(): void {
    for (const quiet of [false, true]) {
      const lane = [...active.values()].filter((one) => one.job.quiet === quiet)
      let free = parallelJobs - lane.filter((one) => one.job.state === 'running').length
      for (const one of lane) {
        if (free <= 0) break
        if (one.job.state !== 'waiting') continue
        free--
        one.ended = run(one)
      }
    }
  }

  async function run(one: ActiveJob): Promise<void> {
    const { job, controller } = one
    job.state = 'running'
    announce(job)
    // Later, so that the id is with the caller before the work begins.
    await Promise.resolve()
    try {
      throwIfCancelled(controller.signal)
      const summary = await one.work({
        signal: controller.signal,
        onProgress: (progress) => {
          if (job.state !== 'running') return
          job.progress = finite(progress)
          one.throttle.touch()
        },
      })
      end(one, 'done', { summary })
    } catch (error) {
      if (hasTag(error, 'Cancelled')) {
        end(one, 'stopped', { summary: error.fields.resumeHint ?? null })
      } else {
        if (!isPhasemarkError(error) || error._tag === 'Internal') reportDefect(error, `job ${job.kind}`)
        end(one, 'failed', { error })
      }
    }
  }

  function end(
    one: ActiveJob,
    state: 'done' | 'stopped' | 'failed',
    outcome: { summary?: string | null; error?: unknown },
  ): void {
    const { job } = one
    one.throttle.stop()
    job.state = state
    job.endedAt = new Date().toISOString()
    job.summary = outcome.summary ?? null
    job.error = outcome.error === undefined ? null : toErrorData(outcome.error)
    active.delete(job.id)
    keepEnded(job)
    announce(job)
    if (!closing) writeRecord()
    if (!closing) startWaiting()
  }

  function keepEnded(job: Job): void {
    // Nobody looks for a background job that went well.
    if (job.quiet && job.state !== 'failed') return
    ended.set(job.id, job)
    for (const id of ended.keys()) {
      if (ended.size <= mostEndedJobs) break
      ended.delete(id)
    }
  }

  function cancel(one: ActiveJob): void {
    one.controller.abort()
    if (one.job.state === 'waiting') end(one, 'stopped', {})
  }

  function takeUp(left: RecordedJob): void {
    const job: Job = { ...newJob(left), id: left.id, startedAt: left.startedAt }
    const resumer = resumers.get(left.kind)
    try {
      if (resumer === undefined || left.resume === undefined)
        throw lostProcess(left, 'it cannot be taken up again')
      if (left.attempts >= mostAttempts) throw lostProcess(left, `that happened ${left.attempts} times`)
      add(
        job,
        { kind: left.kind, title: left.title, resume: left.resume },
        resumer(left.resume),
        left.attempts + 1,
      )
    } catch (error) {
      job.state = 'failed'
      job.endedAt = new Date().toISOString()
      job.error = toErrorData(error)
      keepEnded(job)
      announce(job)
    }
  }

  return {
    runner: {
      start(description, work) {
        if (closing) throw cancelled()
        const job = newJob(description)
        add(job, description, work, 1)
        return job.id
      },
    },
    implementation: {
      list: () => [...ended.values(), ...[...active.values()].map(({ job }) => job)],
      cancel({ id }) {
        const one = active.get(id)
        if (one !== undefined) cancel(one)
        else if (!ended.has(id)) throw noSuchJob(id)
        return {}
      },
      dismiss({ id }) {
        if (active.has(id)) {
          throw new PhasemarkError('WrongUsage', `job ${id}: expected one that has ended, found it running`, {
            argument: 'id',
          })
        }
        ended.delete(id)
        return {}
      },
    },
    onResume(kind, resumer) {
      resumers.set(kind, resumer)
    },
    async resume() {
      if (record === undefined) return
      for (const left of await record.adopt()) takeUp(left)
    },
    async close() {
      closing = true
      const running = [...active.values()]
      const resumable = running.filter((one) => one.description.resume !== undefined).map(recorded)
      for (const one of running) cancel(one)
      await Promise.race([
        Promise.all(
          running.map(async (one) => {
            await one.ended
          }),
        ),
        delay(longestStopMs, undefined, { ref: false }),
      ])
      await record?.write(resumable)
    },
  }
}

function newJob({ kind, title, quiet = false }: JobDescription): Job {
  return {
    id: randomUUID(),
    kind,
    title,
    state: 'waiting',
    progress: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
    summary: null,
    error: null,
    quiet,
  }
}

function recorded({ job, description, attempts }: ActiveJob): RecordedJob {
  const { id, kind, title, startedAt } = job
  return { id, kind, title, startedAt, attempts, resume: description.resume }
}

/** Rates and remaining times may be endless for a moment; what is no number is not told. */
function finite(progress: Progress): Progress {
  const { etaSeconds, readings, ...rest } = progress
  return {
    ...rest,
    ...(etaSeconds !== undefined && Number.isFinite(etaSeconds) ? { etaSeconds } : {}),
    ...(readings === undefined
      ? {}
      : {
          readings: Object.fromEntries(
            Object.entries(readings).filter(([, value]) => Number.isFinite(value)),
          ),
        }),
  }
}

function lostProcess({ title }: RecordedJob, why: string): PhasemarkError<'Disconnected'> {
  return new PhasemarkError(
    'Disconnected',
    `${title}: the process that did it ended before it was done, and ${why}. Start it again`,
    { process: 'engine' },
  )
}

function noSuchJob(id: string): PhasemarkError<'WrongUsage'> {
  return new PhasemarkError('WrongUsage', `expected a job of this process, found none with the id ${id}`, {
    argument: 'id',
  })
}

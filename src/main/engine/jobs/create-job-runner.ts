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
import type { JobDescription, JobResumers, JobRunner, JobWork, ResumedWork } from './job-runner.ts'
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
  /**
   * Takes up what an earlier process has left; once, when the process is complete. Jobs of a kind without a resumer are told as
   * failed.
   */
  resume(resumers?: JobResumers): Promise<void>
  /** Stops all jobs and waits for them, at most two seconds. Those that can be taken up again stay recorded. */
  close(): Promise<void>
}

interface ActiveJob {
  job: Job
  work: JobWork
  description: JobDescription
  /** Processes in which it has been running. */
  attempts: number
  /** What it waits for has not come yet. */
  isBlocked: boolean
  controller: AbortController
  throttle: Throttle
  /** Set while it runs. */
  ended: Promise<void> | null
}

/**
 * States of a job: waiting → running → done | stopped | failed. Jobs that somebody started and quiet ones wait in separate
 * lanes, each with its limit. One that was taken up again and waits for something enters its lane when that has come.
 */
export function createJobRunner(options: JobRunnerOptions): JobService {
  const { emit, reportDefect, record } = options
  const parallelJobs = options.parallelJobs ?? defaultParallelJobs
  /** In the order of their start. */
  const active = new Map<string, ActiveJob>()
  const ended = new Map<string, Job>()
  let closing = false

  function announce(job: Job): void {
    emit('changed', { ...job })
  }

  /** Resolves when the jobs as they are now are on disk; a record that cannot be written stops no job. */
  async function writeRecord(): Promise<void> {
    if (record === undefined) return
    try {
      await record.write([...active.values()].filter((one) => !one.job.quiet).map(recorded))
    } catch (error) {
      reportDefect(error, 'the record of running jobs')
    }
  }

  function add(job: Job, description: JobDescription, { run: work, wait }: ResumedWork, attempts = 0): void {
    const one: ActiveJob = {
      job,
      description,
      work,
      attempts,
      isBlocked: wait !== undefined,
      controller: new AbortController(),
      throttle: throttle(progressIntervalMs, () => {
        announce(job)
      }),
      ended: null,
    }
    job.summary = wait?.reason ?? null
    active.set(job.id, one)
    announce(job)
    void writeRecord()
    if (wait !== undefined) void unblock(one, wait.until)
    startWaiting()
  }

  async function unblock(one: ActiveJob, until: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await until(one.controller.signal)
      if (!active.has(one.job.id)) return
      one.isBlocked = false
      one.job.summary = null
      startWaiting()
      if (one.job.state === 'waiting') announce(one.job)
    } catch (error) {
      endBadly(one, error)
    }
  }

  function startWaiting(): void {
    for (const quiet of [false, true]) {
      const lane = [...active.values()].filter((one) => one.job.quiet === quiet)
      let free = parallelJobs - lane.filter((one) => one.job.state === 'running').length
      for (const one of lane) {
        if (free <= 0) break
        if (one.job.state !== 'waiting' || one.isBlocked) continue
        free--
        one.ended = run(one)
      }
    }
  }

  async function run(one: ActiveJob): Promise<void> {
    const { job, controller } = one
    job.state = 'running'
    one.attempts++
    announce(job)
    // Later, so that the id is with the caller before the work begins; and on record, so that it is not lost, nor taken up for ever.
    const isRecorded = writeRecord()
    await (job.quiet ? Promise.resolve() : isRecorded)
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
      endBadly(one, error)
    }
  }

  function endBadly(one: ActiveJob, error: unknown): void {
    if (hasTag(error, 'Cancelled')) {
      end(one, 'stopped', { summary: error.fields.resumeHint ?? null })
      return
    }
    if (!isPhasemarkError(error) || error._tag === 'Internal') reportDefect(error, `job ${one.job.kind}`)
    end(one, 'failed', { error })
  }

  function end(
    one: ActiveJob,
    state: 'done' | 'stopped' | 'failed',
    outcome: { summary?: string | null; error?: unknown },
  ): void {
    const { job } = one
    // Stopped while it waited: its waiting ends afterwards.
    if (!active.has(job.id)) return
    one.throttle.stop()
    job.state = state
    job.endedAt = new Date().toISOString()
    job.summary = outcome.summary ?? null
    job.error = outcome.error === undefined ? null : toErrorData(outcome.error)
    active.delete(job.id)
    keepEnded(job)
    announce(job)
    if (closing) return
    void writeRecord()
    startWaiting()
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
    else if (!closing) void writeRecord()
  }

  function takeUp(left: RecordedJob, resumer: JobResumers[string] | undefined): void {
    const job: Job = { ...newJob(left), id: left.id, startedAt: left.startedAt }
    try {
      if (left.stopping) throw cancelled()
      if (resumer === undefined || left.resume === undefined)
        throw lostProcess(left, 'it cannot be taken up again')
      if (left.attempts >= mostAttempts) throw lostProcess(left, `that happened ${left.attempts} times`)
      add(
        job,
        { kind: left.kind, title: left.title, resume: left.resume },
        resumer(left.resume),
        left.attempts,
      )
    } catch (error) {
      const isStopped = hasTag(error, 'Cancelled')
      job.state = isStopped ? 'stopped' : 'failed'
      job.endedAt = new Date().toISOString()
      job.error = isStopped ? null : toErrorData(error)
      keepEnded(job)
      announce(job)
    }
  }

  return {
    runner: {
      start(description, work) {
        if (closing) throw cancelled()
        const job = newJob(description)
        add(job, description, { run: work })
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
    async resume(resumers = {}) {
      if (record === undefined) return
      for (const left of await record.adopt()) takeUp(left, resumers[left.kind])
      await writeRecord()
    },
    async close() {
      closing = true
      const running = [...active.values()]
      // Before all are told to stop: what somebody had asked to stop stays so.
      const resumable = running
        .filter((one) => one.description.resume !== undefined && !one.controller.signal.aborted)
        .map(recorded)
      for (const one of running) cancel(one)
      await Promise.race([
        Promise.all(
          running.map(async (one) => {
            await one.ended
          }),
        ),
        delay(longestStopMs, undefined, { ref: false }),
      ])
      // What came to its end meanwhile is not begun again.
      await record?.write(resumable.filter(({ id }) => ended.get(id)?.state !== 'done'))
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

function recorded({ job, description, attempts, controller }: ActiveJob): RecordedJob {
  const { id, kind, title, startedAt } = job
  const stopping = controller.signal.aborted
  return { id, kind, title, startedAt, attempts, stopping, resume: description.resume }
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

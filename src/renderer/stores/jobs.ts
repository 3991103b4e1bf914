import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { fromErrorData, PhasemarkError, type ErrorData } from '../../shared/errors.ts'
import type { Job } from '../../shared/contract/jobs.ts'
import { useApi } from './api.ts'
import { useConnectionStore } from './connection.ts'
import { useNoticesStore } from './notices.ts'

type JobProcess = 'data' | 'compute'
/** A job and the process that runs it. */
export interface RunningJob extends Job {
  process: JobProcess
}

/** Long work of both processes: what runs, waits and has ended. */
export const useJobsStore = defineStore('jobs', () => {
  const api = useApi()
  const notices = useNoticesStore()
  const connection = useConnectionStore()
  const jobs = ref(new Map<string, RunningJob>())

  const all = computed(() =>
    [...jobs.value.values()].map(asFarAsKnown).sort((a, b) => b.startedAt.localeCompare(a.startedAt)),
  )
  const running = computed(() => all.value.filter((job) => job.state === 'running'))
  const waiting = computed(() => all.value.filter((job) => job.state === 'waiting'))
  /** The one that the status bar shows: what the user started, else what runs in the background. */
  const current = computed(() => running.value.find((job) => !job.quiet) ?? running.value.at(0) ?? null)

  /** A job whose process cannot be reached waits for it: what was running there may be taken up again. */
  function asFarAsKnown(job: RunningJob): RunningJob {
    if (job.state !== 'running' || connection.connected[job.process]) return job
    return { ...job, state: 'waiting', summary: `waiting for the ${job.process} process` }
  }

  function take(process: JobProcess, job: Job): void {
    const before = jobs.value.get(job.id)
    jobs.value.set(job.id, { ...job, process })
    if (job.endedAt !== null && before?.endedAt === null) sayEnd(job)
  }

  function sayEnd(job: Job): void {
    if (job.state === 'failed')
      notices.addError(
        `${job.title}: failed`,
        job.error === null ? 'no reason was given' : fromErrorData(job.error as ErrorData),
      )
    else if (!job.quiet)
      notices.add({
        tone: job.state === 'done' ? 'ok' : 'warn',
        title: job.state === 'done' ? job.title : `${job.title}: stopped`,
        text: job.summary ?? '',
      })
  }

  /** Takes the list of a process that was connected again; what it tells of jobs that ended meanwhile, or lost, is said. */
  async function refresh(process: JobProcess): Promise<void> {
    const listed = await api[process].jobs.list({})
    const ids = new Set(listed.map(({ id }) => id))
    const gone = [...jobs.value.values()].filter((job) => job.process === process && !ids.has(job.id))
    for (const job of gone) jobs.value.delete(job.id)
    for (const job of listed) take(process, job)
    for (const job of gone) if (job.endedAt === null && !job.quiet) sayLost(job)
  }

  /** A job outlives its process on the disk of its record; this one was not written there. */
  function sayLost({ title, process }: RunningJob): void {
    const lost = new PhasemarkError(
      'Disconnected',
      'the process that did it ended before it was done. Start it again',
      { process },
    )
    notices.addError(`${title}: failed`, lost)
  }

  async function stop(id: string): Promise<void> {
    const job = jobs.value.get(id)
    if (job !== undefined) await api[job.process].jobs.cancel({ id })
  }

  async function dismiss(id: string): Promise<void> {
    const job = jobs.value.get(id)
    if (job === undefined) return
    await api[job.process].jobs.dismiss({ id })
    jobs.value.delete(id)
  }

  function start(): void {
    for (const process of ['data', 'compute'] as const)
      api[process].jobs.on('changed', (job) => take(process, job))
    connection.onConnected((process) => {
      if (process !== 'host')
        refresh(process).catch((error: unknown) =>
          notices.addError('The list of jobs could not be read', error, { key: 'jobs' }),
        )
    })
  }

  return { all, running, waiting, current, stop, dismiss, start }
})

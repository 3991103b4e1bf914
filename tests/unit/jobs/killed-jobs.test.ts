import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createJobRunner } from '../../../src/main/engine/jobs/create-job-runner.ts'
import type { JobService } from '../../../src/main/engine/jobs/create-job-runner.ts'
import { openJobRecord } from '../../../src/main/engine/jobs/job-record.ts'
import type { JobWork } from '../../../src/main/engine/jobs/job-runner.ts'
import { jobSchema } from '../../../src/shared/contract/jobs.ts'
import type { Job } from '../../../src/shared/contract/jobs.ts'
import { badInput, cancelled } from '../../../src/shared/errors.ts'

const context = { signal: new AbortController().signal }

describe('jobs whose process died', () => {
  const root = mkdtempSync(path.join(os.tmpdir(), 'phasemark-jobs-'))
  let folder: string
  const emitted: Job[] = []

  beforeEach(() => {
    folder = path.join(root, randomUUID())
    emitted.length = 0
  })
  afterAll(() => {
    rmSync(root, { recursive: true, force: true })
  })

  /** A new process of the host `hostPid`. */
  const startProcess = (hostPid = process.pid): JobService =>
    createJobRunner({
      emit: (_, job) => emitted.push(jobSchema.parse(job)),
      reportDefect: (error, where) => {
        console.error(where, error)
      },
      record: openJobRecord(folder, 'compute', hostPid),
    })
  const hold: JobWork = ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(cancelled())
      })
    })
  const forEver = () => new Promise<never>(() => undefined)
  const list = (jobs: JobService): Job[] => jobs.implementation.list({}, context) as Job[]
  const recordedJobs = (): { attempts: number }[] => {
    const [name] = readdirSync(folder).filter((each) => each.endsWith('.json'))
    return (JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as { jobs: { attempts: number }[] })
      .jobs
  }
  async function untilAttempts(attempts: number): Promise<void> {
    await vi.waitFor(() => {
      expect(recordedJobs().some((job) => job.attempts === attempts)).toBe(true)
    })
  }
  async function untilRecorded(): Promise<void> {
    await vi.waitFor(() => {
      expect(readdirSync(folder).filter((name) => name.endsWith('.json'))).toHaveLength(1)
    })
  }

  it('go on in the next one under the same id when they can be taken up again', async () => {
    const dead = startProcess()
    const id = dead.runner.start({ kind: 'train', title: 'Training', resume: { run: '/runs/1' } }, hold)
    await untilRecorded()
    const next = startProcess()
    const resumed: unknown[] = []
    await next.resume({
      train: (resume) => ({
        run: () => {
          resumed.push(resume)
          return Promise.resolve('Trained.')
        },
      }),
    })
    await vi.waitFor(() => {
      expect(list(next)[0]?.state).toBe('done')
    })
    expect(list(next)[0]).toMatchObject({ id, title: 'Training', summary: 'Trained.' })
    expect(resumed).toEqual([{ run: '/runs/1' }])
    await vi.waitFor(() => {
      expect(readdirSync(folder)).toEqual([])
    })
  })

  it('are told as failed when they cannot', async () => {
    const dead = startProcess()
    const id = dead.runner.start({ kind: 'label-import', title: 'Importing labels' }, hold)
    await untilRecorded()
    const next = startProcess()
    await next.resume()
    expect(list(next)).toMatchObject([{ id, state: 'failed', error: { _tag: 'Disconnected' } }])
    expect(emitted.at(-1)!.state).toBe('failed')
  })

  it('are given up when they have taken three processes with them', async () => {
    const first = startProcess()
    first.runner.start({ kind: 'train', title: 'Training', resume: 1 }, hold)
    await untilAttempts(1)
    for (const attempt of [2, 3]) {
      const next = startProcess()
      await next.resume({ train: () => ({ run: hold }) })
      expect(list(next)[0]?.state).toBe('running')
      await untilAttempts(attempt)
    }
    const last = startProcess()
    await last.resume({ train: () => ({ run: hold }) })
    expect(list(last)).toMatchObject([{ state: 'failed', error: { _tag: 'Disconnected' } }])
    expect(readdirSync(folder)).toEqual([])
  })

  it('are on record before their work begins', async () => {
    const jobs = startProcess()
    let found: unknown = null
    jobs.runner.start({ kind: 'train', title: 'Training', resume: 1 }, () => {
      found = recordedJobs()
      return Promise.resolve('Trained.')
    })
    await vi.waitFor(() => {
      expect(list(jobs)[0]?.state).toBe('done')
    })
    expect(found).toMatchObject([{ kind: 'train', attempts: 1, resume: 1 }])
  })

  it('are not told of when they were quiet: those begin again by themselves when they are needed', async () => {
    const dead = startProcess()
    dead.runner.start({ kind: 'pyramid', title: 'Preparing XZ and YZ', quiet: true }, hold)
    const id = dead.runner.start({ kind: 'train', title: 'Training', resume: 1 }, hold)
    await untilAttempts(1)
    const next = startProcess()
    await next.resume({ train: () => ({ run: hold }) })
    expect(list(next).map((job) => job.id)).toEqual([id])
  })

  it('wait for what they need, without standing in the way and without counting as tried', async () => {
    const dead = startProcess()
    for (let each = 0; each < 3; each++)
      dead.runner.start({ kind: 'train', title: 'Training', resume: each }, hold)
    await untilAttempts(1)
    for (let death = 0; death < 4; death++) {
      const waiting = startProcess()
      await waiting.resume({ train: () => ({ run: hold, wait: { reason: 'waiting', until: forEver } }) })
      expect(list(waiting).map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting'])
    }
    const next = startProcess()
    let open: () => void = () => undefined
    const opened = new Promise<void>((resolve) => (open = resolve))
    await next.resume({
      train: () => ({ run: hold, wait: { reason: 'waiting for its project', until: () => opened } }),
    })
    expect(list(next)[0]).toMatchObject({ state: 'waiting', summary: 'waiting for its project' })
    // Two may run at a time, and three are waiting.
    next.runner.start({ kind: 'other', title: 'Other' }, () => Promise.resolve('Done.'))
    await vi.waitFor(() => {
      expect(list(next)[0]).toMatchObject({ kind: 'other', state: 'done' })
    })
    emitted.length = 0
    open()
    await vi.waitFor(() => {
      expect(list(next).map(({ state, summary }) => [state, summary])).toEqual([
        ['done', 'Done.'],
        ['running', null],
        ['running', null],
        // Has got what it waited for, and now waits for the others.
        ['waiting', null],
      ])
    })
    // Which is told as well.
    expect(emitted.filter(({ state, summary }) => state === 'waiting' && summary === null)).toHaveLength(1)
    await next.close()
  })

  it('end as what they wait for does, and are stopped while they wait', async () => {
    const dead = startProcess()
    const ids = [1, 2].map((resume) => dead.runner.start({ kind: 'train', title: 'Training', resume }, hold))
    await untilAttempts(1)
    const next = startProcess()
    let fail: (error: unknown) => void = () => undefined
    let isAborted = false
    await next.resume({
      train: (resume) => ({
        run: hold,
        wait: {
          reason: 'waiting',
          until: (signal) =>
            new Promise((_, reject) => {
              if (resume === 1) fail = reject
              signal.addEventListener('abort', () => {
                isAborted = true
                reject(cancelled())
              })
            }),
        },
      }),
    })
    fail(badInput('/runs/1', 'a run', 'nothing'))
    void next.implementation.cancel({ id: ids[1] }, context)
    await vi.waitFor(() => {
      expect(list(next).map(({ id, state, error }) => [id, state, error?._tag])).toEqual(
        expect.arrayContaining([
          [ids[0], 'failed', 'BadInput'],
          [ids[1], 'stopped', undefined],
        ]),
      )
    })
    expect(isAborted).toBe(true)
    expect(emitted.filter(({ id, endedAt }) => id === ids[1] && endedAt !== null)).toHaveLength(1)
    await vi.waitFor(() => {
      expect(readdirSync(folder)).toEqual([])
    })
  })

  it('are not begun again when somebody had stopped them', async () => {
    const dead = startProcess()
    // Work that takes its time to stop.
    const id = dead.runner.start({ kind: 'train', title: 'Training', resume: 1 }, forEver)
    await untilAttempts(1)
    void dead.implementation.cancel({ id }, context)
    await vi.waitFor(() => {
      expect(recordedJobs()).toMatchObject([{ stopping: true }])
    })
    const next = startProcess()
    await next.resume({ train: () => ({ run: hold }) })
    expect(list(next)).toMatchObject([{ id, state: 'stopped', error: null }])
  })

  it('are never nowhere: what was taken over stays on the disk until it is recorded anew, and is one job in two files', async () => {
    const gone = startProcess(99_999_999)
    const id = gone.runner.start({ kind: 'train', title: 'Training', resume: 1 }, hold)
    await untilAttempts(1)
    const next = openJobRecord(folder, 'compute', process.pid)
    const left = await next.adopt()
    expect(readdirSync(folder)).toEqual(['compute-99999999.json'])
    writeFileSync(
      path.join(folder, `compute-${process.pid}.json`),
      readFileSync(path.join(folder, 'compute-99999999.json')),
    )
    expect(await openJobRecord(folder, 'compute', process.pid).adopt()).toMatchObject([{ id }])
    await next.write(left)
    expect(readdirSync(folder)).toEqual([`compute-${process.pid}.json`])
    await next.write([])
    expect(readdirSync(folder)).toEqual([])
  })

  it('are told as failed when what they recorded is of no use any more', async () => {
    const dead = startProcess()
    dead.runner.start({ kind: 'train', title: 'Training', resume: { run: '/gone' } }, hold)
    await untilRecorded()
    const next = startProcess()
    await next.resume({
      train: () => {
        throw badInput('/gone', 'a run', 'nothing')
      },
    })
    expect(list(next)[0]).toMatchObject({ state: 'failed', error: { _tag: 'BadInput' } })
  })

  it('are left alone while they belong to another window that lives', async () => {
    // The parent of the test runs for sure.
    const other = startProcess(process.ppid)
    other.runner.start({ kind: 'train', title: 'Training', resume: 1 }, hold)
    await untilRecorded()
    const mine = startProcess()
    await mine.resume()
    expect(list(mine)).toEqual([])
    expect(readdirSync(folder)).toEqual([`compute-${process.ppid}.json`])
  })

  it('are taken over from a host that is gone', async () => {
    // No process can have this number: the largest on Linux is 2^22.
    const dead = startProcess(99_999_999)
    dead.runner.start({ kind: 'label-import', title: 'Importing' }, hold)
    await untilRecorded()
    const next = startProcess()
    await next.resume()
    expect(list(next)).toHaveLength(1)
  })

  it('that ended while their process was closing are not begun again', async () => {
    const closing = startProcess()
    const begun = vi.fn()
    closing.runner.start({ kind: 'train', title: 'Training', resume: 1 }, ({ signal }) => {
      begun()
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve('Trained.')
        })
      })
    })
    await vi.waitFor(() => {
      expect(begun).toHaveBeenCalledOnce()
    })
    await closing.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it('stay recorded when the process ends on request, others do not', async () => {
    const closing = startProcess()
    closing.runner.start({ kind: 'train', title: 'Training', resume: 1 }, hold)
    closing.runner.start({ kind: 'label-import', title: 'Importing' }, hold)
    await closing.close()
    expect(() => closing.runner.start({ kind: 'train', title: 'Late' }, hold)).toThrow(
      expect.objectContaining({ _tag: 'Cancelled' }) as Error,
    )
    const next = startProcess()
    await next.resume({ train: () => ({ run: hold }) })
    expect(list(next).map(({ kind, state }) => [kind, state])).toEqual([['train', 'running']])
  })

  it('do not keep the process from starting when the record is damaged', async () => {
    const dead = startProcess()
    dead.runner.start({ kind: 'train', title: 'Training' }, hold)
    await untilRecorded()
    writeFileSync(path.join(folder, readdirSync(folder)[0]), '{ "version": 9')
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const next = startProcess()
    await next.resume()
    expect(list(next)).toEqual([])
    expect((await warned).message).toContain('expected a record of jobs')
  })
})

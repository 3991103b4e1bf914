import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createJobRunner } from '../../../src/main/engine/jobs/create-job-runner.ts'
import type { JobService } from '../../../src/main/engine/jobs/create-job-runner.ts'
import type { JobDescription, JobWork } from '../../../src/main/engine/jobs/job-runner.ts'
import { jobSchema } from '../../../src/shared/contract/jobs.ts'
import type { Job } from '../../../src/shared/contract/jobs.ts'
import { badInput, cancelled, throwIfCancelled } from '../../../src/shared/errors.ts'

/** What `action` throws at once. */
function thrownBy(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  return null
}

const context = { signal: new AbortController().signal }

/** Work that ends when the test says so, or when it is cancelled. */
function heldWork() {
  let end: (summary: string) => void = () => undefined
  let fail: (error: unknown) => void = () => undefined
  let report: (done: number) => void = () => undefined
  let started = false
  const work: JobWork = ({ signal, onProgress }) =>
    new Promise((resolve, reject) => {
      started = true
      end = resolve
      fail = reject
      report = (done) => {
        onProgress({ stage: 'reading', done, total: 100, unit: 'slices' })
      }
      signal.addEventListener('abort', () => {
        reject(cancelled('start it again to go on'))
      })
    })
  return {
    work,
    isStarted: () => started,
    end: (summary: string) => {
      end(summary)
    },
    fail: (error: unknown) => {
      fail(error)
    },
    report: (done: number) => {
      report(done)
    },
  }
}

describe('jobs', () => {
  let jobs: JobService
  let events: Job[]
  let defects: string[]

  beforeEach(() => {
    vi.useFakeTimers()
    events = []
    defects = []
    jobs = createJobRunner({
      emit: (_, job) => events.push(jobSchema.parse(job)),
      reportDefect: (_, where) => defects.push(where),
    })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const start = (work: JobWork, description: Partial<JobDescription> = {}): string =>
    jobs.runner.start({ kind: 'label-import', title: 'Importing', ...description }, work)
  const list = (): Job[] => jobs.implementation.list({}, context) as Job[]
  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1)

  it('go through waiting, running and done, and keep their summary', async () => {
    const held = heldWork()
    const id = start(held.work)
    // The caller has the id before the work begins.
    expect(held.isStarted()).toBe(false)
    await settle()
    held.end('Imported 12 slices.')
    await settle()
    expect(events.map(({ state }) => state)).toEqual(['waiting', 'running', 'done'])
    expect(list()).toHaveLength(1)
    expect(list()[0]).toMatchObject({ id, state: 'done', summary: 'Imported 12 slices.', error: null })
    expect(list()[0].endedAt).not.toBeNull()
  })

  it('announce progress ten times a second at most, and the last of it', async () => {
    const held = heldWork()
    start(held.work)
    await settle()
    events.length = 0
    // 1 s with a report every millisecond.
    for (let done = 1; done <= 1000; done++) {
      held.report(done / 10)
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(events.length).toBeGreaterThanOrEqual(10)
    expect(events.length).toBeLessThanOrEqual(11)
    await vi.advanceTimersByTimeAsync(100)
    expect(events.at(-1)!.progress!.done).toBe(100)
  })

  it('say nothing more once they have ended', async () => {
    const held = heldWork()
    start(held.work)
    await settle()
    held.report(1)
    held.report(2)
    held.end('done')
    await settle()
    events.length = 0
    held.report(3)
    await vi.advanceTimersByTimeAsync(1000)
    expect(events).toEqual([])
    expect(list()[0].progress!.done).toBe(2)
  })

  it('leave out times and readings that are no numbers', async () => {
    start(({ onProgress }) => {
      onProgress({
        stage: 'training',
        done: 0,
        total: 10,
        unit: 'steps',
        etaSeconds: Number.POSITIVE_INFINITY,
        readings: { loss: Number.NaN, rate: 3 },
      })
      return new Promise(() => undefined)
    })
    await settle()
    expect(list()[0].progress).toEqual({
      stage: 'training',
      done: 0,
      total: 10,
      unit: 'steps',
      readings: { rate: 3 },
    })
  })

  it('run two at a time; others wait in their order', async () => {
    const held = [heldWork(), heldWork(), heldWork(), heldWork()]
    for (const { work } of held) start(work)
    await settle()
    expect(list().map(({ state }) => state)).toEqual(['running', 'running', 'waiting', 'waiting'])
    held[1].end('done')
    await settle()
    expect(held.map(({ isStarted }) => isStarted())).toEqual([true, true, true, false])
  })

  it('that are quiet do not stand in the way of those that somebody started', async () => {
    const quiet = [heldWork(), heldWork(), heldWork()]
    for (const { work } of quiet) start(work, { quiet: true })
    const loud = heldWork()
    start(loud.work)
    await settle()
    expect(loud.isStarted()).toBe(true)
    expect(quiet.map(({ isStarted }) => isStarted())).toEqual([true, true, false])
    quiet[0].end('done')
    quiet[1].fail(badInput('/a', 'b', 'c'))
    await settle()
    // A background job that went well leaves nothing behind, one that failed does.
    expect(list().map(({ quiet: isQuiet, state }) => [isQuiet, state])).toEqual([
      [true, 'failed'],
      [true, 'running'],
      [false, 'running'],
    ])
  })

  it('are stopped by cancelling, also while they wait', async () => {
    const held = [heldWork(), heldWork(), heldWork()]
    const ids = held.map(({ work }) => start(work))
    await settle()
    void jobs.implementation.cancel({ id: ids[2] }, context)
    void jobs.implementation.cancel({ id: ids[0] }, context)
    await settle()
    expect(list().find(({ id }) => id === ids[0])).toMatchObject({
      state: 'stopped',
      summary: 'start it again to go on',
      error: null,
    })
    expect(list().find(({ id }) => id === ids[2])).toMatchObject({ state: 'stopped' })
    expect(held[2].isStarted()).toBe(false)
    expect(thrownBy(() => jobs.implementation.cancel({ id: ids[0] }, context))).toBeNull()
  })

  it('that fail keep the error; only defects are reported', async () => {
    start(() => Promise.reject(badInput('/data/slice.tif', 'uint16', 'float32')))
    start(() => Promise.reject(new TypeError('oops')))
    await settle()
    expect(list().map(({ state, error }) => [state, error?._tag])).toEqual([
      ['failed', 'BadInput'],
      ['failed', 'Internal'],
    ])
    expect(defects).toEqual(['job label-import'])
  })

  it('are dismissed when they have ended, not before', async () => {
    const held = heldWork()
    const id = start(held.work)
    await settle()
    expect(thrownBy(() => jobs.implementation.dismiss({ id }, context))).toMatchObject({ _tag: 'WrongUsage' })
    held.end('done')
    await settle()
    void jobs.implementation.dismiss({ id }, context)
    expect(list()).toEqual([])
    expect(thrownBy(() => jobs.implementation.cancel({ id }, context))).toMatchObject({ _tag: 'WrongUsage' })
  })
})

describe('work that looks at its signal', () => {
  it('sees that it was cancelled', async () => {
    const jobs = createJobRunner({ emit: () => undefined, reportDefect: () => undefined })
    let steps = 0
    const id = jobs.runner.start({ kind: 'pyramid', title: 'Pyramid' }, async ({ signal }) => {
      for (;;) {
        throwIfCancelled(signal)
        steps++
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    await vi.waitFor(() => {
      expect(steps).toBeGreaterThan(3)
    })
    void jobs.implementation.cancel({ id }, context)
    await vi.waitFor(() => {
      expect((jobs.implementation.list({}, context) as Job[])[0].state).toBe('stopped')
    })
  })
})

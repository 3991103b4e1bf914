import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Plane } from '../../../src/shared/annotation/edit.ts'
import type { PlaneData } from '../../../src/shared/contract/volumes.ts'
import { badInput, cancelled } from '../../../src/shared/errors.ts'
import { GreyPlanes, type ReadPlane } from '../../../src/renderer/viewer/grey-planes.ts'
import { PlaneCache } from '../../../src/renderer/viewer/plane-cache.ts'
import { PlaneLoader, patienceMs, type PlaneLoadState } from '../../../src/renderer/viewer/plane-loader.ts'
import { StillPlanes } from '../../../src/renderer/viewer/still-planes.ts'
import type { GreyPlaneSource, LabelPlaneSource } from '../../../src/renderer/viewer/interfaces.ts'

const shape = [100, 2048, 2048] as const

function planeData(plane: Plane, level: number, coverage = 1, bytes = 100): PlaneData {
  return { ...plane, level, shape: [1, bytes], dtype: 'uint8', data: new Uint8Array(bytes), coverage }
}

interface Asked {
  index: number
  level: number
  quick: boolean
  answer: (data: PlaneData) => void
  fail: (error: Error) => void
  signal: AbortSignal
}

/** A data process that answers when the test says so. */
function controlled(): { asked: Asked[]; readPlane: ReadPlane; open: () => Asked[] } {
  const asked: Asked[] = []
  const done = new Set<Asked>()
  const readPlane: ReadPlane = (request, { signal }) =>
    new Promise((resolve, reject) => {
      const entry: Asked = {
        index: request.index,
        level: request.level,
        quick: request.quick,
        signal,
        answer(data) {
          done.add(entry)
          resolve(data)
        },
        fail(error) {
          done.add(entry)
          reject(error)
        },
      }
      signal.addEventListener('abort', () => entry.fail(cancelled()))
      asked.push(entry)
    })
  return { asked, readPlane, open: () => asked.filter((entry) => !done.has(entry)) }
}

const settle = async (): Promise<void> => {
  for (let at = 0; at < 20; at++) await Promise.resolve()
}
const z = (index: number): Plane => ({ axis: 'z', index })

describe('grey planes', () => {
  it('shows a quick coarse plane first, then the level asked for, and asks no more for what it has', async () => {
    const { asked, readPlane } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane })
    const shown: number[] = []
    const loading = planes.load(z(5), 0, (data) => shown.push(data.level), new AbortController())
    await settle()
    expect(asked.map(({ level, quick }) => [level, quick])).toEqual([[2, true]])
    asked[0].answer(planeData(z(5), 2))
    await settle()
    expect(shown).toEqual([2])
    expect(asked.map(({ level, quick }) => [level, quick])).toEqual([
      [2, true],
      [0, false],
    ])
    asked[1].answer(planeData(z(5), 0))
    await loading
    expect(shown).toEqual([2, 0])

    await planes.load(z(5), 0, (data) => shown.push(data.level), new AbortController())
    expect(shown).toEqual([2, 0, 0])
    expect(asked).toHaveLength(2)
  })

  it('does not show a quick answer that knows nothing', async () => {
    const { asked, readPlane } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane })
    const show = vi.fn()
    void planes.load(z(5), 0, show, new AbortController())
    await settle()
    asked[0].answer(planeData(z(5), 3, 0))
    await settle()
    expect(show).not.toHaveBeenCalled()
    expect(asked).toHaveLength(2)
  })

  it('aborts what is superseded and resolves quietly', async () => {
    const { asked, readPlane, open } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane })
    const show = vi.fn()
    const controller = new AbortController()
    const loading = planes.load(z(5), 0, show, controller)
    await settle()
    controller.abort()
    await expect(loading).resolves.toBeUndefined()
    expect(asked[0].signal.aborted).toBe(true)
    expect(open()).toEqual([])
    expect(show).not.toHaveBeenCalled()
  })

  it('never has more than three requests under way that are waited for; the newest goes first', async () => {
    const { asked, readPlane, open } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane })
    for (let index = 0; index < 8; index++) void planes.load(z(index), 0, vi.fn(), new AbortController())
    await settle()
    expect(open()).toHaveLength(3)
    asked[0].answer(planeData(z(0), 2))
    await settle()
    expect(open()).toHaveLength(3)
    // The slice asked for last is what the user looks at now.
    expect(asked.at(-1)).toMatchObject({ index: 7, quick: true })
  })

  it('reads ahead in the direction of scrubbing, and gives way to what is waited for', async () => {
    const { asked, readPlane, open } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane })
    for (const index of [10, 11]) {
      const loading = planes.load(z(index), 0, vi.fn(), new AbortController())
      await settle()
      open()[0].answer(planeData(z(index), 2))
      await settle()
      open()[0].answer(planeData(z(index), 0))
      await loading
      await settle()
    }
    expect(open().map(({ index, quick }) => [index, quick])).toEqual([[12, false]])
    // Somebody waits for another slice: reading ahead stops at once.
    const ahead = open()[0]
    void planes.load(z(50), 0, vi.fn(), new AbortController())
    await settle()
    expect(ahead.signal.aborted).toBe(true)
    expect(open().map(({ index }) => index)).toEqual([50])
    expect(asked.filter(({ index }) => index === 13)).toEqual([])
  })

  it('takes over a plane that is being read ahead instead of asking twice', async () => {
    const { asked, readPlane, open } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape: [100, 64, 64], readPlane })
    for (const index of [10, 11]) {
      const loading = planes.load(z(index), 0, vi.fn(), new AbortController())
      await settle()
      open()[0].answer(planeData(z(index), 0))
      await loading
      await settle()
    }
    open()[0].answer(planeData(z(12), 0))
    await settle()
    const before = asked.length
    const show = vi.fn()
    await planes.load(z(12), 0, show, new AbortController())
    expect(show).toHaveBeenCalledOnce()
    expect(asked.slice(before).filter(({ index }) => index === 12)).toEqual([])
  })

  it('rejects with what the reader says', async () => {
    const { asked, readPlane } = controlled()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane })
    const loading = planes.load(z(5), 0, vi.fn(), new AbortController())
    await settle()
    asked[0].fail(badInput('slice_0005.tif', 'a whole strip', 'half of it'))
    await expect(loading).rejects.toMatchObject({ _tag: 'BadInput' })
  })

  it('tells of better planes at most a few times per second', () => {
    vi.useFakeTimers()
    const planes = new GreyPlanes({ volumeId: 'v', shape, readPlane: vi.fn() })
    const heard: string[] = []
    const forget = planes.onBetter((axis) => heard.push(axis))
    for (let at = 0; at < 50; at++) planes.pyramidChanged()
    vi.advanceTimersByTime(1000)
    expect(heard).toEqual(['z', 'y', 'x'])
    forget()
    planes.pyramidChanged()
    vi.advanceTimersByTime(1000)
    expect(heard).toHaveLength(3)
    planes.dispose()
    vi.useRealTimers()
  })
})

describe('cache of planes', () => {
  it('keeps to its limit and forgets what was not used for longest', () => {
    const cache = new PlaneCache(350)
    for (const index of [1, 2, 3]) cache.add(planeData(z(index), 0))
    expect(cache.best(z(1), 0)).not.toBeNull()
    cache.add(planeData(z(4), 0))
    expect(cache.bytes).toBe(300)
    expect(cache.best(z(2), 0)).toBeNull()
    expect(cache.best(z(1), 0)).not.toBeNull()
  })

  it('gives the coarsest that will do, else the finest of the coarser ones', () => {
    const cache = new PlaneCache(1e6)
    cache.add(planeData(z(1), 0))
    cache.add(planeData(z(1), 1))
    cache.add(planeData(z(1), 4))
    expect([0, 1, 2, 4].map((level) => cache.best(z(1), level)?.level)).toEqual([0, 1, 1, 4])
    cache.add(planeData(z(2), 3))
    cache.add(planeData(z(2), 5))
    expect(cache.best(z(2), 0)?.level).toBe(3)
  })

  it('does not replace a plane by one that knows less', () => {
    const cache = new PlaneCache(1e6)
    cache.add(planeData(z(1), 2, 0.9))
    cache.add(planeData(z(1), 2, 0.4))
    expect(cache.best(z(1), 2)?.coverage).toBe(0.9)
  })
})

describe('still planes', () => {
  it('shows what it has and says what it has not', async () => {
    const planes = new StillPlanes([planeData(z(7), 1)], '/data/a')
    const show = vi.fn()
    await planes.load(z(7), 0, show)
    expect(show).toHaveBeenCalledOnce()
    await expect(planes.load(z(8), 0, show)).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: '/data/a' },
    })
  })
})

describe('plane loader', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  interface Scene {
    target: {
      showGrey: ReturnType<typeof vi.fn>
      showLabels: ReturnType<typeof vi.fn>
      updateLabels: ReturnType<typeof vi.fn>
    }
    states: PlaneLoadState[]
    loader: PlaneLoader
    loads: {
      plane: Plane
      level: number
      show: (data: PlaneData) => void
      done: () => void
      fail: (error: unknown) => void
      signal: AbortSignal
    }[]
    labelLoads: { plane: Plane; done: (data: Uint8Array) => void; fail: (error: unknown) => void }[]
    better: (axis: 'z') => void
    labelsChanged: (plane: Plane) => void
  }

  function scene(): Scene {
    const loads: Scene['loads'] = []
    const labelLoads: Scene['labelLoads'] = []
    let better: Scene['better'] = () => undefined
    let labelsChanged: Scene['labelsChanged'] = () => undefined
    const grey: GreyPlaneSource = {
      load: (plane, level, show, { signal }) =>
        new Promise((done, fail) => loads.push({ plane, level, show, done, fail, signal })),
      onBetter(listener) {
        better = listener
        return () => undefined
      },
    }
    const labels: LabelPlaneSource = {
      load: (plane) => new Promise((done, fail) => labelLoads.push({ plane, done, fail })),
      onChanged(listener) {
        labelsChanged = (plane) => listener(plane, { top: 0, left: 0, bottom: 1, right: 1 })
        return () => undefined
      },
      onReset: () => () => undefined,
    }
    const target = { showGrey: vi.fn(), showLabels: vi.fn(), updateLabels: vi.fn() }
    const states: PlaneLoadState[] = []
    const loader = new PlaneLoader(target, (state) => states.push(state))
    loader.setSources(grey, labels)
    return {
      target,
      states,
      loader,
      loads,
      labelLoads,
      better: (axis) => better(axis),
      labelsChanged: (plane) => labelsChanged(plane),
    }
  }

  it('never shows labels over the grey of another slice', async () => {
    const { target, loader, loads, labelLoads } = scene()
    loader.show(z(1), 0)
    const labels = new Uint8Array(4)
    labelLoads[0].done(labels)
    await settle()
    expect(target.showLabels).not.toHaveBeenCalled()
    loads[0].show(planeData(z(1), 0))
    expect(target.showGrey).toHaveBeenCalledOnce()
    expect(target.showLabels).toHaveBeenLastCalledWith(labels)

    loader.show(z(2), 0)
    expect(loads[0].signal.aborted).toBe(true)
    loads[1].show(planeData(z(2), 0))
    // Its labels are not here yet: those of slice 1 go.
    expect(target.showLabels).toHaveBeenLastCalledWith(null)
  })

  it('passes changes on only for the plane whose labels are shown', async () => {
    const { target, loader, loads, labelLoads, labelsChanged } = scene()
    loader.show(z(1), 0)
    labelsChanged(z(1))
    expect(target.updateLabels).not.toHaveBeenCalled()
    loads[0].show(planeData(z(1), 0))
    labelLoads[0].done(new Uint8Array(4))
    await settle()
    labelsChanged(z(2))
    expect(target.updateLabels).not.toHaveBeenCalled()
    labelsChanged(z(1))
    expect(target.updateLabels).toHaveBeenCalledOnce()
  })

  it('shows what makes it while somebody scrubs faster than planes come, each with its own labels', async () => {
    const { target, loader, loads, labelLoads, labelsChanged } = scene()
    for (let index = 1; index <= 4; index++) loader.show(z(index), 0)
    // The first goes on beside the newest; those between are given up.
    expect(loads.map(({ signal }) => signal.aborted)).toEqual([false, true, true, false])
    loads[0].show(planeData(z(1), 0))
    expect(target.showGrey).not.toHaveBeenCalled()
    const labels = new Uint8Array(4)
    labelLoads[0].done(labels)
    await settle()
    expect(target.showGrey.mock.lastCall![0]).toMatchObject({ index: 1 })
    expect(target.showLabels).toHaveBeenLastCalledWith(labels)
    labelsChanged(z(1))
    expect(target.updateLabels).toHaveBeenCalledOnce()
    // Now the one asked for next is the oldest without a picture.
    loader.show(z(5), 0)
    loader.show(z(6), 0)
    expect(loads.map(({ signal }) => signal.aborted)).toEqual([true, true, true, false, true, false])
    // The newest comes first: nothing older is shown after it.
    loads[5].show(planeData(z(6), 0))
    expect(loads[3].signal.aborted).toBe(true)
    loads[3].show(planeData(z(4), 0))
    labelLoads[3].done(new Uint8Array(4))
    await settle()
    expect(target.showGrey.mock.lastCall![0]).toMatchObject({ index: 6 })
    expect(target.showLabels).toHaveBeenLastCalledWith(null)
  })

  it('lets an older plane that cannot be read go without a word', async () => {
    const { states, loader, loads } = scene()
    loader.show(z(1), 0)
    loader.show(z(2), 0)
    loads[0].fail(badInput('slice_0001.tif', 'a', 'b'))
    await settle()
    expect(states).toEqual([])
    loader.show(z(3), 0)
    expect(loads.map(({ signal }) => signal.aborted)).toEqual([true, false, false])
  })

  it('says nothing for 400 ms, then takes the old slice away and says what is missing', async () => {
    const { target, states, loader, loads } = scene()
    loader.show(z(1), 0)
    loads[0].show(planeData(z(1), 0))
    loads[0].done()
    await settle()
    loader.show(z(2), 0)
    vi.advanceTimersByTime(patienceMs - 1)
    expect(states.map(({ kind }) => kind)).toEqual(['ready'])
    vi.advanceTimersByTime(1)
    expect(states.at(-1)).toEqual({ kind: 'loading', level: null, wanted: 0 })
    expect(target.showGrey).toHaveBeenLastCalledWith(null)
    loads[1].show(planeData(z(2), 3))
    expect(states.at(-1)).toEqual({ kind: 'loading', level: 3, wanted: 0 })
    loads[1].done()
    await settle()
    expect(states.at(-1)).toEqual({ kind: 'ready', level: 3 })
  })

  it('shows no picture under the name of a slice that cannot be read, and tries again', async () => {
    const { target, states, loader, loads } = scene()
    loader.show(z(1), 0)
    loads[0].show(planeData(z(1), 0))
    loader.show(z(2), 0)
    const error = badInput('slice_0002.tif', 'a', 'b')
    loads[1].fail(error)
    await settle()
    expect(states.at(-1)).toEqual({ kind: 'failed', error })
    expect(target.showGrey).toHaveBeenLastCalledWith(null)
    loader.retry()
    loads[2].show(planeData(z(2), 0))
    expect(target.showGrey.mock.lastCall![0]).toMatchObject({ index: 2 })
    // Another slice has nothing to do with that failure.
    loads[2].fail(error)
    await settle()
    loader.show(z(3), 0)
    expect(states.at(-1)).toEqual({ kind: 'loading', level: null, wanted: 0 })
  })

  it('keeps saying that labels could not be read when the grey values come', async () => {
    const { states, loader, loads, labelLoads } = scene()
    loader.show(z(1), 0)
    const error = badInput('labels', 'a', 'b')
    labelLoads[0].fail(error)
    await settle()
    loads[0].show(planeData(z(1), 0))
    loads[0].done()
    await settle()
    expect(states.at(-1)).toEqual({ kind: 'failed', error })
  })

  it('asks again when the pyramid grew, but not for what is good enough, nor for a coarser level', async () => {
    const { loader, loads, better } = scene()
    loader.show(z(1), 0)
    loads[0].show(planeData(z(1), 2))
    loads[0].done()
    await settle()
    better('z')
    expect(loads).toHaveLength(2)
    loads[1].show(planeData(z(1), 0))
    loads[1].done()
    await settle()
    better('z')
    loader.show(z(1), 2)
    expect(loads).toHaveLength(2)
  })
})

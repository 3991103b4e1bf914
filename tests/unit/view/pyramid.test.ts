import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  buildPyramid,
  removedReason,
  type BuildOptions,
} from '../../../src/main/engine/view/pyramid/build.ts'
import { pyramidFolder } from '../../../src/main/engine/view/pyramid/cache-folder.ts'
import { CoarseLevel } from '../../../src/main/engine/view/pyramid/coarse-level.ts'
import { filesBytes, planPyramid } from '../../../src/main/engine/view/pyramid/layout.ts'
import { readStandingPlane } from '../../../src/main/engine/view/pyramid/read-plane.ts'
import { PyramidStore } from '../../../src/main/engine/view/pyramid/store.ts'
import { badInput } from '../../../src/shared/errors.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import {
  never,
  planeByDefinition,
  smallLimits,
  startService,
  writeVolume,
  type SampleVolume,
} from './sample-service.ts'

const scratch = temporaryFolder('view-pyramid')
const disk = mountSmallDisk(scratch, 'disk', 400)
const scripts = path.dirname(fileURLToPath(import.meta.url))

/** 100 slices are four units of 32; levels 0 to 2. */
const sample = {
  shape: [100, 21, 19] as const,
  dtype: 'uint16' as const,
  value: (z: number, y: number, x: number) => (z * 263 + y * 7919 + x * 131 + x * y) % 60_000,
}
const layout = planPyramid(sample.shape, sample.dtype, smallLimits)
let volume: SampleVolume
beforeAll(async () => {
  volume = await writeVolume(scratch, 'volume', sample)
})

interface Build extends BuildOptions {
  read: number[]
  stop: AbortController
  close: () => Promise<void>
}

/** A build in this thread that notes which slices are read. */
async function prepare(folder: string | null, finest = 0): Promise<Build> {
  const source = await openVolume(volume.path)
  if (folder !== null) await mkdir(folder, { recursive: true })
  const store = folder === null ? null : new PyramidStore(folder, layout, finest, true)
  const read: number[] = []
  const stop = new AbortController()
  return {
    source: {
      ...source,
      readSlice: (z, options) => {
        read.push(z)
        return source.readSlice(z, options)
      },
    },
    layout,
    coarse: new CoarseLevel(layout),
    unitsDone: new Uint8Array(new SharedArrayBuffer(layout.units)),
    store,
    whenQuiet: () => Promise.resolve(),
    onProgress: () => undefined,
    onFinestChanged: () => Promise.resolve(),
    signal: stop.signal,
    read,
    stop,
    async close() {
      store?.close()
      await source.close()
    },
  }
}

/** Every level of a built pyramid against the definition, through the files. */
async function expectAllPlanes(build: Build, finest = 0): Promise<void> {
  for (const level of layout.levels.slice(finest, layout.coarseLevel).map((one) => one.level)) {
    for (const [axis, index] of [
      ['y', 0],
      ['y', 20],
      ['x', 3],
      ['x', 18],
    ] as const) {
      const store = build.store!
      const plane = await readStandingPlane({ ...build, store, axis, index, level, signal: never })
      expect(plane).toEqual({ ...planeByDefinition(sample, axis, index, level), coverage: 1 })
    }
  }
  const { level } = layout.levels[layout.coarseLevel]
  for (const [axis, index] of [
    ['y', 11],
    ['x', 11],
  ] as const) {
    expect(build.coarse.plane(axis, index, level)).toEqual({
      ...planeByDefinition(sample, axis, index, level),
      coverage: 1,
    })
  }
}

test('the plan: whole units of slabs, bricks of a page, every position follows from the shape', () => {
  const scan = planPyramid([2000, 2048, 2048], 'uint16')
  // 2000 × 2048² × 2 bytes are 16.8 GB; level 3 is 1/512 of that, 32.8 MB.
  expect(scan).toMatchObject({ coarseLevel: 3, unitSlices: 32, units: 63 })
  expect(scan.levels[0]).toMatchObject({ brick: [16, 16, 8], brickBytes: 4096, slabBytes: 128 * 2 ** 20 })
  expect(scan.levels[0].slabs * scan.levels[0].brick[0]).toBe(2000)
  expect(filesBytes(scan, 0)).toBeLessThan(1.16 * 2000 * 2048 * 2048 * 2)
  // A volume that fits into memory needs no files.
  expect(planPyramid([100, 500, 500], 'uint8').coarseLevel).toBe(0)
})

describe('building', () => {
  test('goes on where it was stopped and reads nothing twice that is done', async () => {
    const folder = path.join(scratch, 'stopped')
    const first = await prepare(folder)
    first.onProgress = () => {
      if (first.unitsDone[1] === 1) first.stop.abort()
    }
    await expect(buildPyramid(first)).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect([...first.unitsDone]).toEqual([1, 1, 0, 0])
    await first.close()

    const second = await prepare(folder)
    expect(await buildPyramid(second)).toEqual({ state: 'ready', reason: null })
    expect(Math.min(...second.read)).toBeGreaterThanOrEqual(64)
    await expectAllPlanes(second)
    await second.close()
  })

  test('survives kill -9 and is taken over by the next that opens the volume', async () => {
    const home = path.join(scratch, 'killed-home')
    const service = startService(home)
    const folder = await pyramidFolder(path.join(home, 'cache'), volume.path, undefined)
    const signal = await new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [path.join(scripts, 'build-until-killed.mjs'), volume.path, folder, JSON.stringify(smallLimits)],
        (error) => {
          resolve(error?.signal ?? error)
        },
      )
      child.stdout?.on('data', () => child.kill('SIGKILL'))
    })
    expect(signal).toBe('SIGKILL')
    expect([...readFileSync(path.join(folder, 'done.bin'))]).toEqual([1, 0, 0, 0])

    const volumeId = await service.add(volume.path)
    await service.implementation.open({ volumeId }, { signal: never })
    expect(await service.pyramidEnd(volumeId)).toMatchObject({
      state: 'ready',
      finestLevel: 0,
      blocksDone: 4,
    })
    const plane = await service.implementation.readPlane(
      { volumeId, axis: 'x', index: 7, level: 0, quick: false },
      { signal: never },
    )
    expect(plane.data).toEqual(planeByDefinition(sample, 'x', 7, 0).data)
    await service.close()
  })

  test('shows more and more: first the nearest slices, then units, and says how much', async () => {
    const build = await prepare(path.join(scratch, 'growing'))
    const coverages: number[] = []
    const store = build.store!
    const known: number[] = []
    build.onProgress = () => {
      const { coverage, data } = build.coarse.plane('x', 8, layout.coarseLevel)
      coverages.push(coverage)
      // From the first slice on nothing is empty: rows not known repeat the nearest.
      expect(data.every((value) => value > 0)).toBe(true)
      known.push(build.unitsDone.reduce((sum, done) => sum + done, 0))
    }
    await buildPyramid(build)
    expect(coverages[0]).toBeCloseTo(1 / 100, 6)
    expect(coverages).toEqual([...coverages].sort((left, right) => left - right))
    // 25 planes of the coarse level, one slice each, before the first unit.
    expect(coverages[24]).toBeCloseTo(25 / 100, 6)
    expect(known.slice(0, 26)).toEqual([...new Array<number>(25).fill(0), 1])
    expect(coverages.at(-1)).toBe(1)

    build.unitsDone[2] = 0
    const partly = await readStandingPlane({ ...build, store, axis: 'y', index: 5, level: 0, signal: never })
    expect(partly.coverage).toBe(1)
    const wanted = planeByDefinition(sample, 'y', 5, 0).data
    const coarse = planeByDefinition(sample, 'y', 5, 2)
    expect(partly.data.subarray(0, 64 * 19)).toEqual(wanted.subarray(0, 64 * 19))
    // Rows 64 to 95 come from the coarse level: row 70, column 9 is its row 17, column 2.
    expect(partly.data[70 * 19 + 9]).toBe(coarse.data[17 * coarse.shape[1] + 2])
    expect(partly.data.subarray(96 * 19)).toEqual(wanted.subarray(96 * 19))
    await build.close()
  })

  test('notices that the cache was removed meanwhile', async () => {
    const folder = path.join(scratch, 'removed')
    const build = await prepare(folder)
    build.onProgress = () => {
      if (build.unitsDone[0] === 1) rmSync(folder, { recursive: true, force: true })
    }
    expect(await buildPyramid(build)).toEqual({ state: 'stopped', reason: removedReason })
    await build.close()
  })

  test('a slice that cannot be read costs its unit, not the others', async () => {
    const build = await prepare(path.join(scratch, 'unreadable'))
    const source = {
      ...build.source,
      readSlice: (z: number) =>
        z === 40
          ? Promise.reject(badInput('folder/s_0040.tif', 'whole strips', 'fewer'))
          : build.source.readSlice(z, { signal: never }),
    }
    const outcome = await buildPyramid({ ...build, source })
    expect(outcome.state).toBe('stopped')
    expect(outcome.reason).toContain('folder/s_0040.tif')
    expect([...build.unitsDone]).toEqual([1, 0, 1, 1])
    // Slices 40 to 43 are one row of the coarse level, which is the mean of the three that are left.
    expect(build.coarse.slicesRead(10)).toBe(3)
    expect(build.coarse.isExact(10)).toBe(false)
    expect(build.coarse.isExact(11)).toBe(true)
    await build.close()
  })

  test('memory alone is exact as well', async () => {
    const build = await prepare(null)
    expect(await buildPyramid(build)).toEqual({ state: 'ready', reason: null })
    await expectAllPlanes(build, layout.coarseLevel)
    await build.close()
  })

  test.skipIf(disk === null)(
    'a full disk costs detail, and never more (needs the right to mount)',
    async () => {
      // 400 kB hold level 1 and 2 (about 43 kB) and a part of level 0 (about 300 kB) beside something else.
      const finests: (number | null)[] = []
      const folder = path.join(disk!.folder, 'pyramid')
      disk!.resize(200)
      const build = await prepare(folder)
      build.onFinestChanged = (finest) => {
        finests.push(finest)
        return Promise.resolve()
      }
      const outcome = await buildPyramid(build)
      expect(finests).toEqual([1])
      expect(outcome.state).toBe('ready')
      expect(readdirSync(folder)).not.toContain('level-0.bricks')
      await expectAllPlanes(build, 1)
      await build.close()
      rmSync(folder, { recursive: true })
      disk!.resize(400)

      disk!.resize(16)
      const nothing = await prepare(folder)
      const left: (number | null)[] = []
      nothing.onFinestChanged = (finest) => {
        left.push(finest)
        return Promise.resolve()
      }
      const memory = await buildPyramid(nothing)
      expect(left.at(-1)).toBeNull()
      expect(memory).toMatchObject({
        state: 'stopped',
        reason: expect.stringContaining('disk is full') as string,
      })
      await expectAllPlanes(nothing, layout.coarseLevel)
      await nothing.close()
    },
  )
})

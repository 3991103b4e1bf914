import path from 'node:path'
import { expect, test } from 'vitest'
import { GreyCounter } from '../../../src/main/engine/view/histogram.ts'
import { folderOf, sampleTiff } from '../volume/sample-volumes.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { never, planeByDefinition, startService, writeVolume } from './sample-service.ts'

const scratch = temporaryFolder('view-histogram')

test('integers are counted one by one', () => {
  const counter = new GreyCounter('uint8', 4, 12)
  counter.add(3, Uint8Array.of(10, 10, 20, 20))
  counter.add(5, Uint8Array.of(0, 10, 30, 255))
  counter.add(9, Uint8Array.of(10, 10, 10, 10))
  const histogram = counter.histogram('volume')
  // 12 voxels, sum 395; saturated: one 0 and one 255.
  expect(histogram).toMatchObject({
    min: 0,
    max: 255,
    low: 0,
    high: 256,
    sampledSlices: 3,
    saturated: 2 / 12,
  })
  expect(histogram.mean).toBeCloseTo(395 / 12, 12)
  expect([...histogram.sliceMeans]).toEqual([15, 73.75, 10])
  expect([...histogram.slicePositions]).toEqual([3, 5, 9])
  expect([0, 10, 20, 30, 255].map((value) => histogram.counts[value])).toEqual([1, 7, 2, 1, 1])
  expect(histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(12)
  // Ranks 0.011 and 10.989 of 0 … 11: 0 + 0.011 × 10 and 30 + 0.989 × 225.
  expect(histogram.autoLow).toBeCloseTo(0.11, 10)
  expect(histogram.autoHigh).toBeCloseTo(252.525, 10)
})

test('bins of integers are whole numbers wide, so that none is empty by construction', () => {
  const counter = new GreyCounter('uint16', 1000, 1000)
  counter.add(
    0,
    Uint16Array.from({ length: 1000 }, (_, index) => 20_000 + index),
  )
  const { low, high, counts } = counter.histogram('volume')
  // 1000 values in a range of 1000: 4 to a bin, 250 bins, the last 6 beyond the range.
  expect([low, high]).toEqual([20_000, 21_024])
  expect([...counts.subarray(0, 250)]).toEqual(new Array(250).fill(4))
})

test('floats: NaN and infinity are left out, a hot voxel does not squeeze the rest into one bin', () => {
  const values = Float32Array.from({ length: 10_000 }, (_, index) => index / 10_000)
  values[0] = Number.NaN
  values[1] = Infinity
  values[2] = 1e9
  const counter = new GreyCounter('float32', 100, 10_000)
  counter.add(0, values)
  const histogram = counter.histogram('volume')
  expect(histogram.saturated).toBeNull()
  expect(histogram.max).toBe(1e9)
  expect(histogram.min).toBeCloseTo(0.0003, 6)
  expect(histogram.autoLow).toBeCloseTo(0.0013, 3)
  expect(histogram.autoHigh).toBeCloseTo(0.9991, 3)
  expect(histogram.high).toBeLessThan(2)
  expect(Math.max(...histogram.counts)).toBeLessThan(100)
})

test('one value only gives limits that differ; no finite value is bad input that names the file', () => {
  const constant = new GreyCounter('uint16', 2, 4)
  constant.add(0, Uint16Array.of(7, 7, 7, 7))
  expect(constant.histogram('volume')).toMatchObject({ min: 7, max: 7, autoLow: 7, autoHigh: 8, mean: 7 })
  const empty = new GreyCounter('float32', 2, 2)
  empty.add(0, Float32Array.of(Number.NaN, Infinity))
  expect(() => empty.histogram('some/volume')).toThrow(/some\/volume/)
})

test('preview and histogram before import; the histogram and limits of a slice once it is open', async () => {
  const sample = {
    shape: [70, 40, 50] as const,
    dtype: 'uint16' as const,
    value: (z: number, y: number, x: number) => 900 * z + 20 * y + x,
  }
  const volume = await writeVolume(scratch, 'preview', sample)
  const service = startService(path.join(scratch, 'preview-home'))
  const { implementation } = service
  const preview = await implementation.preview({ path: volume.path, maxExtent: 32 }, { signal: never })
  expect(preview.planes.map(({ axis, index, level, shape }) => ({ axis, index, level, shape }))).toEqual([
    { axis: 'z', index: 35, level: 1, shape: [20, 25] },
    { axis: 'y', index: 20, level: 2, shape: [18, 13] },
    { axis: 'x', index: 25, level: 2, shape: [18, 10] },
  ])
  expect(preview.planes[0].data).toEqual(planeByDefinition(sample, 'z', 35, 1).data)
  // 70 slices are fewer than a preview reads, so XZ and YZ are complete.
  for (const [index, axis] of [
    [1, 'y'],
    [2, 'x'],
  ] as const) {
    const plane = preview.planes[index]
    expect(plane.coverage).toBe(1)
    expect(plane.data).toEqual(planeByDefinition(sample, axis, plane.index, plane.level).data)
  }
  expect(preview.histogram).toMatchObject({
    min: 0,
    max: 62_929,
    sampledSlices: 32,
  })

  const volumeId = await service.add(volume.path)
  const histogram = await implementation.histogram({ volumeId }, { signal: never })
  expect(histogram).toEqual(preview.histogram)
  const limits = await implementation.sliceLimits({ volumeId, z: 2 }, { signal: never })
  // Values 1800 … 2629 of slice 2, nearly evenly: 0.1 and 99.9 % lie within 2 of the ends.
  expect(limits.low).toBeGreaterThanOrEqual(1800)
  expect(limits.low).toBeLessThan(1804)
  expect(limits.high).toBeLessThanOrEqual(2629)
  expect(limits.high).toBeGreaterThan(2625)
  await expect(implementation.sliceLimits({ volumeId, z: 70 }, { signal: never })).rejects.toMatchObject({
    _tag: 'WrongUsage',
  })
  await service.close()
})

test('what cannot be looked at is named, and looking stops through the signal', async () => {
  const service = startService(path.join(scratch, 'bad-home'))
  const { implementation } = service
  await expect(
    implementation.preview({ path: path.join(scratch, 'nowhere'), maxExtent: 64 }, { signal: never }),
  ).rejects.toMatchObject({ _tag: 'NotFound' })
  const mixed = folderOf(scratch, 'mixed', { 'a_1.tif': sampleTiff(), 'a_2.tif': sampleTiff({ width: 7 }) })
  await expect(implementation.inspect({ path: mixed }, { signal: never })).rejects.toThrow(/a_2\.tif/)
  await expect(
    implementation.inspect({ path: mixed }, { signal: AbortSignal.abort() }),
  ).rejects.toMatchObject({ _tag: 'Cancelled' })
  await service.close()
})

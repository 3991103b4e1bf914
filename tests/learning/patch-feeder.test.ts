import { truncateSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { LabelCache } from '../../src/main/engine/learning/patches/label-cache.ts'
import { createPatchFeeder } from '../../src/main/engine/learning/patches/patch-feeder.ts'
import type { PatchWorkerData } from '../../src/main/engine/learning/patches/patch-worker.ts'
import { temporaryFolder } from '../unit/volume/temporary-folder.ts'
import { sampleMaterials, sampleVolume, sliceName, writeSample } from './sample-data.ts'

const scratch = temporaryFolder('patch-feeder')
const sample = sampleVolume(4, 50, 60, 8)
let inputs: PatchWorkerData['inputs']

beforeAll(async () => {
  inputs = [await writeSample(scratch, sample)]
})

function workerData(changes: Partial<PatchWorkerData> = {}): PatchWorkerData {
  const none = {
    affineProbability: 0,
    maxRotationDegrees: 0,
    maxScale: 1,
    elasticProbability: 0,
    elasticVoxels: 0,
  }
  const still = {
    probability: 0,
    maxContrast: 0,
    maxBrightness: 0,
    maxGamma: 1,
    maxNoise: 0,
    maxBlurVoxels: 0,
  }
  return {
    inputs,
    options: { open: {}, labels: {} },
    normalisations: [{ method: 'percentile', low: 0, high: 65_535 }],
    slices: sample.truth.map((truth, z) => ({
      volume: 0,
      z,
      counts: Uint32Array.of(0, ...[0, 1, 2].map((k) => truth.filter((material) => material === k).length)),
    })),
    patches: {
      seed: 4,
      patchSize: 24,
      batchSize: 3,
      contextSlices: 1,
      balance: 0.5,
      geometry: none,
      intensity: still,
    },
    cacheBytes: 1e6,
    ...changes,
  }
}

test('batches come in the order asked for, the same from every worker, with channels of the volume', async () => {
  const feeder = createPatchFeeder(workerData(), 8)
  const batches = []
  for (let step = 1; step <= 8; step++) batches.push(await feeder.batch(step))
  await feeder.close()
  // A run resumed at step 6: another worker, with next to no cache.
  const resumed = createPatchFeeder(workerData({ cacheBytes: 1 }), 8)
  expect(await resumed.batch(6)).toEqual(batches[5])
  expect(await resumed.batch(7)).toEqual(batches[6])
  await resumed.close()

  const known = new Set(sample.grey.flatMap((slice) => [...slice]))
  for (const { images, labels, shape } of batches) {
    expect(shape).toEqual([3, 24, 24, 3])
    expect(labels.every((label) => label >= 1 && label <= sampleMaterials.length)).toBe(true)
    const greys = Array.from(images, (value) => ((value + 1) / 2) * 65_535)
    expect(
      greys.filter((grey) => Math.abs(grey - Math.round(grey)) > 0.05 || !known.has(Math.round(grey))),
    ).toEqual([])
  }
})

test('a slice that breaks while training is named, and waiting ends', async () => {
  const broken = await writeSample(path.join(scratch, 'broken'), sample)
  const feeder = createPatchFeeder(workerData({ inputs: [broken], cacheBytes: 1 }), 100)
  await feeder.batch(1)
  for (let z = 0; z < 4; z++) truncateSync(path.join(broken.volume, `${sliceName(z)}.tif`), 900)
  const failed = (async () => {
    for (let step = 2; step < 20; step++) await feeder.batch(step)
  })()
  await expect(failed).rejects.toMatchObject({
    _tag: 'BadInput',
    fields: { path: expect.stringContaining('scan_00') as string },
  })
  await feeder.close()
})

test('data that cannot be opened fails the first batch', async () => {
  const feeder = createPatchFeeder(
    workerData({ inputs: [{ volume: path.join(scratch, 'nowhere'), labels: inputs[0].labels }] }),
    5,
  )
  await expect(feeder.batch(1)).rejects.toMatchObject({ _tag: 'NotFound' })
  await feeder.close()
})

test('the signal ends waiting at once', async () => {
  const feeder = createPatchFeeder(workerData(), 5)
  const controller = new AbortController()
  const waiting = feeder.batch(1, controller.signal)
  controller.abort()
  await expect(waiting).rejects.toMatchObject({ _tag: 'Cancelled' })
  await expect(feeder.batch(2, controller.signal)).rejects.toMatchObject({ _tag: 'Cancelled' })
  await feeder.close()
})

test('the label cache keeps what was used last, within its size', async () => {
  const cache = new LabelCache(250)
  const reads: string[] = []
  const get = (key: string, size = 100) =>
    cache.get(key, () => {
      reads.push(key)
      return Promise.resolve(new Uint8Array(size).fill(key.charCodeAt(0)))
    })
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) {
    expect((await get(key))[0]).toBe(key.charCodeAt(0))
  }
  // a and b fit; c drops b, which was not used for longest; b comes back for c.
  expect(reads).toEqual(['a', 'b', 'c', 'b'])
  // A slice larger than the cache is still delivered, and pushes the others out.
  expect(await get('d', 1000)).toHaveLength(1000)
  await get('d', 1000)
  await get('a')
  expect(reads).toEqual(['a', 'b', 'c', 'b', 'd', 'a'])
})

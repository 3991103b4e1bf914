import { expect, test } from 'vitest'
import { normalisationFor, sliceNormalisation } from '../../../src/main/engine/learning/normalisation.ts'
import {
  createPatchSampler,
  type PatchSource,
} from '../../../src/main/engine/learning/patches/patch-sampler.ts'
import { unetConfig } from '../../../src/main/engine/learning/training/train-config.ts'
import { intensityScopeOf } from '../../../src/main/engine/learning/training/training-data.ts'
import type { VolumeSource } from '../../../src/main/engine/volume/volume-source.ts'
import { createRandom } from '../../../src/shared/random.ts'

const [height, width] = [64, 80]

/** Slices of uniform noise 1000…2000, each shifted by its offset. */
function noisySlices(offsets: readonly number[]): Uint16Array[] {
  return offsets.map((offset, z) => {
    const random = createRandom(7, z)
    return Uint16Array.from({ length: height * width }, () => offset + 1000 + random.next() * 1000)
  })
}

function volumeOf(slices: readonly Uint16Array[]): VolumeSource {
  return {
    meta: {
      format: 'in memory',
      path: 'memory',
      shape: [slices.length, height, width],
      dtype: 'uint16',
      voxelSize: null,
      sliceNames: slices.map((_, z) => String(z)),
      bytes: slices.length * height * width * 2,
      gaps: [],
      warnings: [],
    },
    readSlice: (z) => Promise.resolve(slices[z].slice()),
    readBox: () => Promise.reject(new Error('not needed')),
    close: () => Promise.resolve(),
  }
}

test('slices that share a grey scale are normalised with the range of the volume', async () => {
  const { scope, warnings } = await intensityScopeOf([volumeOf(noisySlices([0, 30, 60, 0, 20]))], {})
  expect(scope).toBe('volume')
  expect(warnings).toEqual([])
})

test('slices whose level jumps are normalised one by one, and the result says so', async () => {
  const { scope, warnings } = await intensityScopeOf(
    [volumeOf(noisySlices([0, 10])), volumeOf(noisySlices([0, 800, 100, 900]))],
    {},
  )
  expect(scope).toBe('slice')
  // Offsets 0, 100, 800, 900: median 450, median deviation 400, times 1.4826 is 593; slices are 990 wide: 60 %.
  expect(warnings.map(({ kind }) => kind)).toEqual(['intensity-drift'])
  expect(warnings[0].message).toMatch(/by (59|60) %/)
})

test('some empty slices are no reason to normalise slice by slice', async () => {
  const slices = noisySlices([0, 10, 20, 5, 15, 0])
  slices[0].fill(0)
  slices[5].fill(0)
  expect((await intensityScopeOf([volumeOf(slices)], {})).scope).toBe('volume')
})

test('a single slice has nothing to differ from', async () => {
  expect((await intensityScopeOf([volumeOf(noisySlices([0]))], {})).scope).toBe('volume')
})

test('the range of a slice are its percentiles, whatever is not a number left out', () => {
  const slice = Float32Array.from({ length: 1001 }, (_, i) => i)
  expect(sliceNormalisation(slice)).toEqual({ method: 'percentile', low: 5, high: 995 })
  slice[500] = NaN
  slice[501] = Infinity
  const { low, high } = sliceNormalisation(slice)
  expect([low, high]).toEqual([5, 995])
  expect(normalisationFor('per-slice', slice)).toEqual({ method: 'percentile', low, high })
  expect(normalisationFor({ method: 'percentile', low: 1, high: 2 }, slice)).toEqual({
    method: 'percentile',
    low: 1,
    high: 2,
  })
})

test('patches of a bright and a dark slice are alike when slices are normalised one by one', async () => {
  const [dark] = noisySlices([0])
  const bright = dark.map((value) => value + 5000)
  const { augmentation } = unetConfig({ model: 'unet' }, 'cpu')
  const patchOf = async (image: Uint16Array) => {
    const source: PatchSource = {
      volumes: [{ shape: [height, width], normalisation: 'per-slice', neighbours: (z) => [z] }],
      labelledSlices: [{ volume: 0, z: 0, counts: Uint32Array.of(0, 1, height * width - 1) }],
      materialCount: 2,
      readImage: () => Promise.resolve(image),
      readLabels: () => Promise.resolve(new Uint8Array(height * width).fill(2).fill(1, 0, 1)),
    }
    const options = { seed: 3, patchSize: 32, batchSize: 2, contextSlices: 0, balance: 0.5, ...augmentation }
    return (await createPatchSampler(source, options).batch(1)).images
  }
  const [ofDark, ofBright] = [await patchOf(dark), await patchOf(bright)]
  let largest = 0
  ofDark.forEach((value, i) => (largest = Math.max(largest, Math.abs(value - ofBright[i]))))
  expect(largest).toBeLessThan(1e-3)
  expect(ofDark.some((value) => value > 0.5) && ofDark.some((value) => value < -0.5)).toBe(true)
})

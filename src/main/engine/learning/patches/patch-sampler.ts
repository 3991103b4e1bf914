import { createRandom, type Random } from '../../../../shared/random.ts'
import type { TypedArray } from '../../../../shared/volume.ts'
import {
  normaliseInto,
  normalisationFor,
  type Normalisation,
  type VolumeNormalisation,
} from '../normalisation.ts'
import { augmentIntensity, type IntensityOptions } from './intensity-augmentation.ts'
import {
  chooseSlice,
  collectCandidates,
  createSliceTable,
  type LabelledSlice,
  type SliceTable,
} from './patch-plan.ts'
import { mirror, randomTransform, sourceCoordinates, type GeometryOptions } from './patch-transform.ts'

export interface PatchOptions {
  seed: number
  /** Edge of the square patches, voxels. */
  patchSize: number
  batchSize: number
  /** Neighbouring slices to each side that come as channels; 0 for 2D. */
  contextSlices: number
  /** Share of patches centred on a material drawn with equal odds, see `chooseSlice`. */
  balance: number
  geometry: GeometryOptions
  intensity: IntensityOptions
}

/** What the sampler reads. All arrays are `[y, x]` in C order. */
export interface PatchSource {
  volumes: readonly {
    /** Slice size. */
    shape: readonly [y: number, x: number]
    normalisation: VolumeNormalisation
    /** Slices that stand for `z - n … z + n`: clamped at the ends of the volume and at gaps in its numbering. */
    neighbours(z: number, contextSlices: number): readonly number[]
  }[]
  labelledSlices: readonly LabelledSlice[]
  materialCount: number
  readImage(volume: number, z: number): Promise<TypedArray>
  readLabels(volume: number, z: number): Promise<Uint8Array>
}

export interface Batch {
  /** `[count, y, x, channel]`, normalised. */
  images: Float32Array
  /** `[count, y, x]`, 0 = unlabelled. */
  labels: Uint8Array
  shape: readonly [count: number, y: number, x: number, channels: number]
}

/** Makes training batches. Batch `step` depends on the seed and `step` only. */
export interface PatchSampler {
  batch(step: number): Promise<Batch>
}

export function createPatchSampler(source: PatchSource, options: PatchOptions): PatchSampler {
  const { patchSize, batchSize, contextSlices } = options
  const table: SliceTable = createSliceTable(source.labelledSlices, source.materialCount)
  const ranges = new Map<LabelledSlice, Normalisation>()
  const candidates = new Map<LabelledSlice, ReadonlyMap<number, Uint32Array>>()
  const area = patchSize * patchSize
  const ys = new Float32Array(area)
  const xs = new Float32Array(area)
  const channels = 2 * contextSlices + 1
  const planar = new Float32Array(area * channels)
  const scratchLabels = new Uint8Array(area)

  function candidatesOf(slice: LabelledSlice, labels: Uint8Array): ReadonlyMap<number, Uint32Array> {
    let lists = candidates.get(slice)
    if (lists === undefined) {
      lists = collectCandidates(
        labels,
        slice.counts,
        createRandom(options.seed, slice.volume, slice.z, 0xca9d),
      )
      candidates.set(slice, lists)
    }
    return lists
  }

  async function patch(random: Random, images: Float32Array, labels: Uint8Array): Promise<void> {
    const { slice, material } = chooseSlice(table, random, options.balance)
    const volume = source.volumes[slice.volume]
    const sliceLabels = await source.readLabels(slice.volume, slice.z)
    const positions = candidatesOf(slice, sliceLabels).get(material)!
    const position = positions[random.integer(positions.length)]
    const [height, width] = volume.shape
    const centre: [number, number] = [
      place(Math.floor(position / width), height, random),
      place(position % width, width, random),
    ]
    const transform = randomTransform(centre, random, options.geometry)
    sourceCoordinates(transform, patchSize, ys, xs)
    const neighbours = volume.neighbours(slice.z, contextSlices)
    const range = await rangeOf(slice, neighbours[contextSlices])
    sampleLabels(sliceLabels, height, width)
    for (let channel = 0; channel < channels; channel++) {
      const image = await source.readImage(slice.volume, neighbours[channel])
      const target = planar.subarray(channel * area, (channel + 1) * area)
      if (transform.exact) sampleNearest(image, height, width, target)
      else sampleLinear(image, height, width, target)
      // A voxel that is not a number lies outside of what was measured: whatever its label says, nothing is learned there.
      if (channel === contextSlices)
        target.forEach((value, i) => Number.isFinite(value) || (scratchLabels[i] = 0))
      normaliseInto(target, 0, target, 0, area, range)
    }
    labels.set(scratchLabels)
    augmentIntensity(planar, patchSize, channels, random, options.intensity)
    for (let channel = 0; channel < channels; channel++) {
      for (let i = 0; i < area; i++) images[i * channels + channel] = planar[channel * area + i]!
    }
  }

  /** What the patches of a slice are normalised with; its neighbours too, so that they keep their relation to it. */
  async function rangeOf(slice: LabelledSlice, z: number): Promise<Normalisation> {
    const { normalisation } = source.volumes[slice.volume]
    if (normalisation !== 'per-slice') return normalisation
    const known = ranges.get(slice)
    if (known !== undefined) return known
    const range = normalisationFor(normalisation, await source.readImage(slice.volume, z))
    ranges.set(slice, range)
    return range
  }

  /** Centre of a patch that contains `position` and, where the slice is large enough, stays inside the slice. */
  function place(position: number, length: number, random: Random): number {
    if (length <= patchSize) return (length - 1) / 2
    const half = patchSize / 2
    const jittered = position + random.uniform(-half, half)
    return Math.min(Math.max(jittered, half - 0.5), length - half - 0.5)
  }

  function sampleNearest(image: TypedArray, height: number, width: number, target: Float32Array): void {
    for (let i = 0; i < area; i++) {
      const y = mirror(Math.round(ys[i]), height)
      const x = mirror(Math.round(xs[i]), width)
      target[i] = image[y * width + x]!
    }
  }

  function sampleLinear(image: TypedArray, height: number, width: number, target: Float32Array): void {
    for (let i = 0; i < area; i++) {
      const y0 = Math.floor(ys[i])
      const x0 = Math.floor(xs[i])
      const ty = ys[i] - y0
      const tx = xs[i] - x0
      const top = mirror(y0, height) * width
      const bottom = mirror(y0 + 1, height) * width
      const left = mirror(x0, width)
      const right = mirror(x0 + 1, width)
      target[i] =
        (image[top + left] * (1 - tx) + image[top + right] * tx) * (1 - ty) +
        (image[bottom + left] * (1 - tx) + image[bottom + right] * tx) * ty
    }
  }

  /** Nearest label; outside the slice unlabelled, so that padding carries no loss. */
  function sampleLabels(labels: Uint8Array, height: number, width: number): void {
    for (let i = 0; i < area; i++) {
      const y = Math.round(ys[i])
      const x = Math.round(xs[i])
      scratchLabels[i] = y >= 0 && y < height && x >= 0 && x < width ? labels[y * width + x] : 0
    }
  }

  return {
    batch: async (step) => {
      const images = new Float32Array(batchSize * area * channels)
      const labels = new Uint8Array(batchSize * area)
      for (let index = 0; index < batchSize; index++) {
        const random = createRandom(options.seed, step, index, 0xba7c)
        await patch(
          random,
          images.subarray(index * area * channels, (index + 1) * area * channels),
          labels.subarray(index * area, (index + 1) * area),
        )
      }
      return { images, labels, shape: [batchSize, patchSize, patchSize, channels] }
    },
  }
}

import { createRandom, type Random } from '../../../../shared/random.ts'
import type { TypedArray } from '../../../../shared/volume.ts'
import type { JobOptions } from '../../job-options.ts'
import { normalisationFor, type VolumeNormalisation } from '../normalisation.ts'
import type { TrainingData } from '../training/training-data.ts'
import type { FeatureExtractor } from './feature-rows.ts'
import type { FeatureTap } from './vgg16-spec.ts'

/** Labelled voxels as the classifier learns from them: their features, and what they are. */
export interface TrainingRows {
  /** `[row, feature]` in C order, each feature with mean 0 over all rows and the deviation of {@link coarseness}. */
  features: Float32Array
  /** Material index of each row, 1…K. */
  labels: Uint8Array
  /** What was subtracted from each feature. */
  mean: Float32Array
  /** By what each feature was divided then. */
  deviation: Float32Array
  /** Rows of each material that is labelled, and the odds of drawing it. */
  materials: readonly { rows: Uint32Array; odds: number }[]
}

export interface TrainingRowsOptions extends JobOptions {
  /** Per volume: slices to learn from. */
  slices: readonly (readonly number[])[]
  normalisations: readonly VolumeNormalisation[]
  /** Voxels whose features are kept, over all slices. */
  maxRows: number
  /** 0: materials as often as they are labelled; 1: equally often. */
  balance: number
  seed: number
}

/** Features may take this much memory; more labelled voxels than fit are sampled. */
const maxFeatureBytes = 600e6
/** Separates these draws from others made with the same seed. */
const drawKey = 0x70f5

/**
 * Features of labelled voxels of all training slices, each slice looked at once. Which voxels, when there are too many,
 * depends on the seed only.
 */
export async function collectTrainingRows(
  extractor: FeatureExtractor,
  { volumes, labels }: TrainingData,
  options: TrainingRowsOptions,
): Promise<TrainingRows> {
  const { slices, seed, signal, onProgress } = options
  const materialCount = labels.materials.length
  const share = sharesPerMaterial(materialCount, options, (volume, z) => labels.sources[volume].countSlice(z))
  const rowLimit = Math.min(options.maxRows, Math.floor(maxFeatureBytes / (extractor.channels * 4)))
  const kept = share.map(({ odds, count }) => Math.min(1, (odds * rowLimit) / Math.max(1, count)))
  const parts: { features: Float32Array; labels: Uint8Array }[] = []
  const total = slices.reduce((sum, list) => sum + list.length, 0)
  let done = 0
  for (const [index, volume] of volumes.entries()) {
    const [, height, width] = volume.meta.shape
    for (const z of slices[index]) {
      const reading = signal === undefined ? {} : { signal }
      const grey = await volume.readSlice(z, reading)
      const truth = await labels.sources[index].readSlice(z, reading)
      const voxels = drawVoxels(truth, grey, kept, createRandom(seed, index, z, drawKey))
      const normalisation = normalisationFor(options.normalisations[index], grey)
      parts.push({
        features: extractor.rows({ channels: [grey], height, width, normalisation }, voxels, signal),
        labels: Uint8Array.from(voxels, (voxel) => truth[voxel]),
      })
      onProgress?.({ stage: 'computing features', done: ++done, total, unit: 'slices' })
    }
  }
  return joinRows(
    parts,
    extractor.taps,
    share.map(({ odds }) => odds),
  )
}

/**
 * Features that see more voxels vary less from place to place, so that a few labelled slices show few of their values and a
 * classifier learns them by heart. They come in smaller, which makes it lean on the finer ones first (docs/training.md).
 */
const coarseness = ({ factor }: FeatureTap): number => factor ** -0.4

/** Labelled voxels of each material (index − 1) and the odds with which it shall be seen. */
function sharesPerMaterial(
  materialCount: number,
  { slices, balance }: TrainingRowsOptions,
  countSlice: (volume: number, z: number) => Readonly<Uint32Array>,
): { count: number; odds: number }[] {
  const counts = new Array<number>(materialCount).fill(0)
  slices.forEach((list, volume) => {
    for (const z of list) {
      const slice = countSlice(volume, z)
      for (let k = 0; k < materialCount; k++) counts[k] += slice[k + 1]
    }
  })
  const sum = counts.reduce((a, b) => a + b, 0)
  const present = counts.filter((count) => count > 0).length
  return counts.map((count) => ({
    count,
    odds: count === 0 ? 0 : (1 - balance) * (count / sum) + balance / present,
  }))
}

/**
 * Draws from every material the share `kept[index - 1]` of its voxels, without repetition. Voxels without a grey value do
 * not teach anything.
 */
function drawVoxels(
  truth: Uint8Array,
  grey: TypedArray,
  kept: readonly number[],
  random: Random,
): Uint32Array {
  const candidates: number[][] = kept.map(() => [])
  truth.forEach((label, voxel) => {
    if (label !== 0 && Number.isFinite(grey[voxel])) candidates[label - 1].push(voxel)
  })
  const drawn = candidates.flatMap((voxels, k) => {
    const count = Math.ceil(voxels.length * kept[k])
    if (count >= voxels.length) return voxels
    // The first steps of a Fisher-Yates shuffle.
    for (let i = 0; i < count; i++) {
      const other = i + random.integer(voxels.length - i)
      const swapped = voxels[i]
      voxels[i] = voxels[other]!
      voxels[other] = swapped
    }
    return voxels.slice(0, count)
  })
  return Uint32Array.from(drawn).sort()
}

function joinRows(
  parts: { features: Float32Array; labels: Uint8Array }[],
  taps: readonly FeatureTap[],
  odds: readonly number[],
): TrainingRows {
  const count = parts.reduce((sum, part) => sum + part.labels.length, 0)
  const scales = Float32Array.from(
    taps.flatMap((tap) => new Array<number>(tap.channels).fill(coarseness(tap))),
  )
  const channels = scales.length
  const features = new Float32Array(count * channels)
  const labels = new Uint8Array(count)
  let row = 0
  for (const part of parts) {
    features.set(part.features, row * channels)
    labels.set(part.labels, row)
    row += part.labels.length
  }
  // Each part is let go as soon as it is copied, so that features do not exist twice for long.
  parts.length = 0
  const materials = odds.flatMap((share, k) => {
    const rows = new Uint32Array(labels.length)
    let found = 0
    labels.forEach((label, index) => {
      if (label === k + 1) rows[found++] = index
    })
    return found === 0 ? [] : [{ rows: rows.slice(0, found), odds: share }]
  })
  return { features, labels, materials, ...standardise(features, scales) }
}

/** Takes each feature to mean 0 and the deviation in `scales`, in place. A feature that never changes becomes 0. */
function standardise(
  features: Float32Array,
  scales: Float32Array,
): { mean: Float32Array; deviation: Float32Array } {
  const channels = scales.length
  const rows = features.length / channels
  const sums = new Float64Array(channels)
  const squares = new Float64Array(channels)
  for (let i = 0; i < features.length;) {
    for (let channel = 0; channel < channels; channel++, i++) {
      const value = features[i]
      sums[channel] += value
      squares[channel] += value * value
    }
  }
  const mean = Float32Array.from(sums, (sum) => sum / rows)
  const deviation = Float32Array.from(squares, (square, channel) => {
    const variance = square / rows - (sums[channel] / rows) ** 2
    return (variance > 0 ? Math.sqrt(variance) : 1) / scales[channel]
  })
  for (let i = 0; i < features.length;) {
    for (let channel = 0; channel < channels; channel++, i++) {
      features[i] = (features[i] - mean[channel]) / deviation[channel]
    }
  }
  return { mean, deviation }
}

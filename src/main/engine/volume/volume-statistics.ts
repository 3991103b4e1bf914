import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import type { TypedArray, VolumeWarning } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import type { VolumeSource } from './volume-source.ts'

/** Slices that stand for the whole volume: enough to see drifts along z, few enough to be read in seconds. */
const sampleSlices = 32
/** Voxels that percentiles are taken from; the error of the 0.5th percentile is then about 0.005 percentage points. */
const percentileVoxels = 2_000_000
/** Robust ends of the intensity range: outside lie hot pixels and reconstruction artefacts. */
const [lowFraction, highFraction] = [0.005, 0.995]
const histogramBins = 256
/** Constant slices that are named one by one; more are counted. */
const slicesNamed = 5

export interface VolumeStatistics {
  /** Positions z that were read; the whole volume with `full`. */
  slicesRead: readonly number[]
  /** 0.5th and 99.5th percentile of the finite voxels of the fixed sample, whatever `full` says. */
  low: number
  high: number
  /** Over the finite voxels of the slices that were read. */
  min: number
  max: number
  mean: number
  /** Population standard deviation. */
  std: number
  /** Voxels of the sample between `min` and `max` of the sample in equal bins, out of at most two million. */
  histogram: { min: number; max: number; counts: Uint32Array }
  /** NaN and infinite voxels in the slices that were read. */
  nonFiniteVoxels: number
  warnings: readonly VolumeWarning[]
}

export interface StatisticsOptions extends JobOptions {
  /** Reads every slice instead of the fixed sample. */
  full?: boolean
}

/**
 * Statistics of a grey volume from up to 32 slices spread evenly over all of it. The sample depends on the shape of the
 * volume only, so that the same volume always gives the same numbers, whichever part of it is worked on.
 *
 * Throws `BadInput` when the whole volume is constant or has no finite voxel (all slices are read before that is said),
 * `Cancelled` through the signal.
 */
export async function volumeStatistics(
  source: VolumeSource,
  options: StatisticsOptions = {},
): Promise<VolumeStatistics> {
  const depth = source.meta.shape[0]
  const sample = spreadSlices(depth, sampleSlices)
  const slicesRead = options.full === true ? Array.from({ length: depth }, (_, z) => z) : sample
  const total = new Moments()
  const collected = new SampleCollector(source.meta.shape, sample)
  const constant: number[] = []
  let nonFiniteVoxels = 0
  for (const [done, z] of slicesRead.entries()) {
    throwIfCancelled(options.signal)
    const slice = await source.readSlice(z, options.signal === undefined ? {} : { signal: options.signal })
    const moments = momentsOf(slice)
    nonFiniteVoxels += slice.length - moments.count
    if (moments.count === slice.length && moments.min === moments.max) constant.push(z)
    total.add(moments)
    collected.take(z, slice)
    options.onProgress?.({ stage: 'reading', done: done + 1, total: slicesRead.length, unit: 'slices' })
  }
  if (!(total.min < total.max)) await requireContrast(source, new Set(slicesRead), total, options)
  return {
    slicesRead,
    ...collected.summarise(),
    min: total.min,
    max: total.max,
    mean: total.mean,
    std: Math.sqrt(total.squares / total.count),
    nonFiniteVoxels,
    warnings: statisticsWarnings(source, constant, nonFiniteVoxels),
  }
}

/** At most `count` positions spread evenly over `0 … depth-1`, both ends included, ascending. */
export function spreadSlices(depth: number, count: number): number[] {
  if (depth <= count) return Array.from({ length: depth }, (_, z) => z)
  return Array.from({ length: count }, (_, index) => Math.round((index * (depth - 1)) / (count - 1)))
}

/** Number, extremes, mean and sum of squared deviations of finite values; joined as Chan, Golub & LeVeque (1979) do. */
class Moments {
  count = 0
  min = Infinity
  max = -Infinity
  mean = 0
  squares = 0

  add(other: Moments): void {
    if (other.count === 0) return
    const count = this.count + other.count
    const difference = other.mean - this.mean
    this.squares += other.squares + (difference * difference * this.count * other.count) / count
    this.mean += (difference * other.count) / count
    this.count = count
    this.min = Math.min(this.min, other.min)
    this.max = Math.max(this.max, other.max)
  }
}

function momentsOf(slice: TypedArray): Moments {
  const moments = new Moments()
  let { count, min, max } = moments
  let sum = 0
  for (const value of slice) {
    if (value - value !== 0) continue
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    count++
  }
  const mean = count === 0 ? 0 : sum / count
  let squares = 0
  for (const value of slice) {
    if (value - value === 0) squares += (value - mean) * (value - mean)
  }
  return Object.assign(moments, { count, min, max, mean, squares })
}

/** Gathers finite voxels of the sample slices at a stride that does not fall into step with the rows. */
class SampleCollector {
  readonly #slices: ReadonlySet<number>
  readonly #stride: number
  readonly #values: Float64Array
  #count = 0

  constructor(shape: readonly [number, number, number], slices: readonly number[]) {
    const [, height, width] = shape
    this.#slices = new Set(slices)
    let stride = Math.max(1, Math.ceil((height * width * slices.length) / percentileVoxels))
    while (stride > 1 && greatestCommonDivisor(stride, width) > 1) stride++
    this.#stride = stride
    this.#values = new Float64Array(Math.ceil((height * width) / stride) * slices.length)
  }

  take(z: number, slice: TypedArray): void {
    if (!this.#slices.has(z)) return
    for (let at = 0; at < slice.length; at += this.#stride) {
      const value = slice[at]
      if (value - value === 0) this.#values[this.#count++] = value
    }
  }

  summarise(): Pick<VolumeStatistics, 'low' | 'high' | 'histogram'> {
    const values = this.#values.subarray(0, this.#count).sort()
    const [min, max] = [values.at(0) ?? 0, values.at(-1) ?? 0]
    const counts = new Uint32Array(histogramBins)
    const scale = max > min ? histogramBins / (max - min) : 0
    for (const value of values) counts[Math.min(histogramBins - 1, Math.floor((value - min) * scale))]++
    return {
      low: quantile(values, lowFraction),
      high: quantile(values, highFraction),
      histogram: { min, max, counts },
    }
  }
}

/** Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996, the default of NumPy). */
function quantile(sorted: Float64Array, fraction: number): number {
  const at = (sorted.length - 1) * fraction
  const below = Math.floor(at)
  const lower = sorted.at(below) ?? 0
  const upper = sorted.at(Math.min(below + 1, sorted.length - 1)) ?? 0
  return lower + (upper - lower) * (at - below)
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right)
}

/** The slices read so far hold one value only: looks at the others until one differs. */
async function requireContrast(
  source: VolumeSource,
  seen: ReadonlySet<number>,
  total: Moments,
  options: StatisticsOptions,
): Promise<void> {
  const { shape, path } = source.meta
  for (let z = 0; z < shape[0]; z++) {
    if (seen.has(z)) continue
    throwIfCancelled(options.signal)
    total.add(
      momentsOf(await source.readSlice(z, options.signal === undefined ? {} : { signal: options.signal })),
    )
    if (total.min < total.max) return
  }
  throw badInput(
    path,
    'a volume whose voxels differ',
    total.count === 0 ? 'no finite voxel at all' : `the value ${total.min} everywhere`,
  )
}

function statisticsWarnings(
  source: VolumeSource,
  constant: readonly number[],
  nonFiniteVoxels: number,
): VolumeWarning[] {
  const { path, sliceNames } = source.meta
  const warnings: VolumeWarning[] = []
  if (nonFiniteVoxels > 0) {
    warnings.push({
      kind: 'non-finite-voxels',
      message: `${path}: ${nonFiniteVoxels} voxels are NaN or infinite; they are treated as outside the sample`,
    })
  }
  if (constant.length > 0) {
    const named = constant.slice(0, slicesNamed).map((z) => sliceNames[z] ?? String(z))
    const more = constant.length > slicesNamed ? ` and ${constant.length - slicesNamed} more` : ''
    warnings.push({
      kind: 'constant-slice',
      message: `${path}: one grey value only in slice ${named.join(', ')}${more}`,
    })
  }
  return warnings
}

import { badInput } from '../../../shared/errors.ts'
import type { GreyHistogram } from '../../../shared/contract/volumes.ts'
import { bytesPerElement, type Dtype, type TypedArray } from '../../../shared/volume.ts'
import { isFloat } from './averages.ts'

/** Slices that stand for the whole volume, the same ones as for the statistics that training uses. */
export const histogramSlices = 32
const bins = 256
/** Robust limits for display: outside lie hot pixels and reconstruction artefacts. */
const [lowFraction, highFraction] = [0.001, 0.999]
/** Values of wide types that percentiles are taken from; smaller volumes are taken whole. */
const valuesKept = 4_000_000

/** Counts grey values slice by slice. */
export class GreyCounter {
  readonly #dtype: Dtype
  /** One counter per value for types of up to 16 bits, else `null`. */
  readonly #perValue: Float64Array | null
  readonly #ends: readonly [number, number]
  readonly #kept: Float64Array
  readonly #stride: number
  #keptCount = 0
  #min = Infinity
  #max = -Infinity
  #sum = 0
  #count = 0
  #voxels = 0
  #saturated = 0
  readonly #means: number[] = []
  readonly #positions: number[] = []

  /**
   * @param rowLength voxels of one row, so that what is kept of wide types does not fall into step with the rows
   * @param voxels how many will be added at most
   */
  constructor(dtype: Dtype, rowLength: number, voxels: number) {
    this.#dtype = dtype
    const bits = 8 * bytesPerElement[dtype]
    this.#ends = dtype.startsWith('u') ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    const narrow = bits <= 16
    this.#perValue = narrow ? new Float64Array(2 ** bits) : null
    let stride = Math.max(1, Math.ceil(voxels / valuesKept))
    while (stride > 1 && greatestCommonDivisor(stride, rowLength) > 1) stride++
    this.#stride = stride
    this.#kept = new Float64Array(narrow ? 0 : Math.ceil(voxels / stride) + histogramSlices)
  }

  /** Counts slice `z`; the array is kept as it is. */
  add(z: number, slice: TypedArray): void {
    const [sum, count] =
      this.#perValue === null ? this.#addWide(slice) : this.#addNarrow(slice, this.#perValue)
    this.#sum += sum
    this.#count += count
    this.#voxels += slice.length
    this.#means.push(count === 0 ? 0 : sum / count)
    this.#positions.push(z)
  }

  #addNarrow(slice: TypedArray, perValue: Float64Array): [number, number] {
    const lowest = this.#ends[0]
    let sum = 0
    for (const value of slice) {
      perValue[value - lowest]++
      sum += value
    }
    return [sum, slice.length]
  }

  #addWide(slice: TypedArray): [number, number] {
    const [low, high] = this.#ends
    let sum = 0
    let count = 0
    for (const value of slice) {
      if (value - value !== 0) continue
      if (value < this.#min) this.#min = value
      if (value > this.#max) this.#max = value
      if (value === low || value === high) this.#saturated++
      sum += value
      count++
    }
    for (let at = 0; at < slice.length; at += this.#stride) {
      const value = slice[at]
      if (value - value === 0) this.#kept[this.#keptCount++] = value
    }
    return [sum, count]
  }

  /** Throws `BadInput` naming `path` when no voxel was finite. */
  histogram(path: string): GreyHistogram {
    const values = this.#sortedValues(path)
    const [min, max] = [values.min, values.max]
    const [autoLow, autoHigh] = widened(values.quantile(lowFraction), values.quantile(highFraction), min, max)
    // Twice the robust range: all that matters is seen in detail even when a few hot voxels lie far away.
    const margin = (autoHigh - autoLow) / 2
    let low = Math.max(min, autoLow - margin)
    let high = Math.min(max, autoHigh + margin)
    if (!isFloat(this.#dtype)) {
      // Bins of whole numbers, all equally many, or the picture would show a comb.
      low = Math.floor(low)
      high = low + Math.ceil((Math.ceil(high) - low + 1) / bins) * bins
    } else if (!(high > low)) {
      high = low + 1
    }
    return {
      counts: values.count(low, high),
      low,
      high,
      min,
      max,
      mean: this.#sum / this.#count,
      autoLow,
      autoHigh,
      saturated: isFloat(this.#dtype) ? null : values.saturated / this.#voxels,
      sampledSlices: this.#positions.length,
      sliceMeans: Float64Array.from(this.#means),
      slicePositions: Uint32Array.from(this.#positions),
    }
  }

  #sortedValues(path: string) {
    if (this.#count === 0) throw badInput(path, 'voxels with finite values', 'NaN or infinity only')
    const perValue = this.#perValue
    if (perValue !== null) return countedValues(perValue, this.#ends, this.#voxels)
    const sorted = this.#kept.subarray(0, this.#keptCount).sort()
    return {
      min: this.#min,
      max: this.#max,
      saturated: this.#saturated,
      quantile: (fraction: number) => {
        if (sorted.length === 0) return fraction < 0.5 ? this.#min : this.#max
        return orderStatistic(fraction, sorted.length, (at) => sorted[at])
      },
      count: (low: number, high: number) => {
        const counts = new Uint32Array(bins)
        const scale = bins / (high - low)
        for (const value of sorted) {
          // Only the highest bin of floats holds its upper end.
          if (value >= low && value <= high) counts[Math.min(bins - 1, Math.floor((value - low) * scale))]++
        }
        return counts
      },
    }
  }
}

/** The same from one counter per value, which is exact. */
function countedValues(perValue: Float64Array, ends: readonly [number, number], voxels: number) {
  const [lowest] = ends
  const first = perValue.findIndex((count) => count > 0)
  const last = perValue.findLastIndex((count) => count > 0)
  const below = new Float64Array(perValue.length + 1)
  for (let at = 0; at < perValue.length; at++) below[at + 1] = below[at] + perValue[at]
  const valueAt = (rank: number): number => {
    let [from, to] = [first, last]
    while (from < to) {
      const middle = (from + to) >> 1
      if (below[middle + 1] > rank) to = middle
      else from = middle + 1
    }
    return lowest + from
  }
  return {
    min: lowest + first,
    max: lowest + last,
    saturated: perValue[0] + perValue[perValue.length - 1],
    quantile: (fraction: number) => orderStatistic(fraction, voxels, valueAt),
    count: (low: number, high: number) => {
      const counts = new Uint32Array(bins)
      const width = (high - low) / bins
      for (let at = first; at <= last; at++) {
        const bin = Math.floor((lowest + at - low) / width)
        if (bin >= 0 && bin < bins) counts[bin] += perValue[at]
      }
      return counts
    },
  }
}

/** Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996, the default of NumPy). */
function orderStatistic(fraction: number, count: number, valueAt: (rank: number) => number): number {
  const at = (count - 1) * fraction
  const below = Math.floor(at)
  const lower = valueAt(below)
  return lower + (valueAt(Math.min(below + 1, count - 1)) - lower) * (at - below)
}

/** Limits that differ, so that a picture can be drawn between them. */
function widened(low: number, high: number, min: number, max: number): [number, number] {
  if (high > low) return [low, high]
  return max > min ? [min, max] : [min, min + 1]
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right)
}

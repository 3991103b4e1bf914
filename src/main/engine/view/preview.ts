import type { GreyHistogram, PlaneData } from '../../../shared/contract/volumes.ts'
import { throwIfCancelled } from '../../../shared/errors.ts'
import { createTypedArray, type TypedArray } from '../../../shared/volume.ts'
import { spreadSlices } from '../volume/volume-statistics.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import { averagePlane, CellSums, cellsAlong } from './averages.ts'
import { GreyCounter, histogramSlices } from './histogram.ts'

/** Slices that XZ and YZ of a preview are made of when reading is quick; more would not be seen at its size. */
const previewSlices = 128
/** After that, what was read has to do; the slices of the histogram are always read. */
const previewMs = 1500

export interface Preview {
  planes: PlaneData[]
  histogram: GreyHistogram
}

/**
 * Grey values of up to 32 slices spread evenly over the volume: all of it when it has no more. For types of more than 16 bits,
 * percentiles and counts come from at most four million of their voxels, everything else from all.
 * Throws `BadInput` for slices that cannot be read or when no voxel is finite, `Cancelled` through the signal.
 */
export async function readHistogram(source: VolumeSource, signal: AbortSignal): Promise<GreyHistogram> {
  const positions = spreadSlices(source.meta.shape[0], histogramSlices)
  const counter = counterFor(source, positions.length)
  for (const z of positions) counter.add(z, await readSlice(source, z, signal))
  return counter.histogram(source.meta.path)
}

/** Limits for display of one slice: 0.1 and 99.9 % of its finite voxels. Throws as {@link readHistogram}. */
export async function readSliceLimits(
  source: VolumeSource,
  z: number,
  signal: AbortSignal,
): Promise<{ low: number; high: number }> {
  const counter = counterFor(source, 1)
  counter.add(z, await readSlice(source, z, signal))
  const { autoLow, autoHigh } = counter.histogram(`${source.meta.path}, slice ${source.meta.sliceNames[z]}`)
  return { low: autoLow, high: autoHigh }
}

/**
 * XY, XZ and YZ through the middle, none longer than `maxExtent`, and the histogram. XZ and YZ are made of some slices; the rows
 * between them repeat the nearest one.
 */
export async function readPreview(
  source: VolumeSource,
  maxExtent: number,
  signal: AbortSignal,
): Promise<Preview> {
  const { shape, dtype, path } = source.meta
  const [depth, height, width] = shape
  const [z, y, x] = [depth >> 1, height >> 1, width >> 1]
  const sliceLevel = levelFor(Math.max(height, width), maxExtent)
  const middle = await readSlice(source, z, signal)
  const xy: PlaneData = {
    axis: 'z',
    index: z,
    level: sliceLevel,
    shape: [cellsAlong(height, sliceLevel), cellsAlong(width, sliceLevel)],
    dtype,
    data: averagePlane(middle, height, width, sliceLevel, dtype),
    coverage: 1,
  }
  const xz = new StandingPlane(source, 'y', y, levelFor(Math.max(depth, width), maxExtent))
  const yz = new StandingPlane(source, 'x', x, levelFor(Math.max(depth, height), maxExtent))
  const sample = spreadSlices(depth, histogramSlices)
  const counter = counterFor(source, sample.length)
  const until = performance.now() + previewMs
  for (const position of sample) {
    const slice = position === z ? middle : await readSlice(source, position, signal)
    counter.add(position, slice)
    xz.add(position, slice)
    yz.add(position, slice)
  }
  for (const position of spreadSlices(depth, previewSlices)) {
    if (performance.now() > until) break
    if (sample.includes(position)) continue
    const slice = await readSlice(source, position, signal)
    xz.add(position, slice)
    yz.add(position, slice)
  }
  return { planes: [xy, xz.plane(), yz.plane()], histogram: counter.histogram(path) }
}

/** Gathers one XZ or YZ plane of a coarser level out of some slices. */
class StandingPlane {
  readonly #source: VolumeSource
  readonly #axis: 'y' | 'x'
  readonly #index: number
  readonly #level: number
  readonly #columns: number
  readonly #rows = new Map<number, CellSums>()
  #slices = 0

  constructor(source: VolumeSource, axis: 'y' | 'x', index: number, level: number) {
    this.#source = source
    this.#axis = axis
    this.#index = index
    this.#level = level
    this.#columns = source.meta.shape[axis === 'y' ? 2 : 1]
  }

  add(z: number, slice: TypedArray): void {
    const [, height, width] = this.#source.meta.shape
    const edge = 2 ** this.#level
    const first = Math.floor(this.#index / edge) * edge
    const row = Math.floor(z / edge)
    this.#slices++
    if (this.#axis === 'y') {
      const count = Math.min(edge, height - first)
      this.#sumsOf(row, count).add(slice.subarray(first * width, (first + count) * width))
      return
    }
    const count = Math.min(edge, width - first)
    const turned = createTypedArray(this.#source.meta.dtype, count * height)
    for (let across = 0, to = 0; across < count; across++) {
      for (let y = 0, from = first + across; y < height; y++, from += width) turned[to++] = slice[from]
    }
    this.#sumsOf(row, count).add(turned)
  }

  #sumsOf(row: number, count: number): CellSums {
    const sums =
      this.#rows.get(row) ?? new CellSums(count, this.#columns, this.#level, this.#source.meta.dtype)
    this.#rows.set(row, sums)
    return sums
  }

  plane(): PlaneData {
    const { shape, dtype } = this.#source.meta
    const rows = cellsAlong(shape[0], this.#level)
    const columns = cellsAlong(this.#columns, this.#level)
    const data = createTypedArray(dtype, rows * columns)
    const known = [...this.#rows.keys()].sort((left, right) => left - right)
    const means = new Map(known.map((row) => [row, this.#rows.get(row)?.means() ?? data.subarray(0, 0)]))
    for (let row = 0, at = 0; row < rows; row++) {
      while (at + 1 < known.length && known[at + 1] - row < row - known[at]) at++
      data.set(means.get(known[at]) ?? [], row * columns)
    }
    return {
      axis: this.#axis,
      index: this.#index,
      level: this.#level,
      shape: [rows, columns],
      dtype,
      data,
      coverage: this.#slices / shape[0],
    }
  }
}

/** Coarsest level needed for `extent` voxels to fit into `maxExtent`. */
function levelFor(extent: number, maxExtent: number): number {
  let level = 0
  while (cellsAlong(extent, level) > maxExtent) level++
  return level
}

function counterFor(source: VolumeSource, slices: number): GreyCounter {
  const [, height, width] = source.meta.shape
  return new GreyCounter(source.meta.dtype, width, slices * height * width)
}

async function readSlice(source: VolumeSource, z: number, signal: AbortSignal): Promise<TypedArray> {
  throwIfCancelled(signal)
  return await source.readSlice(z, { signal })
}

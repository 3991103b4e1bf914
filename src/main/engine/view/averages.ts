import { createTypedArray, type Dtype, type TypedArray } from '../../../shared/volume.ts'

/**
 * Sums of voxels over square cells of a plane, 2^level voxels wide, over any number of slices; the means are exact before
 * they are rounded, because sums of integers below 2⁵³ are. Cells at the lower and right edge may cover fewer voxels.
 * Non-finite voxels are left out.
 */
export class CellSums {
  /** Rows and columns of cells: ceil of the plane's extents / 2^level. */
  readonly shape: readonly [rows: number, columns: number]
  readonly #rows: number
  readonly #columns: number
  readonly #level: number
  readonly #dtype: Dtype
  readonly #sums: Float64Array
  /** Finite voxels per cell, for floats; integers are counted by geometry. */
  readonly #counts: Float64Array | null
  #slices = 0

  /** @param rows, columns extents of the plane in voxels */
  constructor(rows: number, columns: number, level: number, dtype: Dtype) {
    this.shape = [cellsAlong(rows, level), cellsAlong(columns, level)]
    this.#rows = rows
    this.#columns = columns
    this.#level = level
    this.#dtype = dtype
    this.#sums = new Float64Array(this.shape[0] * this.shape[1])
    this.#counts = isFloat(dtype) ? new Float64Array(this.#sums.length) : null
  }

  /** Slices added since the last `clear`. */
  get slices(): number {
    return this.#slices
  }

  /** Adds one slice, C order (y, x) with the extents of the plane; it is kept as it is. */
  add(voxels: TypedArray): void {
    if (this.#counts === null) this.#addIntegers(voxels)
    else this.#addFloats(voxels, this.#counts)
    this.#slices++
  }

  #addIntegers(voxels: TypedArray): void {
    const sums = this.#sums
    const [rows, columns] = [this.#rows, this.#columns]
    const [edge, cells] = [2 ** this.#level, this.shape[1]]
    for (let y = 0; y < rows; y++) {
      let at = y * columns
      let cell = Math.floor(y / edge) * cells
      const end = at + columns
      while (at < end) {
        const stop = Math.min(at + edge, end)
        let sum = 0
        for (; at < stop; at++) sum += voxels[at]
        sums[cell++] += sum
      }
    }
  }

  #addFloats(voxels: TypedArray, counts: Float64Array): void {
    const sums = this.#sums
    const [rows, columns] = [this.#rows, this.#columns]
    const [edge, cells] = [2 ** this.#level, this.shape[1]]
    for (let y = 0; y < rows; y++) {
      let at = y * columns
      let cell = Math.floor(y / edge) * cells
      const end = at + columns
      while (at < end) {
        const stop = Math.min(at + edge, end)
        let sum = 0
        let count = 0
        for (; at < stop; at++) {
          const value = voxels[at]
          if (value - value !== 0) continue
          sum += value
          count++
        }
        sums[cell] += sum
        counts[cell++] += count
      }
    }
  }

  /** Adds the sums of the next finer level of the same plane. */
  addFiner(finer: CellSums): void {
    fold(finer.#sums, finer.shape, this.#sums, this.shape[1])
    if (this.#counts !== null && finer.#counts !== null) {
      fold(finer.#counts, finer.shape, this.#counts, this.shape[1])
    }
    this.#slices += finer.#slices
  }

  /**
   * Mean of each cell in the volume's dtype, C order, shape `shape`; integers are rounded, halves upwards. A cell without
   * any finite voxel is NaN; before any slice was added, integers are 0.
   */
  means(): TypedArray {
    const target = createTypedArray(this.#dtype, this.#sums.length)
    const sums = this.#sums
    const counts = this.#counts
    if (counts !== null) {
      for (let cell = 0; cell < sums.length; cell++) target[cell] = sums[cell] / counts[cell]
      return target
    }
    if (this.#slices === 0) return target
    const [rows, columns] = this.shape
    const edge = 2 ** this.#level
    for (let row = 0, cell = 0; row < rows; row++) {
      const voxelsPerColumn = Math.min(edge, this.#rows - row * edge) * this.#slices
      const whole = voxelsPerColumn * edge
      for (let column = 0; column < columns; column++, cell++) {
        const count =
          column + 1 < columns ? whole : voxelsPerColumn * Math.min(edge, this.#columns - column * edge)
        target[cell] = Math.round(sums[cell] / count)
      }
    }
    return target
  }

  clear(): void {
    this.#sums.fill(0)
    this.#counts?.fill(0)
    this.#slices = 0
  }
}

/** Elements of level `level` along an axis of `extent` voxels. */
export function cellsAlong(extent: number, level: number): number {
  return Math.ceil(extent / 2 ** level)
}

export function isFloat(dtype: Dtype): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

/**
 * A plane at a coarser level, as {@link CellSums} averages it. Level 0 gives `voxels` itself.
 *
 * @param voxels C order, rows × columns; kept
 */
export function averagePlane(
  voxels: TypedArray,
  rows: number,
  columns: number,
  level: number,
  dtype: Dtype,
): TypedArray {
  if (level === 0) return voxels
  const sums = new CellSums(rows, columns, level, dtype)
  sums.add(voxels)
  return sums.means()
}

/** Adds squares of 2 × 2 elements of `finer` (C order, `shape`) to `coarser`, whose rows are `coarserColumns` long. */
function fold(
  finer: Float64Array,
  [rows, columns]: readonly [number, number],
  coarser: Float64Array,
  coarserColumns: number,
): void {
  for (let row = 0, at = 0; row < rows; row++) {
    let cell = (row >> 1) * coarserColumns
    const end = at + columns
    for (; at + 1 < end; at += 2) coarser[cell++] += finer[at] + finer[at + 1]
    if (at < end) coarser[cell] += finer[at++]
  }
}

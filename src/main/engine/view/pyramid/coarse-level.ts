import type { PlaneAxis } from '../../../../shared/annotation/edit.ts'
import {
  createTypedArray,
  typedArrayConstructors,
  type Shape3,
  type TypedArray,
} from '../../../../shared/volume.ts'
import { cellsAlong, isFloat } from '../averages.ts'
import type { PyramidLayout } from './layout.ts'

/** Memory of a {@link CoarseLevel}, to be handed to other threads. */
export interface CoarseMemory {
  voxels: SharedArrayBuffer
  slicesRead: SharedArrayBuffer
}

export interface CoarsePlane {
  /** Of the contract: [rows, columns]. */
  shape: [rows: number, columns: number]
  data: TypedArray
  coverage: number
}

/**
 * The coarse level of a pyramid in shared memory: the thread that builds fills plane after plane, the others show what is
 * there. A plane (along z) is known as soon as one of its 2^level slices was read, and becomes exact when all were.
 */
export class CoarseLevel {
  readonly memory: CoarseMemory
  readonly level: number
  /** z, y, x in elements of the level. */
  readonly shape: Shape3
  readonly #layout: PyramidLayout
  readonly #voxels: TypedArray
  readonly #slicesRead: Int32Array

  constructor(layout: PyramidLayout, memory?: CoarseMemory) {
    this.#layout = layout
    this.level = layout.coarseLevel
    this.shape = layout.levels[layout.coarseLevel].shape
    const { BYTES_PER_ELEMENT: width } = typedArrayConstructors[layout.dtype]
    this.memory = memory ?? {
      voxels: new SharedArrayBuffer(this.shape[0] * this.shape[1] * this.shape[2] * width),
      slicesRead: new SharedArrayBuffer(this.shape[0] * Int32Array.BYTES_PER_ELEMENT),
    }
    this.#voxels = viewOf(layout.dtype, this.memory.voxels)
    this.#slicesRead = new Int32Array(this.memory.slicesRead)
  }

  /** Fills plane `z`, C order (y, x), made of `slices` slices of the volume. */
  setPlane(z: number, voxels: TypedArray, slices: number): void {
    this.#voxels.set(voxels, z * this.shape[1] * this.shape[2])
    Atomics.store(this.#slicesRead, z, slices)
  }

  /** A plane to be filled, C order (y, x). */
  emptyPlane(): TypedArray {
    return createTypedArray(this.#layout.dtype, this.shape[1] * this.shape[2])
  }

  /** Slices of the volume that plane `z` is made of; 0 = not known. */
  slicesRead(z: number): number {
    return Atomics.load(this.#slicesRead, z)
  }

  /** Whether plane `z` is the mean of all slices that it stands for. */
  isExact(z: number): boolean {
    return this.slicesRead(z) === this.slicesOf(z)
  }

  /**
   * A plane at `level` (the coarse one or above) through voxel `index` of `axis`. Depths not known show the nearest that is;
   * with none at all, everything is 0.
   */
  plane(axis: PlaneAxis, index: number, level: number): CoarsePlane {
    return axis === 'z' ? this.#slice(index, level) : this.#across(axis, index, level)
  }

  /** Slices of the volume that plane `z` stands for. */
  slicesOf(z: number): number {
    const slices = 2 ** this.level
    return Math.min(slices, this.#layout.shape[0] - z * slices)
  }

  /** For each depth of this level, the nearest known one, or -1; of two as near, the lower. */
  #nearestKnown(): Int32Array {
    const depth = this.shape[0]
    const nearest = new Int32Array(depth).fill(-1)
    for (let z = 0, last = -1; z < depth; z++) {
      if (this.slicesRead(z) > 0) last = z
      nearest[z] = last
    }
    for (let z = depth - 1, next = -1; z >= 0; z--) {
      if (this.slicesRead(z) > 0) next = z
      if (next >= 0 && (nearest[z] < 0 || next - z < z - nearest[z])) nearest[z] = next
    }
    return nearest
  }

  #slice(index: number, level: number): CoarsePlane {
    const [, height, width] = this.shape
    const wanted = index >> this.level
    const z = this.#nearestKnown()[wanted]
    const shape = this.#planeShape('z', level)
    // The slice asked for is one of those that the element stands for.
    const known = this.slicesRead(wanted) > 0 ? 1 / this.slicesOf(wanted) : 0
    if (z < 0) return { shape, data: createTypedArray(this.#layout.dtype, shape[0] * shape[1]), coverage: 0 }
    const base = z * height * width
    if (level === this.level) {
      return { shape, data: this.#copyOf(base, height * width), coverage: known }
    }
    const mean = new WeightedMeans(shape, isFloat(this.#layout.dtype))
    const factor = level - this.level
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        mean.add(
          y >> factor,
          x >> factor,
          this.#voxels[base + y * width + x],
          this.#weight(1, y) * this.#weight(2, x),
        )
      }
    }
    return { shape, data: mean.result(this.#layout.dtype), coverage: known }
  }

  #across(axis: 'y' | 'x', index: number, level: number): CoarsePlane {
    const [depth, height, width] = this.shape
    const shape = this.#planeShape(axis, level)
    const factor = level - this.level
    const across = axis === 'y' ? 1 : 2
    const first = (index >> level) << factor
    const last = Math.min(first + 2 ** factor, this.shape[across])
    const [columns, columnStep, acrossStep] = axis === 'y' ? [width, 1, width] : [height, width, 1]
    const columnAxis = axis === 'y' ? 2 : 1
    const nearest = this.#nearestKnown()
    let slicesRead = 0
    for (let z = 0; z < depth; z++) slicesRead += this.slicesRead(z)
    const coverage = Math.min(1, slicesRead / this.#layout.shape[0])
    if (factor === 0) {
      const data = createTypedArray(this.#layout.dtype, depth * columns)
      for (let z = 0; z < depth; z++) {
        if (nearest[z] < 0) continue
        let from = nearest[z] * height * width + first * acrossStep
        const end = (z + 1) * columns
        for (let to = z * columns; to < end; to++, from += columnStep) data[to] = this.#voxels[from]
      }
      return { shape, data, coverage }
    }
    const mean = new WeightedMeans(shape, isFloat(this.#layout.dtype))
    for (let z = 0; z < depth; z++) {
      if (nearest[z] < 0) continue
      const base = nearest[z] * height * width
      const depthWeight = this.#weight(0, z)
      for (let at = first; at < last; at++) {
        const weight = depthWeight * this.#weight(across, at)
        const start = base + at * acrossStep
        for (let column = 0; column < columns; column++) {
          const value = this.#voxels[start + column * columnStep]
          mean.add(z >> factor, column >> factor, value, weight * this.#weight(columnAxis, column))
        }
      }
    }
    return { shape, data: mean.result(this.#layout.dtype), coverage }
  }

  /** Typed arrays on shared memory must not leave it. */
  #copyOf(start: number, length: number): TypedArray {
    const copy = createTypedArray(this.#layout.dtype, length)
    copy.set(this.#voxels.subarray(start, start + length))
    return copy
  }

  /** Voxels along an axis that element `at` stands for: fewer in the last one. */
  #weight(axis: 0 | 1 | 2, at: number): number {
    return Math.min(2 ** this.level, this.#layout.shape[axis] - at * 2 ** this.level)
  }

  #planeShape(axis: PlaneAxis, level: number): [number, number] {
    const [depth, height, width] = this.#layout.shape
    const extents = { z: [height, width], y: [depth, width], x: [depth, height] } as const
    return [cellsAlong(extents[axis][0], level), cellsAlong(extents[axis][1], level)]
  }
}

function viewOf(dtype: PyramidLayout['dtype'], memory: SharedArrayBuffer): TypedArray {
  // The types of the standard library tell the two kinds of buffers apart; our arrays do not have to.
  return new typedArrayConstructors[dtype](memory as unknown as ArrayBuffer)
}

/** Means of elements that stand for different numbers of voxels. */
class WeightedMeans {
  readonly #columns: number
  readonly #sums: Float64Array
  readonly #weights: Float64Array
  readonly #floats: boolean

  constructor(shape: readonly [number, number], floats: boolean) {
    this.#columns = shape[1]
    this.#sums = new Float64Array(shape[0] * shape[1])
    this.#weights = new Float64Array(shape[0] * shape[1])
    this.#floats = floats
  }

  add(row: number, column: number, value: number, weight: number): void {
    if (this.#floats && value - value !== 0) return
    const cell = row * this.#columns + column
    this.#sums[cell] += value * weight
    this.#weights[cell] += weight
  }

  result(dtype: PyramidLayout['dtype']): TypedArray {
    const target = createTypedArray(dtype, this.#sums.length)
    for (let cell = 0; cell < target.length; cell++) {
      const weight = this.#weights[cell]
      if (this.#floats) target[cell] = this.#sums[cell] / weight
      else if (weight > 0) target[cell] = Math.round(this.#sums[cell] / weight)
    }
    return target
  }
}

import { createTypedArray, type TypedArray } from '../../../../shared/volume.ts'
import { CellSums } from '../averages.ts'
import { elementsOf, putPlane, type Elements } from './bricks.ts'
import type { CoarseLevel } from './coarse-level.ts'
import type { PyramidLayout } from './layout.ts'
import type { PyramidStore } from './store.ts'

interface Slab {
  bytes: Uint8Array
  elements: Elements
}

/**
 * Turns the slices of one unit after the other into planes of every level. What it holds is one slab per level and sums of one
 * plane per level.
 */
export class UnitWriter {
  readonly #layout: PyramidLayout
  readonly #coarse: CoarseLevel
  readonly #store: PyramidStore | null
  readonly #between: () => Promise<void>
  readonly #slabs = new Map<number, Slab>()
  readonly #sums: CellSums[]

  /**
   * @param store where bricks go; `null` fills the coarse level in memory only
   * @param between called from time to time while bricks are written
   */
  constructor(
    layout: PyramidLayout,
    coarse: CoarseLevel,
    store: PyramidStore | null,
    between: () => Promise<void>,
  ) {
    this.#layout = layout
    this.#coarse = coarse
    this.#store = store
    this.#between = between
    const [, height, width] = layout.shape
    this.#sums = layout.levels.slice(1).map(({ level }) => new CellSums(height, width, level, layout.dtype))
    for (const level of layout.levels) {
      if (store === null || level.level < store.finest) continue
      const length = level.slabBytes / createTypedArray(layout.dtype, 0).BYTES_PER_ELEMENT
      const elements = elementsOf(createTypedArray(layout.dtype, length), layout.dtype)
      this.#slabs.set(level.level, { bytes: new Uint8Array(elements.buffer), elements })
    }
  }

  /** Forgets a unit that was begun. */
  reset(): void {
    for (const sums of this.#sums) sums.clear()
  }

  /**
   * Adds slice `z`; slices of a unit come in order.
   * @param voxels C order (y, x), kept; `null` when the slice cannot be read: it is left out of means
   */
  async addSlice(z: number, voxels: TypedArray | null): Promise<void> {
    if (this.#layout.coarseLevel === 0) {
      if (voxels !== null) this.#coarse.setPlane(z, voxels, 1)
      return
    }
    if (voxels !== null) this.#sums[0].add(voxels)
    await this.#putPlane(0, z, voxels)
    await this.#completed(0, z)
  }

  /** Plane `z` of `level` is there: finishes those of the coarser levels that end with it. */
  async #completed(level: number, z: number): Promise<void> {
    const next = level + 1
    if (next > this.#layout.coarseLevel) return
    const last = z + 1 === this.#layout.levels[level].shape[0]
    if (z % 2 === 0 && !last) return
    const sums = this.#sums[next - 1]
    const plane = sums.means()
    const coarser = z >> 1
    if (next === this.#layout.coarseLevel) {
      if (sums.slices > 0) this.#coarse.setPlane(coarser, plane, sums.slices)
    } else {
      this.#sums[next].addFiner(sums)
    }
    sums.clear()
    await this.#putPlane(next, coarser, plane)
    await this.#completed(next, coarser)
  }

  /** Writes the slab when the plane is its last one. */
  async #putPlane(level: number, z: number, voxels: TypedArray | null): Promise<void> {
    const slab = this.#slabs.get(level)
    if (slab === undefined || this.#store === null) return
    const layout = this.#layout.levels[level]
    const depth = layout.brick[0]
    const inSlab = z % depth
    if (inSlab === 0) slab.bytes.fill(0)
    if (voxels !== null) putPlane(slab.elements, layout, inSlab, elementsOf(voxels, this.#layout.dtype))
    if (inSlab + 1 < depth && z + 1 < layout.shape[0]) return
    await this.#store.writeSlab(level, Math.floor(z / depth), slab.bytes, this.#between)
  }
}

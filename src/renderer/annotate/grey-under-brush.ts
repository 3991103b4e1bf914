import type { Plane } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'
import type { GreyPlaneSource } from '../viewer/interfaces.ts'
import { planeKey } from './plane-geometry.ts'

/** Planes kept: the one under the pointer and those that a stroke left a moment ago. */
const keptPlanes = 3

/** Grey values under the brush, for painting between two grey values. */
export class GreyUnderBrush {
  readonly #source: () => GreyPlaneSource
  /** Newest last. */
  readonly #planes = new Map<string, PlaneData>()
  readonly #loading = new Map<string, Promise<PlaneData | null>>()

  constructor(source: () => GreyPlaneSource) {
    this.#source = source
  }

  /** Every voxel of the plane (C order), or `null` while it is not known at full resolution. */
  fullPlane(plane: Plane): PlaneData['data'] | null {
    const data = this.#planes.get(planeKey(plane))
    return data?.level === 0 && data.coverage === 1 ? data.data : null
  }

  /** Loads the plane as well as it can be had. Rejects when it cannot be read. */
  async load(plane: Plane): Promise<PlaneData | null> {
    const key = planeKey(plane)
    const known = this.#planes.get(key)
    if (known?.level === 0 && known.coverage === 1) return known
    const loading = this.#loading.get(key) ?? this.#loadNow(plane, key)
    this.#loading.set(key, loading)
    try {
      return await loading
    } finally {
      this.#loading.delete(key)
    }
  }

  /** Grey value at (row, column); of a coarser level the mean around it. `null` outside and where nothing is known. */
  async valueAt(plane: Plane, row: number, column: number): Promise<number | null> {
    const data = await this.load(plane)
    if (data === null || row < -0.5 || column < -0.5) return null
    const scale = 2 ** data.level
    const [rows, columns] = data.shape
    const atRow = Math.floor(Math.max(0, Math.round(row)) / scale)
    const atColumn = Math.floor(Math.max(0, Math.round(column)) / scale)
    if (atRow >= rows || atColumn >= columns) return null
    return data.data[atRow * columns + atColumn] ?? null
  }

  async #loadNow(plane: Plane, key: string): Promise<PlaneData | null> {
    const shown: PlaneData[] = []
    // Coarse first, each better than the one before.
    await this.#source().load(plane, 0, (data) => shown.splice(0, 1, data), {
      signal: new AbortController().signal,
    })
    const best = shown.at(0)
    if (best === undefined) return null
    this.#planes.delete(key)
    this.#planes.set(key, best)
    for (const oldest of this.#planes.keys()) {
      if (this.#planes.size <= keptPlanes) break
      this.#planes.delete(oldest)
    }
    return best
  }
}

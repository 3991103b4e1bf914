import type { PlaneAxis, Rectangle } from '../../../shared/annotation/edit.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import {
  deflateTiles,
  deflateTilesLater,
  emptySlice,
  encodeTiles,
  inflateTiles,
  inflateTilesLater,
  packedOf,
  readTileRow,
  type StoredSlice,
  type Tile,
} from './stored-slice.ts'
import { tileEdge, tileVoxels } from './tile.ts'

export interface MemoryLimits {
  /** Packed tiles of slices in use; above it, slices that were not used for long are deflated. */
  warmBytes: number
  /** Plain tiles of 16 KiB that wait to be painted on again. */
  plainTiles: number
}

const defaultLimits: MemoryLimits = { warmBytes: 256 * 2 ** 20, plainTiles: 256 }
/** Slices deflated after one edit or read; bounds what the caller waits for. */
const coolAtOnce = 4

/** What a slice was before the edits that may be taken back. */
interface Saved {
  slice: StoredSlice | undefined
  counts: Uint32Array | null
  blob: Uint8Array | null
  /** Packed tiles as they were; `null` = there was none. */
  tiles: Map<number, Uint8Array | null>
}

/**
 * The labels of a volume in memory: sparse, packed, counted. Knows nothing of files, tools or history. Changes between
 * {@link begin} and {@link commit} can be rolled back.
 */
export class LabelVoxels {
  readonly shape: Shape3
  readonly limits: Readonly<MemoryLimits>
  /** Tiles in a row and in all of a slice. */
  readonly tilesPerRow: number
  readonly tileCount: number
  /** Labelled voxels per material; float64, since counts pass 2³². */
  readonly counts = new Float64Array(256)
  readonly #slices = new Map<number, StoredSlice>()
  /** Slices with tiles in memory, the one used last at the end. */
  readonly #warm = new Map<number, StoredSlice>()
  #warmBytes = 0
  /** Plain tiles, the one used last at the end. */
  readonly #plain = new Map<Tile, { slice: StoredSlice; index: number }>()
  #saved: Map<number, Saved> | null = null

  constructor(shape: Shape3, limits: Partial<MemoryLimits> = {}) {
    this.shape = shape
    this.tilesPerRow = Math.ceil(shape[2] / tileEdge)
    const { warmBytes, plainTiles } = { ...defaultLimits, ...limits }
    // Changes come row by row: fewer plain tiles than a row touches would unpack each of them for every row.
    this.limits = { warmBytes, plainTiles: Math.max(plainTiles, 2 * this.tilesPerRow) }
    this.tileCount = this.tilesPerRow * Math.ceil(shape[1] / tileEdge)
  }

  /** Ascending. */
  get labelledSlices(): number[] {
    const labelled: number[] = []
    for (const [z, { counts }] of this.#slices) if (counts.some((count) => count > 0)) labelled.push(z)
    return labelled.sort((a, b) => a - b)
  }

  get labelledVoxels(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  /** Labelled voxels per material of slice `z`, length 256; a view of what is kept. */
  countSlice(z: number): Readonly<Uint32Array> {
    return this.#slices.get(z)?.counts ?? new Uint32Array(256)
  }

  /** Bytes that the labels take in memory, roughly. */
  get memoryBytes(): number {
    let bytes = this.#warmBytes + this.#plain.size * tileVoxels
    for (const { blob } of this.#slices.values()) bytes += blob?.length ?? 0
    return bytes
  }

  /** Starts noting what changes. */
  begin(): void {
    if (this.#saved !== null) throw new Error('edits of labels do not nest')
    this.#saved = new Map()
  }

  commit(): void {
    this.#saved = null
    this.trim()
  }

  /** Whether anything was changed since {@link begin}. */
  get hasChanges(): boolean {
    return this.#saved !== null && this.#saved.size > 0
  }

  /** Makes everything as it was at {@link begin}. */
  rollback(): void {
    for (const [z, { slice, counts, blob, tiles }] of this.#saved ?? []) {
      const current = this.#slices.get(z)
      for (let i = 0; i < 256; i++) this.counts[i] += (counts?.[i] ?? 0) - (current?.counts[i] ?? 0)
      if (current !== undefined && current !== slice) this.#forget(z, current)
      if (slice === undefined || counts === null) continue
      slice.counts.set(counts)
      slice.blob = blob
      for (const [index, packed] of tiles) {
        const tile = slice.tiles?.get(index)
        if (tile !== undefined) this.#plain.delete(tile)
        if (packed === null) slice.tiles?.delete(index)
        else slice.tiles?.set(index, { packed, plain: null, stale: false })
      }
      this.#slices.set(z, slice)
      if (slice.tiles !== null) this.#keepWarm(z, slice)
      this.#countWarm(slice)
    }
    this.#saved = null
  }

  /**
   * Tiles of slice `z` by index (C order of tiles), to be looked at; no tile where nothing is labelled. What they say stays true until
   * the labels are changed, even when the slice is packed meanwhile.
   */
  async tilesOf(z: number): Promise<ReadonlyMap<number, Tile>> {
    const slice = this.#slices.get(z)
    if (slice === undefined) return new Map()
    if (slice.tiles === null) {
      const tiles = await inflateTilesLater(slice.blob!, this.tileCount)
      // Somebody else may have been there meanwhile.
      slice.tiles ??= tiles
    }
    const { tiles } = slice
    this.#keepWarm(z, slice)
    this.trim()
    return tiles
  }

  /**
   * Puts tiles of slice `z` in the place of those there; they belong to these labels from now on.
   *
   * @param tiles by index
   * @param counts labelled voxels per material of the whole slice, length 256
   */
  replaceTiles(z: number, tiles: ReadonlyMap<number, Tile>, counts: Readonly<Uint32Array>): void {
    const slice = this.#sliceForWriting(z)
    const held = slice.tiles!
    const saved = this.#saved?.get(z)
    let grown = 0
    for (const [index, tile] of tiles) {
      const old = held.get(index)
      grown += (tile.packed?.length ?? 0) - (old?.packed?.length ?? 0)
      // A slice that took the place of the one that comes back needs nothing kept.
      if (saved !== undefined && saved.slice === slice && !saved.tiles.has(index))
        saved.tiles.set(index, old === undefined ? null : packedOf(old))
      if (old !== undefined) this.#plain.delete(old)
      if (tile.plain === null && tile.packed === null) {
        held.delete(index)
        continue
      }
      held.set(index, tile)
      if (tile.plain !== null) this.#plain.set(tile, { slice, index })
    }
    slice.blob = null
    for (let i = 1; i < 256; i++) this.counts[i] += counts[i] - slice.counts[i]
    slice.counts.set(counts)
    slice.warmBytes += grown
    this.#warmBytes += grown
    for (const oldest of this.#plain.keys()) {
      if (this.#plain.size <= this.limits.plainTiles) break
      this.#release(oldest)
    }
  }

  /** Labels of a rectangle of an XY slice, C order. `target`, if given, is filled and returned. */
  readRectangle(z: number, { top, left, bottom, right }: Rectangle, target?: Uint8Array): Uint8Array {
    const columns = right - left
    const result = target ?? new Uint8Array((bottom - top) * columns)
    if (target !== undefined) target.fill(0, 0, (bottom - top) * columns)
    const tiles = this.#warmTiles(z)
    if (tiles === null) return result
    for (let tileTop = Math.floor(top / tileEdge); tileTop * tileEdge < bottom; tileTop++)
      for (let tileLeft = Math.floor(left / tileEdge); tileLeft * tileEdge < right; tileLeft++) {
        const tile = tiles.get(tileTop * this.tilesPerRow + tileLeft)
        if (tile === undefined) continue
        const from = Math.max(left, tileLeft * tileEdge)
        const to = Math.min(right, (tileLeft + 1) * tileEdge)
        const lastRow = Math.min(bottom, (tileTop + 1) * tileEdge)
        for (let y = Math.max(top, tileTop * tileEdge); y < lastRow; y++)
          readTileRow(
            tile,
            y % tileEdge,
            from - tileLeft * tileEdge,
            to - tileLeft * tileEdge,
            result,
            (y - top) * columns + from - left,
          )
      }
    return result
  }

  /** A whole XY slice, C order. */
  readSlice(z: number): Uint8Array {
    return this.readRectangle(z, { top: 0, left: 0, bottom: this.shape[1], right: this.shape[2] })
  }

  /** A rectangle of any plane, C order (row, column). */
  readPlane(axis: PlaneAxis, index: number, rectangle: Rectangle): Uint8Array {
    if (axis === 'z') return this.readRectangle(index, rectangle)
    const { top, left, bottom, right } = rectangle
    const columns = right - left
    const result = new Uint8Array((bottom - top) * columns)
    for (let z = top; z < bottom; z++) {
      if (!this.#slices.has(z)) continue
      const part =
        axis === 'y'
          ? { top: index, left, bottom: index + 1, right }
          : { top: left, left: index, bottom: right, right: index + 1 }
      const offset = (z - top) * columns
      this.readRectangle(z, part, result.subarray(offset, offset + columns))
    }
    return result
  }

  /** Unpacks slices of [first, end) away from this thread, as far as memory allows, so that reading them is quick. */
  async prefetch(first: number, end: number): Promise<void> {
    const cold: [number, StoredSlice, Uint8Array][] = []
    for (const [z, slice] of this.#slices)
      if (z >= first && z < end && slice.tiles === null && slice.blob !== null)
        cold.push([z, slice, slice.blob])
    await Promise.all(
      cold.map(async ([z, slice, blob]) => {
        if (this.#warmBytes > this.limits.warmBytes / 2) return
        const tiles = await inflateTilesLater(blob, this.tileCount)
        // Somebody else may have been there meanwhile.
        if (slice.tiles !== null || slice.blob !== blob || this.#slices.get(z) !== slice) return
        slice.tiles = tiles
        this.#keepWarm(z, slice)
      }),
    )
  }

  /** Puts a slice in the place of the one at `z`; the old one comes back with {@link rollback}. */
  replaceSlice(z: number, slice: StoredSlice): void {
    const old = this.#slices.get(z)
    if (this.#saved !== null && !this.#saved.has(z))
      this.#saved.set(z, {
        slice: old,
        counts: old?.counts ?? null,
        blob: old?.blob ?? null,
        tiles: new Map(),
      })
    for (let i = 1; i < 256; i++) this.counts[i] += slice.counts[i] - (old?.counts[i] ?? 0)
    if (old !== undefined) this.#forget(z, old)
    this.#slices.set(z, slice)
  }

  /**
   * What a snapshot needs of every labelled slice, at this moment: later edits do not change what was taken. A blob is made when
   * it is asked for and then kept for the next snapshot.
   */
  capture(): { z: number; counts: Uint32Array; blob: () => Promise<Uint8Array> }[] {
    this.#packAll()
    return this.labelledSlices.map((z) => {
      const slice = this.#slices.get(z)!
      const { blob, tiles } = slice
      const counts = slice.counts.slice()
      if (blob !== null) return { z, counts, blob: () => Promise.resolve(blob) }
      // Packed tiles are replaced by edits, never changed.
      const packed = [...(tiles ?? [])].flatMap(([index, tile]) =>
        tile.packed === null ? [] : [[index, tile.packed] as const],
      )
      return {
        z,
        counts,
        blob: async () => {
          const made = await deflateTilesLater(encodeTiles(packed))
          const same =
            slice.blob === null &&
            slice.tiles?.size === packed.length &&
            packed.every(([index, bytes]) => {
              const tile = slice.tiles?.get(index)
              return tile?.packed === bytes && !tile.stale
            })
          if (same && this.#saved?.has(z) !== true) slice.blob = made
          return made
        },
      }
    })
  }

  /** Takes a slice of a snapshot. Throws when the blob is no slice of this volume. */
  restoreSlice(z: number, counts: Uint32Array, blob: Uint8Array): void {
    this.replaceSlice(z, { tiles: null, blob, counts, warmBytes: 0 })
  }

  /** Deflates slices that were not used for long until memory is within its limit, a few at a time. */
  trim(): void {
    let deflated = 0
    for (const [z, slice] of this.#warm) {
      if (this.#warmBytes <= this.limits.warmBytes) return
      // What may be taken back is put together from the tiles that are there.
      if (this.#saved?.has(z) === true) continue
      if (slice.blob === null) {
        if (deflated++ === coolAtOnce) return
        const packed = this.#packedTiles(slice)
        slice.blob = deflateTiles(encodeTiles(packed))
      }
      this.#cool(z, slice)
    }
  }

  /** Drops the tiles of a slice that is going to be replaced, where it is deflated as well. */
  cool(z: number): void {
    const slice = this.#slices.get(z)
    if (slice !== undefined && slice.blob !== null && this.#saved?.has(z) !== true) this.#cool(z, slice)
  }

  #cool(z: number, slice: StoredSlice): void {
    this.#packedTiles(slice)
    slice.tiles = null
    this.#warm.delete(z)
    this.#countWarm(slice)
  }

  /** Packs what is plain and drops the plain tiles of a slice. */
  #packedTiles(slice: StoredSlice): [number, Uint8Array][] {
    const packed: [number, Uint8Array][] = []
    for (const [index, tile] of slice.tiles ?? []) {
      if (tile.plain !== null) this.#release(tile)
      if (tile.packed !== null) packed.push([index, tile.packed])
    }
    return packed
  }

  #packAll(): void {
    for (const tile of [...this.#plain.keys()]) this.#release(tile)
  }

  #release(tile: Tile): void {
    const place = this.#plain.get(tile)
    this.#plain.delete(tile)
    const before = tile.packed?.length ?? 0
    const packed = packedOf(tile)
    tile.plain = null
    if (place === undefined) return
    const { slice, index } = place
    if (packed === null) slice.tiles?.delete(index)
    const grown = (packed?.length ?? 0) - before
    slice.warmBytes += grown
    this.#warmBytes += grown
  }

  #warmTiles(z: number): Map<number, Tile> | null {
    const slice = this.#slices.get(z)
    if (slice === undefined) return null
    slice.tiles ??= inflateTiles(slice.blob!, this.tileCount)
    this.#keepWarm(z, slice)
    return slice.tiles
  }

  #keepWarm(z: number, slice: StoredSlice): void {
    if (!this.#warm.delete(z)) this.#countWarm(slice)
    this.#warm.set(z, slice)
  }

  #countWarm(slice: StoredSlice): void {
    let bytes = 0
    if (slice.tiles !== null) for (const { packed } of slice.tiles.values()) bytes += packed?.length ?? 0
    this.#warmBytes += bytes - slice.warmBytes
    slice.warmBytes = bytes
  }

  #forget(z: number, slice: StoredSlice): void {
    // What comes back with a rollback must be complete without its plain tiles.
    this.#packedTiles(slice)
    this.#slices.delete(z)
    this.#warm.delete(z)
    this.#warmBytes -= slice.warmBytes
    slice.warmBytes = 0
  }

  #sliceForWriting(z: number): StoredSlice {
    let slice = this.#slices.get(z)
    if (this.#saved !== null && !this.#saved.has(z))
      this.#saved.set(z, {
        slice,
        counts: slice?.counts.slice() ?? null,
        blob: slice?.blob ?? null,
        tiles: new Map(),
      })
    if (slice === undefined) {
      slice = emptySlice()
      this.#slices.set(z, slice)
    }
    this.#warmTiles(z)
    return slice
  }
}

import type { PlaneAxis, Rectangle, VoxelBox } from '../../../shared/annotation/edit.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import { forEachRun, MalformedChanges, type ChangeSet } from './changes.ts'
import {
  deflateTiles,
  deflateTilesLater,
  emptySlice,
  encodeTiles,
  inflateTiles,
  inflateTilesLater,
  readTileRow,
  type StoredSlice,
  type Tile,
} from './stored-slice.ts'
import { packTile, tileEdge, tileVoxels, unpackTile } from './tile.ts'

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

type PlainTile = Tile & { plain: Uint8Array }

/**
 * The labels of a volume in memory: sparse, packed, counted. Knows nothing of files, tools or history. Changes between
 * {@link begin} and {@link commit} can be rolled back.
 */
export class LabelVoxels {
  readonly shape: Shape3
  /** Labelled voxels per material; float64, since counts pass 2³². */
  readonly counts = new Float64Array(256)
  readonly #slices = new Map<number, StoredSlice>()
  readonly #limits: MemoryLimits
  readonly #tilesPerRow: number
  readonly #tileCount: number
  /** Slices with tiles in memory, the one used last at the end. */
  readonly #warm = new Map<number, StoredSlice>()
  #warmBytes = 0
  /** Plain tiles, the one used last at the end. */
  readonly #plain = new Map<Tile, { slice: StoredSlice; index: number }>()
  #saved: Map<number, Saved> | null = null
  /** The tile written last, ready to be written again: most runs of an edit follow each other in a tile. */
  #last: { z: number; index: number; slice: StoredSlice; tile: PlainTile } | null = null

  constructor(shape: Shape3, limits: Partial<MemoryLimits> = {}) {
    this.shape = shape
    this.#tilesPerRow = Math.ceil(shape[2] / tileEdge)
    const { warmBytes, plainTiles } = { ...defaultLimits, ...limits }
    // Changes come row by row: fewer plain tiles than a row touches would unpack each of them for every row.
    this.#limits = { warmBytes, plainTiles: Math.max(plainTiles, 2 * this.#tilesPerRow) }
    this.#tileCount = this.#tilesPerRow * Math.ceil(shape[1] / tileEdge)
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
    this.#last = null
  }

  commit(): void {
    this.#saved = null
    this.#last = null
    this.trim()
  }

  /** Whether anything was changed since {@link begin}. */
  get hasChanges(): boolean {
    return this.#saved !== null && this.#saved.size > 0
  }

  /** Makes everything as it was at {@link begin}. */
  rollback(): void {
    this.#last = null
    for (const [z, saved] of this.#saved ?? []) {
      const current = this.#slices.get(z)
      for (let i = 0; i < 256; i++) this.counts[i] += (saved.counts?.[i] ?? 0) - (current?.counts[i] ?? 0)
      if (saved.slice === undefined || saved.counts === null) {
        if (current !== undefined) this.#forget(z, current)
        continue
      }
      if (current !== saved.slice) {
        if (current !== undefined) this.#forget(z, current)
        this.#slices.set(z, saved.slice)
        if (saved.slice.tiles !== null) this.#keepWarm(z, saved.slice)
        continue
      }
      current.counts.set(saved.counts)
      current.blob = saved.blob
      for (const [index, packed] of saved.tiles) {
        const tile = current.tiles?.get(index)
        if (tile !== undefined) this.#plain.delete(tile)
        if (packed === null) current.tiles?.delete(index)
        else current.tiles?.set(index, { packed, plain: null, stale: false })
      }
      this.#countWarm(current)
    }
    this.#saved = null
  }

  /** Box and number of voxels that differ from what was there at {@link begin}; not after {@link replaceSlice}. */
  difference(): { box: VoxelBox | null; voxels: number } {
    let voxels = 0
    const start: [number, number, number] = [Infinity, Infinity, Infinity]
    const stop: [number, number, number] = [-Infinity, -Infinity, -Infinity]
    const before = new Uint8Array(tileVoxels)
    const after = new Uint8Array(tileVoxels)
    for (const [z, saved] of this.#saved ?? [])
      for (const [index, packed] of saved.tiles) {
        if (packed === null) before.fill(0)
        else unpackTile(packed, before)
        const tile = this.#slices.get(z)?.tiles?.get(index)
        if (tile?.plain != null) after.set(tile.plain)
        else if (tile?.packed != null) unpackTile(tile.packed, after)
        else after.fill(0)
        const top = Math.floor(index / this.#tilesPerRow) * tileEdge
        const left = (index % this.#tilesPerRow) * tileEdge
        for (let i = 0; i < tileVoxels; i++) {
          if (before[i] === after[i]) continue
          voxels++
          const y = top + Math.floor(i / tileEdge)
          const x = left + (i % tileEdge)
          start[0] = Math.min(start[0], z)
          start[1] = Math.min(start[1], y)
          start[2] = Math.min(start[2], x)
          stop[0] = Math.max(stop[0], z + 1)
          stop[1] = Math.max(stop[1], y + 1)
          stop[2] = Math.max(stop[2], x + 1)
        }
      }
    return { box: voxels === 0 ? null : { start, stop }, voxels }
  }

  /**
   * Carries out encoded changes, or takes them back. Every voxel must be what the changes say it was.
   * Throws {@link MalformedChanges}; then nothing has changed.
   */
  applyPiece(piece: Uint8Array, direction: 'forward' | 'backward'): void {
    let done = 0
    try {
      forEachRun(piece, this.shape, (z, y, x, length, before, after) => {
        if (direction === 'forward') this.#applyRun(z, y, x, length, before, after)
        else this.#applyRun(z, y, x, length, after, before)
        done++
      })
    } catch (error) {
      this.#takeBack(piece, direction, done)
      throw error
    }
  }

  applyChanges({ pieces }: Pick<ChangeSet, 'pieces'>, direction: 'forward' | 'backward'): void {
    const ordered = direction === 'forward' ? pieces : [...pieces].reverse()
    for (const [done, piece] of ordered.entries())
      try {
        this.applyPiece(piece, direction)
      } catch (error) {
        const opposite = direction === 'forward' ? 'backward' : 'forward'
        for (const applied of ordered.slice(0, done).reverse()) this.applyPiece(applied, opposite)
        throw error
      }
  }

  #takeBack(piece: Uint8Array, direction: 'forward' | 'backward', runs: number): void {
    if (runs === 0) return
    const enough = new Error()
    try {
      // Runs of a piece touch each voxel once, so that their order does not matter.
      forEachRun(piece, this.shape, (z, y, x, length, before, after) => {
        if (runs-- === 0) throw enough
        if (direction === 'forward') this.#applyRun(z, y, x, length, after, before)
        else this.#applyRun(z, y, x, length, before, after)
      })
    } catch (error) {
      if (error !== enough && !(error instanceof MalformedChanges)) throw error
    }
  }

  #applyRun(z: number, y: number, x: number, length: number, before: number, after: number): void {
    const slice = this.#last?.z === z ? this.#last.slice : this.#sliceForWriting(z)
    const row = Math.floor(y / tileEdge) * this.#tilesPerRow
    const within = (y % tileEdge) * tileEdge
    const first = Math.floor(x / tileEdge)
    const last = Math.floor((x + length - 1) / tileEdge)
    // All parts are looked at before the first is changed.
    for (let column = first; column <= last; column++) {
      const plain = this.#tileForWriting(z, slice, row + column).plain
      const from = Math.max(0, x - column * tileEdge)
      const to = Math.min(tileEdge, x + length - column * tileEdge)
      for (let i = within + from; i < within + to; i++)
        if (plain[i] !== before)
          throw new MalformedChanges(
            `at (${z}, ${y}, ${column * tileEdge + i - within}) the label is ${plain[i]}, not ${before}`,
          )
    }
    for (let column = first; column <= last; column++) {
      const tile = this.#tileForWriting(z, slice, row + column)
      const from = Math.max(0, x - column * tileEdge)
      const to = Math.min(tileEdge, x + length - column * tileEdge)
      tile.plain.fill(after, within + from, within + to)
      tile.stale = true
    }
    slice.blob = null
    if (before !== 0) {
      slice.counts[before] -= length
      this.counts[before] -= length
    }
    if (after !== 0) {
      slice.counts[after] += length
      this.counts[after] += length
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
        const tile = tiles.get(tileTop * this.#tilesPerRow + tileLeft)
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
        if (this.#warmBytes > this.#limits.warmBytes / 2) return
        const tiles = await inflateTilesLater(blob, this.#tileCount)
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
    if (this.#saved !== null) return
    let deflated = 0
    for (const [z, slice] of this.#warm) {
      if (this.#warmBytes <= this.#limits.warmBytes) return
      if (slice.blob === null) {
        if (deflated++ === coolAtOnce) return
        const packed = this.#packedTiles(slice)
        slice.blob = deflateTiles(encodeTiles(packed))
      } else this.#packedTiles(slice)
      this.#last = null
      slice.tiles = null
      this.#warm.delete(z)
      this.#countWarm(slice)
    }
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
    if (tile === this.#last?.tile) this.#last = null
    const place = this.#plain.get(tile)
    this.#plain.delete(tile)
    if (tile.stale && tile.plain !== null) {
      tile.packed = packTile(tile.plain)
      tile.stale = false
    }
    tile.plain = null
    if (place === undefined) return
    if (tile.packed === null) place.slice.tiles?.delete(place.index)
    this.#countWarm(place.slice)
  }

  #warmTiles(z: number): Map<number, Tile> | null {
    const slice = this.#slices.get(z)
    if (slice === undefined) return null
    slice.tiles ??= inflateTiles(slice.blob!, this.#tileCount)
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
    this.#last = null
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

  #tileForWriting(z: number, slice: StoredSlice, index: number): PlainTile {
    const last = this.#last
    if (last !== null && last.index === index && last.z === z) return last.tile
    const tiles = slice.tiles!
    let tile = tiles.get(index)
    const saved = this.#saved?.get(z)?.tiles
    if (saved !== undefined && !saved.has(index)) {
      if (tile?.stale === true && tile.plain !== null) {
        tile.packed = packTile(tile.plain)
        tile.stale = false
      }
      saved.set(index, tile?.packed ?? null)
    }
    if (tile === undefined) {
      tile = { packed: null, plain: new Uint8Array(tileVoxels), stale: true }
      tiles.set(index, tile)
    } else if (tile.plain === null) {
      tile.plain = new Uint8Array(tileVoxels)
      if (tile.packed !== null) unpackTile(tile.packed, tile.plain)
    }
    this.#plain.delete(tile)
    this.#plain.set(tile, { slice, index })
    if (this.#plain.size > this.#limits.plainTiles)
      for (const [oldest] of this.#plain) {
        if (oldest !== tile) this.#release(oldest)
        break
      }
    const plain = tile as PlainTile
    this.#last = { z, index, slice, tile: plain }
    return plain
  }
}

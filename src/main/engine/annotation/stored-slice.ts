import { promisify } from 'node:util'
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { isPackedTile, largestPacked, packTile, tileEdge, tileVoxels, unpackRow, unpackTile } from './tile.ts'

/** A tile in memory: packed, plain, or both. `stale` says that the packed form is older than the plain one. */
export interface Tile {
  packed: Uint8Array | null
  plain: Uint8Array | null
  stale: boolean
}

/**
 * The labels of one XY slice: its tiles by index (C order of tiles; missing = unlabelled), or, when it has not been used for long,
 * one deflated blob, or both when they are the same. Snapshots hold the same blobs.
 */
export interface StoredSlice {
  tiles: Map<number, Tile> | null
  blob: Uint8Array | null
  /** Labelled voxels per material, length 256, entry 0 unused. */
  readonly counts: Uint32Array
  /** Bytes of packed tiles that were counted for this slice. */
  warmBytes: number
}

export function emptySlice(): StoredSlice {
  return { tiles: new Map(), blob: null, counts: new Uint32Array(256), warmBytes: 0 }
}

/**
 * A slice that is ready to take the place of another: packed, counted and deflated.
 *
 * @param labels the whole slice, C order
 * @param extents [rows, columns]
 */
export async function prepareSlice(
  labels: Uint8Array,
  [height, width]: readonly [number, number],
): Promise<StoredSlice> {
  const slice = emptySlice()
  const tiles: [number, Uint8Array][] = []
  const plain = new Uint8Array(tileVoxels)
  for (let top = 0, index = 0; top < height; top += tileEdge)
    for (let left = 0; left < width; left += tileEdge, index++) {
      plain.fill(0)
      const columns = Math.min(tileEdge, width - left)
      for (let y = top; y < Math.min(height, top + tileEdge); y++)
        plain.set(labels.subarray(y * width + left, y * width + left + columns), (y - top) * tileEdge)
      const packed = packTile(plain)
      if (packed !== null) tiles.push([index, packed])
    }
  for (const label of labels) slice.counts[label]++
  slice.counts[0] = 0
  return { ...slice, tiles: null, blob: await deflateTilesLater(encodeTiles(tiles)) }
}

/** The packed form of a tile as it is now; `null` when nothing in it is labelled. */
export function packedOf(tile: Tile): Uint8Array | null {
  if (tile.stale && tile.plain !== null) {
    tile.packed = packTile(tile.plain)
    tile.stale = false
  }
  return tile.packed
}

/** Writes the whole tile into `target`, of length `tileVoxels`. */
export function readTile(tile: Tile | undefined, target: Uint8Array): void {
  if (tile?.plain != null) target.set(tile.plain)
  else if (tile?.packed != null) unpackTile(tile.packed, target)
  else target.fill(0)
}

/** Writes columns [from, to) of a row of the tile to `target` at `offset`. */
export function readTileRow(
  tile: Tile,
  row: number,
  from: number,
  to: number,
  target: Uint8Array,
  offset: number,
): void {
  if (tile.plain !== null) target.set(tile.plain.subarray(row * tileEdge + from, row * tileEdge + to), offset)
  else if (tile.packed !== null) unpackRow(tile.packed, row, from, to, target, offset)
}

/** Blobs are for speed first: what they hold are runs already. */
const deflateOptions = { level: 1 }
const deflateLater = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw)
const inflateLater = promisify<Uint8Array, ZlibOptions, Buffer>(inflateRaw)

/** Bytes that zlib hands over at a time: each hand-over costs a turn of the event loop, a large buffer costs memory. */
function chunkSizeFor(bytes: number): number {
  return Math.min(Math.max(bytes, 1 << 14), 1 << 20)
}

/** Tiles one after the other: index and length (uint32, little-endian), packed tile. */
export function encodeTiles(tiles: Iterable<readonly [number, Uint8Array]>): Uint8Array {
  const list = [...tiles]
  const bytes = Buffer.allocUnsafe(list.reduce((sum, [, packed]) => sum + 8 + packed.length, 0))
  let at = 0
  for (const [index, packed] of list) {
    bytes.writeUInt32LE(index, at)
    bytes.writeUInt32LE(packed.length, at + 4)
    bytes.set(packed, at + 8)
    at += 8 + packed.length
  }
  return bytes
}

/** Throws a `RangeError` on bytes that are no tiles of a slice of `tileCount`. */
function decodeTiles(bytes: Buffer, tileCount: number): Map<number, Tile> {
  const tiles = new Map<number, Tile>()
  for (let at = 0; at < bytes.length;) {
    const index = bytes.readUInt32LE(at)
    const end = at + 8 + bytes.readUInt32LE(at + 4)
    const packed = bytes.subarray(at + 8, end)
    if (index >= tileCount || end > bytes.length || !isPackedTile(packed))
      throw new RangeError(`tile ${index} of ${tileCount} cannot be unpacked`)
    tiles.set(index, { packed, plain: null, stale: false })
    at = end
  }
  return tiles
}

export function deflateTiles(encoded: Uint8Array): Uint8Array {
  return deflateRawSync(encoded, deflateOptions)
}

export async function deflateTilesLater(encoded: Uint8Array): Promise<Uint8Array> {
  return await deflateLater(encoded, { ...deflateOptions, chunkSize: chunkSizeFor(encoded.length >> 1) })
}

/** Throws when the blob is no slice of `tileCount` tiles. */
export function inflateTiles(blob: Uint8Array, tileCount: number): Map<number, Tile> {
  return decodeTiles(inflateRawSync(blob, inflateLimit(tileCount)), tileCount)
}

export async function inflateTilesLater(blob: Uint8Array, tileCount: number): Promise<Map<number, Tile>> {
  const options = { ...inflateLimit(tileCount), chunkSize: chunkSizeFor(4 * blob.length) }
  return decodeTiles(await inflateLater(blob, options), tileCount)
}

function inflateLimit(tileCount: number): { maxOutputLength: number } {
  return { maxOutputLength: tileCount * (largestPacked + 8) }
}

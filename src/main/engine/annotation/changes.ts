import type { VoxelBox } from '../../../shared/annotation/edit.ts'
import type { Shape3 } from '../../../shared/volume.ts'

/**
 * Changed voxels as bytes, the form in which edits are kept in memory and on disk. Any number of blocks follow each other:
 *
 *     block: z, number of runs, runs           run: gap, length, old label (1 byte), new label (1 byte)
 *
 * Numbers are varints (7 bits per byte, low bits first, high bit = more follows). A run lies within one row; its first voxel is
 * `gap` voxels (C order y, x) behind the end of the run before, or behind the start of the slice. A slice may come in several blocks.
 */
export interface ChangeSet {
  /** In pieces of some `pieceBytes`, each complete in itself. */
  readonly pieces: readonly Uint8Array[]
  /** Smallest box of changed voxels; `null` when there are none. */
  readonly box: VoxelBox | null
  readonly voxels: number
}

/** Encoded size at which a piece ends; bounds what one record of the journal holds. */
const pieceBytes = 4 * 2 ** 20
/** A run takes at most 5 + 5 + 2 bytes. */
const largestRun = 12

export class ChangeEncoder {
  readonly #width: number
  readonly #onPiece: ((piece: Uint8Array) => Promise<void>) | null
  #pieces: Uint8Array[] = []
  #buffer: Uint8Array = new Uint8Array(1024)
  #length = 0
  #runs: Uint8Array = new Uint8Array(1024)
  #runsLength = 0
  #runCount = 0
  #z = 0
  #end = 0
  #voxels = 0
  #start = [Infinity, Infinity, Infinity]
  #stop = [-Infinity, -Infinity, -Infinity]

  /**
   * @param width voxels per row of a slice
   * @param onPiece takes finished pieces at {@link flush}; without it they are collected
   */
  constructor(width: number, onPiece: ((piece: Uint8Array) => Promise<void>) | null = null) {
    this.#width = width
    this.#onPiece = onPiece
  }

  /** Voxels changed so far. */
  get voxels(): number {
    return this.#voxels
  }

  /** Says where the runs that follow are; they must come in C order until the next call. */
  beginSlice(z: number): void {
    this.#endBlock()
    this.#z = z
  }

  /** `length` voxels from (y, x) on, all in that row, were `before` and become `after`. */
  run(y: number, x: number, length: number, before: number, after: number): void {
    if (this.#runsLength + largestRun > this.#runs.length) this.#runs = grown(this.#runs)
    const offset = y * this.#width + x
    this.#runsLength = writeVarint(this.#runs, this.#runsLength, offset - this.#end)
    this.#runsLength = writeVarint(this.#runs, this.#runsLength, length)
    this.#runs[this.#runsLength++] = before
    this.#runs[this.#runsLength++] = after
    this.#end = offset + length
    this.#runCount++
    this.#voxels += length
    const { start, stop } = { start: this.#start, stop: this.#stop }
    start[0] = Math.min(start[0], this.#z)
    start[1] = Math.min(start[1], y)
    start[2] = Math.min(start[2], x)
    stop[0] = Math.max(stop[0], this.#z + 1)
    stop[1] = Math.max(stop[1], y + 1)
    stop[2] = Math.max(stop[2], x + length)
    if (this.#runsLength >= pieceBytes) this.beginSlice(this.#z)
  }

  /** Hands finished pieces on, for streams of slices. */
  async flush(): Promise<void> {
    if (this.#onPiece === null) return
    for (const piece of this.#pieces) await this.#onPiece(piece)
    this.#pieces = []
  }

  finish(): ChangeSet {
    this.#endBlock()
    this.#endPiece()
    return {
      pieces: this.#pieces,
      voxels: this.#voxels,
      box: this.#voxels === 0 ? null : { start: triple(this.#start), stop: triple(this.#stop) },
    }
  }

  #endBlock(): void {
    if (this.#runCount > 0) {
      while (this.#length + this.#runsLength + 10 > this.#buffer.length) this.#buffer = grown(this.#buffer)
      this.#length = writeVarint(this.#buffer, this.#length, this.#z)
      this.#length = writeVarint(this.#buffer, this.#length, this.#runCount)
      this.#buffer.set(this.#runs.subarray(0, this.#runsLength), this.#length)
      this.#length += this.#runsLength
      if (this.#length >= pieceBytes) this.#endPiece()
    }
    this.#runsLength = 0
    this.#runCount = 0
    this.#end = 0
  }

  #endPiece(): void {
    if (this.#length > 0) this.#pieces.push(this.#buffer.slice(0, this.#length))
    this.#length = 0
  }
}

/** A sentence that ends "the changed voxels are no use: …". */
export class MalformedChanges extends Error {}

/** Goes through the runs of an encoded piece in order. Bounds are checked, for pieces come from files. */
export class RunReader {
  /** The run that {@link next} came to: `length` voxels from (z, y, x) on, all in that row, which were `before` and became `after`. */
  z = 0
  y = 0
  x = 0
  length = 0
  before = 0
  after = 0
  readonly #piece: Uint8Array
  readonly #shape: Shape3
  #at = 0
  /** Runs of the block that are still to come. */
  #runs = 0
  /** Voxels of the slice up to the end of the last run, and up to its row. */
  #end = 0
  #rowStart = 0

  /** @param shape of the volume */
  constructor(piece: Uint8Array, shape: Shape3) {
    this.#piece = piece
    this.#shape = shape
  }

  /** Goes on to the next run; `false` when there is none. Throws {@link MalformedChanges}. */
  next(): boolean {
    const piece = this.#piece
    const [depth, height, width] = this.#shape
    while (this.#runs === 0) {
      if (this.#at >= piece.length) return false
      this.z = this.#number()
      if (this.z >= depth) throw new MalformedChanges(`they name slice ${this.z} of ${depth}`)
      this.#runs = this.#number()
      this.#end = 0
      this.#rowStart = 0
      this.y = 0
    }
    this.#runs--
    const offset = this.#end + this.#number()
    const length = this.#number()
    if (this.#at + 2 > piece.length) throw new MalformedChanges('they end within a run')
    this.before = piece[this.#at++]
    this.after = piece[this.#at++]
    if (offset >= this.#rowStart + width) {
      this.y = Math.floor(offset / width)
      this.#rowStart = this.y * width
    }
    const x = offset - this.#rowStart
    if (length === 0 || this.y >= height || x + length > width || this.before === this.after)
      throw new MalformedChanges(`slice ${this.z} has a run of ${length} voxels at (${this.y}, ${x})`)
    this.x = x
    this.length = length
    this.#end = offset + length
    return true
  }

  #number(): number {
    const piece = this.#piece
    // Most numbers are a single byte.
    if (this.#at < piece.length && piece[this.#at] < 0x80) return piece[this.#at++]
    let value = 0
    let scale = 1
    for (;;) {
      if (this.#at >= piece.length) throw new MalformedChanges('they end within a number')
      const byte = piece[this.#at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
      if (scale > 2 ** 42) throw new MalformedChanges('they hold a number that is too long')
    }
  }
}

function writeVarint(target: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    target[at++] = (value % 128) | 0x80
    value = Math.floor(value / 128)
  }
  target[at++] = value
  return at
}

function grown(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(2 * bytes.length)
  larger.set(bytes)
  return larger
}

function triple([z, y, x]: number[]): [number, number, number] {
  return [z, y, x]
}

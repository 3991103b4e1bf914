import { badInput } from '../../../shared/errors.ts'
import { headerReadBytes, maxChunksPerImage, maxDirectoryEntries, maxTextTagBytes } from './limits.ts'
import type { PositionedFile } from './positioned-file.ts'

/**
 * Reads TIFF 6.0 and BigTIFF directories by position. Every count and offset is checked against the size of the file
 * before memory is taken for it, which general TIFF readers do not do; pixel decoding lives elsewhere.
 */

export interface TiffHeader {
  littleEndian: boolean
  bigTiff: boolean
  firstDirectory: number
}

/** The tags that we understand; values are always lists. Text is decoded, everything else is numbers. */
export interface TiffDirectory {
  numbers: ReadonlyMap<number, readonly number[] | Float64Array>
  texts: ReadonlyMap<number, string>
  /** Position of the next directory in the file, 0 at the end. */
  next: number
  /** Where in the file `next` itself is stored. */
  nextPointerAt: number
}

export const tiffTags = {
  newSubfileType: 254,
  imageWidth: 256,
  imageLength: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  imageDescription: 270,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  xResolution: 282,
  yResolution: 283,
  planarConfiguration: 284,
  resolutionUnit: 296,
  predictor: 317,
  colorMap: 320,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  sampleFormat: 339,
} as const

/** Most values a tag may hold; a tag that is not listed is skipped unread. */
const maxValues = new Map<number, number>([
  ...Object.values(tiffTags).map((tag): [number, number] => [tag, 64]),
  [tiffTags.stripOffsets, maxChunksPerImage],
  [tiffTags.stripByteCounts, maxChunksPerImage],
  [tiffTags.tileOffsets, maxChunksPerImage],
  [tiffTags.tileByteCounts, maxChunksPerImage],
  [tiffTags.colorMap, 3 * 65_536],
])

type ReadValue = (view: DataView, at: number, littleEndian: boolean) => number

interface FieldType {
  bytes: number
  read: ReadValue
}

const readUint64: ReadValue = (view, at, little) => Number(view.getBigUint64(at, little))

/** Field types of TIFF 6.0 (page 15) and BigTIFF that can carry numbers. */
const numberTypes = new Map<number, FieldType>([
  [1, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [3, { bytes: 2, read: (view, at, little) => view.getUint16(at, little) }],
  [4, { bytes: 4, read: (view, at, little) => view.getUint32(at, little) }],
  [
    5,
    {
      bytes: 8,
      read: (view, at, little) => view.getUint32(at, little) / view.getUint32(at + 4, little),
    },
  ],
  [6, { bytes: 1, read: (view, at) => view.getInt8(at) }],
  [8, { bytes: 2, read: (view, at, little) => view.getInt16(at, little) }],
  [9, { bytes: 4, read: (view, at, little) => view.getInt32(at, little) }],
  [11, { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) }],
  [12, { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) }],
  [13, { bytes: 4, read: (view, at, little) => view.getUint32(at, little) }],
  [16, { bytes: 8, read: readUint64 }],
  [18, { bytes: 8, read: readUint64 }],
])
const asciiType = 2

/** Whether `bytes` begin as a TIFF or BigTIFF file. */
export function looksLikeTiff(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false
  const little = bytes[0] === 0x49 && bytes[1] === 0x49
  const big = bytes[0] === 0x4d && bytes[1] === 0x4d
  const magic = little ? bytes[2] + 256 * bytes[3] : big ? bytes[3] + 256 * bytes[2] : 0
  return magic === 42 || magic === 43
}

/** More bytes than this are not kept for comparing with other files: it would cost more than making sense of them. */
const mostRecordedBytes = 65_536

interface ReadRange {
  position: number
  bytes: Uint8Array
}

/** Reads TIFF structures of one file through a small window, so that a usual header costs one or two reads. */
export class TiffDirectoryReader {
  readonly file: PositionedFile
  readonly header: TiffHeader
  #window: Uint8Array
  #windowStart: number
  /** All that was read, the file header first; `null` when it was too much. */
  #ranges: ReadRange[] | null = []
  #recordedBytes = 0

  private constructor(file: PositionedFile, header: TiffHeader, window: Uint8Array) {
    this.file = file
    this.header = header
    this.#window = window
    this.#windowStart = 0
    this.#record(0, window.subarray(0, header.bigTiff ? 16 : 8))
  }

  /**
   * Whether another file of the same size has the same bytes wherever this one was read: then it means the same, down to the last tag.
   * Throws `BadInput` when it ends too early, `Cancelled` through the signal.
   */
  async saysTheSameAs(file: PositionedFile, signal?: AbortSignal): Promise<boolean> {
    if (this.#ranges === null || file.sizeBytes !== this.file.sizeBytes) return false
    let window: Uint8Array = new Uint8Array(0)
    let windowStart = 0
    for (const { position, bytes } of this.#ranges) {
      if (position < windowStart || position + bytes.length > windowStart + window.length) {
        window = await file.readUpTo(position, Math.max(bytes.length, headerReadBytes), signal)
        windowStart = position
      }
      const from = position - windowStart
      if (Buffer.compare(window.subarray(from, from + bytes.length), bytes) !== 0) return false
    }
    return true
  }

  #record(position: number, bytes: Uint8Array): void {
    if (this.#ranges === null) return
    this.#recordedBytes += bytes.length
    if (this.#recordedBytes > mostRecordedBytes) this.#ranges = null
    else this.#ranges.push({ position, bytes })
  }

  /** Reads the file header. Throws `BadInput` when the file is no TIFF. */
  static async open(file: PositionedFile, signal?: AbortSignal): Promise<TiffDirectoryReader> {
    const window = await file.readUpTo(0, headerReadBytes, signal)
    if (window.length < 8) {
      throw badInput(file.path, 'a TIFF file', `only ${file.sizeBytes} bytes`)
    }
    if (!looksLikeTiff(window)) {
      const start = Buffer.from(window.subarray(0, 4)).toString('hex')
      throw badInput(file.path, 'a TIFF file (starting with II or MM)', `the bytes ${start}`)
    }
    const view = viewOf(window)
    const littleEndian = window[0] === 0x49
    const bigTiff = view.getUint16(2, littleEndian) === 43
    if (bigTiff && (window.length < 16 || view.getUint16(4, littleEndian) !== 8)) {
      throw badInput(file.path, 'a BigTIFF header with 8-byte offsets', 'another offset size')
    }
    const firstDirectory = bigTiff ? readUint64(view, 8, littleEndian) : view.getUint32(4, littleEndian)
    return new TiffDirectoryReader(file, { littleEndian, bigTiff, firstDirectory }, window)
  }

  /**
   * Reads the directory at `position`. Texts, which may be long and stand in every page, can be left out.
   * Throws `BadInput` when it does not fit the file.
   */
  async readDirectory(position: number, signal?: AbortSignal, withTexts = true): Promise<TiffDirectory> {
    const { littleEndian, bigTiff } = this.header
    const countBytes = bigTiff ? 8 : 2
    const entryBytes = bigTiff ? 20 : 12
    const head = await this.#bytes(position, countBytes, 'an image directory', signal)
    const entryCount = bigTiff ? readUint64(head, 0, littleEndian) : head.getUint16(0, littleEndian)
    if (entryCount === 0 || entryCount > maxDirectoryEntries) {
      throw badInput(
        this.file.path,
        `1 to ${maxDirectoryEntries} entries in the image directory at position ${position}`,
        `${entryCount}`,
      )
    }
    const tableBytes = entryCount * entryBytes + (bigTiff ? 8 : 4)
    const table = await this.#bytes(position + countBytes, tableBytes, 'an image directory', signal)
    const numbers = new Map<number, readonly number[] | Float64Array>()
    const texts = new Map<number, string>()
    for (let index = 0; index < entryCount; index++) {
      const at = index * entryBytes
      const tag = table.getUint16(at, littleEndian)
      const limit = maxValues.get(tag)
      if (limit === undefined) continue
      const type = table.getUint16(at + 2, littleEndian)
      const count = bigTiff ? readUint64(table, at + 4, littleEndian) : table.getUint32(at + 4, littleEndian)
      const field = at + (bigTiff ? 12 : 8)
      if (type === asciiType) {
        if (!withTexts) continue
        texts.set(tag, await this.#readText(table, field, tag, count, signal))
      } else {
        const fieldType = numberTypes.get(type)
        if (fieldType !== undefined) {
          numbers.set(tag, await this.#readNumbers(table, field, { tag, count, limit, fieldType }, signal))
        }
      }
    }
    const end = entryCount * entryBytes
    const next = bigTiff ? readUint64(table, end, littleEndian) : table.getUint32(end, littleEndian)
    return { numbers, texts, next, nextPointerAt: position + countBytes + end }
  }

  async #readNumbers(
    table: DataView,
    field: number,
    entry: { tag: number; count: number; limit: number; fieldType: FieldType },
    signal: AbortSignal | undefined,
  ): Promise<readonly number[] | Float64Array> {
    const { littleEndian } = this.header
    const { tag, count, limit, fieldType } = entry
    if (count > limit) {
      throw badInput(this.file.path, `at most ${limit} values in tag ${tag}`, `${count}`)
    }
    const view = await this.#valueBytes(table, field, count * fieldType.bytes, tag, signal)
    const values = count > 64 ? new Float64Array(count) : new Array<number>(count)
    for (let index = 0; index < count; index++) {
      values[index] = fieldType.read(view, index * fieldType.bytes, littleEndian)
    }
    return values
  }

  async #readText(
    table: DataView,
    field: number,
    tag: number,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    // A long text is cut: what we look for stands at its start. Its whole length must still lie in the file.
    const inline = count <= this.#inlineBytes
    if (!inline) this.#checkRange(this.#offset(table, field), count, `the text of tag ${tag}`)
    const kept = inline ? count : Math.min(count, maxTextTagBytes)
    const view = inline
      ? new DataView(table.buffer, table.byteOffset + field, kept)
      : await this.#bytes(this.#offset(table, field), kept, `the text of tag ${tag}`, signal)
    const bytes = new Uint8Array(view.buffer, view.byteOffset, kept)
    const end = bytes.indexOf(0)
    return decodeText(end < 0 ? bytes : bytes.subarray(0, end))
  }

  async #valueBytes(
    table: DataView,
    field: number,
    length: number,
    tag: number,
    signal: AbortSignal | undefined,
  ): Promise<DataView> {
    if (length <= this.#inlineBytes) return new DataView(table.buffer, table.byteOffset + field, length)
    return await this.#bytes(this.#offset(table, field), length, `the values of tag ${tag}`, signal)
  }

  get #inlineBytes(): number {
    return this.header.bigTiff ? 8 : 4
  }

  #offset(table: DataView, field: number): number {
    const { bigTiff, littleEndian } = this.header
    return bigTiff ? readUint64(table, field, littleEndian) : table.getUint32(field, littleEndian)
  }

  #checkRange(position: number, length: number, what: string): void {
    if (position + length > this.file.sizeBytes) {
      throw badInput(
        this.file.path,
        `${what} (${length} bytes at position ${position}) inside the file`,
        `a file of ${this.file.sizeBytes} bytes (truncated?)`,
      )
    }
  }

  async #bytes(
    position: number,
    length: number,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<DataView> {
    const view = await this.#view(position, length, what, signal)
    this.#record(position, new Uint8Array(view.buffer, view.byteOffset, length))
    return view
  }

  async #view(
    position: number,
    length: number,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<DataView> {
    this.#checkRange(position, length, what)
    const from = position - this.#windowStart
    if (from < 0 || from + length > this.#window.length) {
      const bytes = await this.file.readUpTo(position, Math.max(length, headerReadBytes), signal)
      if (bytes.length < length) {
        throw badInput(this.file.path, `${what} of ${length} bytes`, `${bytes.length} bytes (truncated?)`)
      }
      if (length > headerReadBytes) return viewOf(bytes)
      this.#window = bytes
      this.#windowStart = position
      return new DataView(bytes.buffer, bytes.byteOffset, length)
    }
    return new DataView(this.#window.buffer, this.#window.byteOffset + from, length)
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** UTF-8 as OME and newer programs write it, else Latin-1, in which ImageJ writes µm. */
function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('latin1')
  }
}

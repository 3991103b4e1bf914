import { constants, deflateSync } from 'node:zlib'
import { bytesPerElement, type Dtype, type TypedArray, type VoxelSize } from '../../../shared/volume.ts'

/**
 * Encodes slices as TIFF 6.0 or BigTIFF pages: little-endian, strips, deflate or plain, grey or with a palette. The
 * directory comes before the pixels, so that a reader has all it needs after one small read.
 */

/** What all pages of one output have in common. */
export interface PageFormat {
  height: number
  width: number
  dtype: Dtype
  compression: 'deflate' | 'none'
  /** Voxel edges; an unknown axis is not written. */
  voxelSize: VoxelSize | null
  /** 256 colours as `#rrggbb` for uint8 slices, or `null` for grey. */
  palette: readonly string[] | null
  /** ASCII text of the ImageDescription tag. */
  description: string
}

/** An encoded page: `bytes` start at the position it was encoded for and hold directory, values and pixels. */
export interface EncodedPage {
  bytes: Uint8Array
  /** Position in the file of the pointer to the next directory, zero until it is filled in. */
  nextPointerAt: number
}

/** Strips of about this size decompress in parallel and are still few. */
const stripBytes = 1024 * 1024

/**
 * The fastest level: labels shrink to a few percent at any level, and writing must not hold up prediction. Runs of equal bytes are all
 * that there is to find in 8-bit labels; looking for nothing else is faster and, as measured, no larger.
 */
const deflateOptions = (dtype: Dtype) => ({
  level: 1,
  strategy: bytesPerElement[dtype] === 1 ? constants.Z_RLE : constants.Z_DEFAULT_STRATEGY,
})

const headerBytes = { classic: 8, big: 16 } as const
const photometric = { grey: 1, palette: 3 } as const
const sampleFormat = (dtype: Dtype) => (dtype.startsWith('float') ? 3 : dtype.startsWith('int') ? 2 : 1)

/** Where the header of a BigTIFF file points to the first directory. */
export const bigTiffFirstPointerAt = 8

/** Header of a BigTIFF file without any page yet. */
export function bigTiffHeader(): Uint8Array {
  const header = Buffer.alloc(headerBytes.big)
  header.write('II', 0, 'latin1')
  header.writeUInt16LE(43, 2)
  header.writeUInt16LE(8, 4)
  return header
}

/** A whole classic TIFF file with one slice, C order (y, x). */
export function encodeTiffFile(format: PageFormat, slice: TypedArray): Uint8Array {
  const header = Buffer.alloc(headerBytes.classic)
  header.write('II', 0, 'latin1')
  header.writeUInt16LE(42, 2)
  header.writeUInt32LE(headerBytes.classic, 4)
  return Buffer.concat([header, encodePage(format, slice, headerBytes.classic, false).bytes])
}

/** A page that is to be written at `position` (a multiple of 8) of a BigTIFF file. */
export function encodeBigTiffPage(format: PageFormat, slice: TypedArray, position: number): EncodedPage {
  return encodePage(format, slice, position, true)
}

/**
 * The lines in which ImageJ keeps what TIFF has no tags for, then those of the caller. ImageJ takes resolution tags as
 * pixels per `unit`, and `spacing` as the step in z.
 */
export function imageDescription(
  voxelSize: VoxelSize | null,
  slices: number,
  lines: readonly string[],
): string {
  const own = ['ImageJ=1.11a']
  if (slices > 1) own.push(`images=${slices}`, `slices=${slices}`, 'loop=false')
  if (voxelSize !== null) {
    own.push(`unit=${voxelSize.unit}`)
    if (voxelSize.z !== null) own.push(`spacing=${voxelSize.z}`)
  }
  return `${[...own, ...lines].join('\n')}\n`
}

interface TagEntry {
  tag: number
  type: 'ascii' | 'short' | 'long' | 'rational' | 'long8'
  values: readonly number[] | string
}

const typeCodes: Record<TagEntry['type'], { code: number; bytes: number }> = {
  ascii: { code: 2, bytes: 1 },
  short: { code: 3, bytes: 2 },
  long: { code: 4, bytes: 4 },
  rational: { code: 5, bytes: 8 },
  long8: { code: 16, bytes: 8 },
}

function encodePage(format: PageFormat, slice: TypedArray, position: number, bigTiff: boolean): EncodedPage {
  const strips = packStrips(format, slice)
  const offsetType = bigTiff ? 'long8' : 'long'
  const byteCounts = strips.map((strip) => strip.length)
  // The layout does not depend on the offsets, so it is measured with zeros first.
  const unplaced = strips.map(() => 0)
  const directoryBytes = layOut(pageTags(format, unplaced, byteCounts, offsetType), position, bigTiff).bytes
  const offsets: number[] = []
  let at = position + directoryBytes.length
  for (const strip of strips) {
    offsets.push(at)
    at += strip.length
  }
  const directory = layOut(pageTags(format, offsets, byteCounts, offsetType), position, bigTiff)
  // Pages of a BigTIFF file follow each other on multiples of 8, as its directories need.
  const padding = bigTiff ? (8 - (at % 8)) % 8 : 0
  return {
    bytes: Buffer.concat([directory.bytes, ...strips, new Uint8Array(padding)]),
    nextPointerAt: directory.nextPointerAt,
  }
}

function packStrips(format: PageFormat, slice: TypedArray): Uint8Array[] {
  const { height, width, dtype, compression } = format
  const bytes = new Uint8Array(slice.buffer, slice.byteOffset, slice.byteLength)
  const step = rowsPerStrip(format) * width * bytesPerElement[dtype]
  const strips: Uint8Array[] = []
  for (let start = 0; start < height * width * bytesPerElement[dtype]; start += step) {
    const strip = bytes.subarray(start, start + step)
    strips.push(compression === 'deflate' ? deflateSync(strip, deflateOptions(dtype)) : strip)
  }
  return strips
}

function rowsPerStrip({ height, width, dtype }: PageFormat): number {
  return Math.max(1, Math.min(height, Math.floor(stripBytes / (width * bytesPerElement[dtype]))))
}

function pageTags(
  format: PageFormat,
  offsets: readonly number[],
  byteCounts: readonly number[],
  offsetType: 'long' | 'long8',
): TagEntry[] {
  const { voxelSize, palette } = format
  const tags: TagEntry[] = [
    { tag: 256, type: 'long', values: [format.width] },
    { tag: 257, type: 'long', values: [format.height] },
    { tag: 258, type: 'short', values: [8 * bytesPerElement[format.dtype]] },
    { tag: 259, type: 'short', values: [format.compression === 'deflate' ? 8 : 1] },
    { tag: 262, type: 'short', values: [palette === null ? photometric.grey : photometric.palette] },
    { tag: 270, type: 'ascii', values: format.description },
    { tag: 273, type: offsetType, values: offsets },
    { tag: 277, type: 'short', values: [1] },
    { tag: 278, type: 'long', values: [rowsPerStrip(format)] },
    { tag: 279, type: offsetType, values: byteCounts },
  ]
  if (voxelSize !== null) {
    if (voxelSize.x !== null) tags.push({ tag: 282, type: 'rational', values: [1 / voxelSize.x] })
    if (voxelSize.y !== null) tags.push({ tag: 283, type: 'rational', values: [1 / voxelSize.y] })
  }
  // 1 = no unit of the standard: pixels per `unit` of the description.
  tags.push({ tag: 296, type: 'short', values: [1] })
  tags.push({ tag: 305, type: 'ascii', values: 'Phasemark' })
  if (palette !== null) tags.push({ tag: 320, type: 'short', values: colourMap(palette) })
  tags.push({ tag: 339, type: 'short', values: [sampleFormat(format.dtype)] })
  return tags
}

/** TIFF 6.0 section 5: all reds, then greens, then blues, in 16 bits. */
function colourMap(palette: readonly string[]): number[] {
  return [1, 3, 5].flatMap((at) =>
    palette.map((colour) => Number.parseInt(colour.slice(at, at + 2), 16) * 257),
  )
}

/** Directory and the values that do not fit into it, for a place in the file. */
function layOut(
  tags: readonly TagEntry[],
  position: number,
  bigTiff: boolean,
): { bytes: Buffer; nextPointerAt: number } {
  const countBytes = bigTiff ? 8 : 2
  const entryBytes = bigTiff ? 20 : 12
  const pointerBytes = bigTiff ? 8 : 4
  const tableBytes = countBytes + tags.length * entryBytes + pointerBytes
  const table = Buffer.alloc(roundUp(tableBytes))
  if (bigTiff) table.writeBigUInt64LE(BigInt(tags.length), 0)
  else table.writeUInt16LE(tags.length, 0)
  const behind: Buffer[] = []
  let behindAt = position + table.length
  for (const [index, entry] of tags.entries()) {
    const at = countBytes + index * entryBytes
    const { code } = typeCodes[entry.type]
    const value = encodeValues(entry)
    const count = entry.type === 'ascii' ? value.length : entry.values.length
    table.writeUInt16LE(entry.tag, at)
    table.writeUInt16LE(code, at + 2)
    if (bigTiff) table.writeBigUInt64LE(BigInt(count), at + 4)
    else table.writeUInt32LE(count, at + 4)
    const field = at + (bigTiff ? 12 : 8)
    if (value.length <= pointerBytes) {
      table.set(value, field)
    } else {
      if (bigTiff) table.writeBigUInt64LE(BigInt(behindAt), field)
      else table.writeUInt32LE(behindAt, field)
      const padded = Buffer.alloc(roundUp(value.length))
      padded.set(value)
      behind.push(padded)
      behindAt += padded.length
    }
  }
  return {
    bytes: Buffer.concat([table, ...behind]),
    nextPointerAt: position + countBytes + tags.length * entryBytes,
  }
}

function encodeValues({ type, values }: TagEntry): Buffer {
  if (typeof values === 'string') return Buffer.from(`${values}\0`, 'latin1')
  const bytes = Buffer.alloc(values.length * typeCodes[type].bytes)
  for (const [index, value] of values.entries()) {
    switch (type) {
      case 'short':
        bytes.writeUInt16LE(value, 2 * index)
        break
      case 'long':
        bytes.writeUInt32LE(value, 4 * index)
        break
      case 'long8':
        bytes.writeBigUInt64LE(BigInt(value), 8 * index)
        break
      case 'rational': {
        const [numerator, denominator] = toRational(value)
        bytes.writeUInt32LE(numerator, 8 * index)
        bytes.writeUInt32LE(denominator, 8 * index + 4)
        break
      }
      case 'ascii':
        bytes[index] = value
    }
  }
  return bytes
}

/** The simplest fraction of two 32-bit numbers that is nearest to `value`: its continued fraction, cut at the limit. */
function toRational(value: number): [number, number] {
  const largest = 2 ** 32 - 1
  let [numerator, previousNumerator] = [1, 0]
  let [denominator, previousDenominator] = [0, 1]
  let rest = value
  while (denominator === 0 || Math.abs(numerator / denominator - value) > 1e-14 * value) {
    const whole = Math.floor(rest)
    const nextNumerator = whole * numerator + previousNumerator
    const nextDenominator = whole * denominator + previousDenominator
    if (nextNumerator > largest || nextDenominator > largest) break
    ;[numerator, previousNumerator] = [nextNumerator, numerator]
    ;[denominator, previousDenominator] = [nextDenominator, denominator]
    if (rest === whole) break
    rest = 1 / (rest - whole)
  }
  return denominator === 0 ? [largest, 1] : [numerator, denominator]
}

function roundUp(length: number): number {
  return Math.ceil(length / 8) * 8
}

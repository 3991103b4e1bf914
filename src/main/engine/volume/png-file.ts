import { crc32 } from 'node:zlib'
import { badInput } from '../../../shared/errors.ts'
import { bytesPerElement, typedArrayConstructors, type TypedArray } from '../../../shared/volume.ts'
import { headerReadBytes, maxPngChunks, maxSliceBytes, maxSliceEdge, maxUnfolding } from './limits.ts'
import { withPositionedFile, type PositionedFile } from './positioned-file.ts'
import { greyOfPixels, toMachineOrder, unpackBits } from './samples.ts'
import { requireSameHeader, type SliceFile, type SliceFormat, type SliceHeader } from './slice-header.ts'
import { CodecError, inflateBounded } from './tiff-codecs.ts'
import { voxelSizeFromResolution } from './voxel-size.ts'

/**
 * PNG slices (W3C PNG, second edition). Pixels are inflated on Node's thread pool with a bound on what may come out;
 * only interlaced images, which hardly occur, go through the library.
 */
export const pngSlices: SliceFormat = {
  name: 'PNG slices',
  extensions: ['.png'],
  createOpener:
    () =>
    (path, { signal, blocking = false } = {}) =>
      withPositionedFile(
        path,
        async (file) => {
          const { header } = await readPngHeader(file, signal)
          return { slice: pngSlice(path, header), status: file.status }
        },
        { blocking },
      ),
  openKnown: (path, header) => pngSlice(path, header),
}

function pngSlice(path: string, header: SliceHeader): SliceFile {
  return {
    header,
    rowAddressable: false,
    readRows: (yStart, yStop, signal) =>
      withPositionedFile(path, async (file) => {
        const png = await readPngHeader(file, signal)
        requireSameHeader(path, png.header, { name: 'when it was opened', header })
        const pixels = await readPixels(file, png, signal)
        return pixels.slice(yStart * header.width, yStop * header.width)
      }),
  }
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
/** Length, type and checksum around the data of a chunk. */
const chunkFrameBytes = 12
const samplesOfColourType = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
])
const depthsOfColourType = new Map([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
])

interface Png {
  header: SliceHeader
  bitDepth: number
  samples: number
  interlaced: boolean
  /** Position of the first chunk with pixels. */
  pixelsAt: number
}

/** Whether `bytes` begin as a PNG file. */
export function looksLikePng(bytes: Uint8Array): boolean {
  return signature.every((byte, index) => bytes[index] === byte)
}

async function readPngHeader(file: PositionedFile, signal: AbortSignal | undefined): Promise<Png> {
  const window = await file.readUpTo(0, headerReadBytes, signal)
  if (!looksLikePng(window)) {
    const start = Buffer.from(window.subarray(0, 4)).toString('hex')
    throw badInput(file.path, 'a PNG file', window.length === 0 ? 'an empty file' : `the bytes ${start}`)
  }
  let png: Omit<Png, 'pixelsAt'> | null = null
  let position = signature.length
  for (let count = 0; count < maxPngChunks; count++) {
    const chunk = await readChunkFrame(file, window, position, signal)
    if (chunk.type === 'IHDR') {
      if (chunk.length !== 13) throw badInput(file.path, 'a PNG header of 13 bytes', `${chunk.length}`)
      png = parseImageHeader(file.path, await rangeOf(file, window, chunk.dataAt, 13, signal))
    } else if (png === null) {
      throw badInput(file.path, 'a PNG that starts with its header (IHDR)', chunk.type)
    } else if (chunk.type === 'pHYs' && chunk.length === 9) {
      const data = viewOf(await rangeOf(file, window, chunk.dataAt, 9, signal))
      png.header.voxelSize = voxelSizeFromResolution({
        x: data.getUint32(0),
        y: data.getUint32(4),
        unit: data.getUint8(8) === 1 ? 'metre' : 'none',
      })
    } else if (chunk.type === 'IDAT') {
      await requireEnd(file, signal)
      return { ...png, pixelsAt: position }
    } else if (chunk.type === 'IEND') break
    position += chunk.length + chunkFrameBytes
  }
  throw badInput(file.path, 'a PNG with pixels (IDAT)', 'none')
}

function parseImageHeader(path: string, bytes: Uint8Array): Omit<Png, 'pixelsAt'> {
  const view = viewOf(bytes)
  const [width, height] = [view.getUint32(0), view.getUint32(4)]
  const [bitDepth, colourType] = [view.getUint8(8), view.getUint8(9)]
  const interlace = view.getUint8(12)
  if (width < 1 || height < 1 || width > maxSliceEdge || height > maxSliceEdge) {
    throw badInput(path, `edges of 1 to ${maxSliceEdge} pixels`, `${width} × ${height}`)
  }
  const samples = samplesOfColourType.get(colourType)
  if (samples === undefined || !depthsOfColourType.get(colourType)?.includes(bitDepth)) {
    throw badInput(path, 'a colour type and bit depth of the PNG standard', `${colourType} with ${bitDepth}`)
  }
  if (view.getUint8(10) !== 0 || view.getUint8(11) !== 0 || interlace > 1) {
    throw badInput(path, 'compression, filter and interlace methods of the PNG standard', 'others')
  }
  if (interlace === 1 && bitDepth < 8) {
    throw badInput(path, 'at least 8 bit per sample in an interlaced PNG', `${bitDepth}`)
  }
  const dtype = bitDepth === 16 ? 'uint16' : 'uint8'
  if (width * height * samples * bytesPerElement[dtype] > maxSliceBytes) {
    throw badInput(path, `a slice of at most ${maxSliceBytes} bytes`, `${width} × ${height} pixels`)
  }
  return {
    header: {
      width,
      height,
      dtype,
      meaning: colourType === 3 ? 'palette' : samples >= 3 ? 'colour' : 'grey',
      voxelSize: null,
    },
    bitDepth,
    samples,
    interlaced: interlace === 1,
  }
}

/** A whole PNG ends with an empty IEND chunk; a truncated one does not. */
async function requireEnd(file: PositionedFile, signal: AbortSignal | undefined): Promise<void> {
  const tail = await file.readUpTo(Math.max(0, file.sizeBytes - chunkFrameBytes), chunkFrameBytes, signal)
  const type = Buffer.from(tail.subarray(4, 8)).toString('latin1')
  if (tail.length < chunkFrameBytes || type !== 'IEND') {
    throw badInput(file.path, 'a PNG that ends with IEND', `other bytes at the end (truncated?)`)
  }
}

interface ChunkFrame {
  type: string
  length: number
  dataAt: number
}

async function readChunkFrame(
  file: PositionedFile,
  window: Uint8Array,
  position: number,
  signal: AbortSignal | undefined,
): Promise<ChunkFrame> {
  const frame = await rangeOf(file, window, position, 8, signal)
  const length = viewOf(frame).getUint32(0)
  if (position + length + chunkFrameBytes > file.sizeBytes) {
    throw badInput(
      file.path,
      `a PNG chunk of ${length} bytes at position ${position} inside the file`,
      `a file of ${file.sizeBytes} bytes (truncated?)`,
    )
  }
  return { type: Buffer.from(frame.subarray(4, 8)).toString('latin1'), length, dataAt: position + 8 }
}

async function rangeOf(
  file: PositionedFile,
  window: Uint8Array,
  position: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (position + length <= window.length) return window.subarray(position, position + length)
  const bytes = await file.readUpTo(position, length, signal)
  if (bytes.length < length) {
    throw badInput(file.path, 'a PNG that ends with IEND', `the end of the file (truncated?)`)
  }
  return bytes
}

/** All pixels of the slice as grey values or palette indices, C order (y, x). */
async function readPixels(
  file: PositionedFile,
  png: Png,
  signal: AbortSignal | undefined,
): Promise<TypedArray> {
  const { path } = file
  const { width, height, dtype } = png.header
  const rowBytes = Math.ceil((width * png.samples * png.bitDepth) / 8)
  // Interlacing adds filter bytes: at most one per row of each of the seven passes.
  const scanlineBytes = png.interlaced ? height * (rowBytes + 14) + 64 : height * (rowBytes + 1)
  const packed = await readImageData(file, png, scanlineBytes, signal)
  let bytes: Uint8Array
  try {
    bytes = await inflateBounded(packed, scanlineBytes)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw badInput(path, 'readable PNG pixels', error.message, { cause: error })
  }
  if (png.interlaced) return greyPixels(path, png, await decodeInterlaced(path, png, packed))
  if (bytes.length < scanlineBytes) {
    throw badInput(path, `${scanlineBytes} bytes of pixels`, `${bytes.length} (truncated?)`)
  }
  const pixels = unfilter(path, bytes, rowBytes, height, Math.max(1, (png.samples * png.bitDepth) / 8))
  if (png.bitDepth < 8) {
    return unpackBits(pixels, { width, rows: height, rowBytes, bits: png.bitDepth, reversed: false })
  }
  toMachineOrder(pixels, png.bitDepth / 8, false)
  return greyPixels(path, png, new typedArrayConstructors[dtype](pixels.buffer as ArrayBuffer))
}

function greyPixels(path: string, png: Png, pixels: TypedArray): TypedArray {
  if (png.samples === 1) return pixels
  const grey = greyOfPixels(pixels, png.samples)
  if (typeof grey === 'number') {
    const { width } = png.header
    throw badInput(
      path,
      'a grey image (or RGB with equal channels)',
      `a colour image: channels differ at y ${Math.floor(grey / width)}, x ${grey % width}`,
    )
  }
  return grey
}

/** The joined data of all IDAT chunks, with their checksums verified. */
async function readImageData(
  file: PositionedFile,
  png: Png,
  scanlineBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const available = file.sizeBytes - png.pixelsAt
  // Deflate grows incompressible data by a fraction of a percent; small chunks add their frames.
  if (available > 2 * scanlineBytes + 16 * 1024 * 1024) {
    throw badInput(file.path, `about ${scanlineBytes} bytes of pixels`, `${available} bytes`)
  }
  if (available * maxUnfolding.deflate < scanlineBytes / 2) {
    throw badInput(file.path, `compressed pixels for ${scanlineBytes} bytes`, `only ${available} bytes`)
  }
  const bytes = await file.readUpTo(png.pixelsAt, available, signal)
  const view = viewOf(bytes)
  const parts: Uint8Array[] = []
  let at = 0
  while (at + chunkFrameBytes <= bytes.length) {
    const length = view.getUint32(at)
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1')
    if (type === 'IEND') break
    if (at + length + chunkFrameBytes > bytes.length) {
      throw badInput(file.path, 'PNG chunks inside the file', `one of ${length} bytes (truncated?)`)
    }
    if (type === 'IDAT') {
      if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
        throw badInput(file.path, 'PNG pixels with the right checksum', 'a wrong one (damaged file)')
      }
      parts.push(bytes.subarray(at + 8, at + 8 + length))
    }
    at += length + chunkFrameBytes
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

/** Undoes the row filters (PNG standard, section 9) into a new array without the filter bytes. */
function unfilter(
  path: string,
  filtered: Uint8Array,
  rowBytes: number,
  rows: number,
  pixelBytes: number,
): Uint8Array {
  const target = new Uint8Array(rowBytes * rows)
  for (let row = 0; row < rows; row++) {
    const source = row * (rowBytes + 1)
    const start = row * rowBytes
    target.set(filtered.subarray(source + 1, source + 1 + rowBytes), start)
    unfilterRow(path, filtered[source], target, start, rowBytes, pixelBytes)
  }
  return target
}

function unfilterRow(
  path: string,
  filter: number,
  target: Uint8Array,
  start: number,
  rowBytes: number,
  pixelBytes: number,
): void {
  const end = start + rowBytes
  const above = start - rowBytes
  switch (filter) {
    case 0:
      return
    case 1:
      for (let at = start + pixelBytes; at < end; at++) target[at] = target[at] + target[at - pixelBytes]
      return
    case 2:
      if (above < 0) return
      for (let at = start; at < end; at++) target[at] = target[at] + target[at - rowBytes]
      return
    case 3:
      for (let at = start; at < end; at++) {
        const left = at - start < pixelBytes ? 0 : target[at - pixelBytes]
        const up = above < 0 ? 0 : target[at - rowBytes]
        target[at] = target[at] + ((left + up) >> 1)
      }
      return
    case 4:
      for (let at = start; at < end; at++) {
        const first = at - start < pixelBytes
        const left = first ? 0 : target[at - pixelBytes]
        const up = above < 0 ? 0 : target[at - rowBytes]
        const corner = first || above < 0 ? 0 : target[at - rowBytes - pixelBytes]
        target[at] = target[at] + paeth(left, up, corner)
      }
      return
    default:
      throw badInput(path, 'PNG row filters 0 to 4', `${filter}`)
  }
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner
  const [toLeft, toUp, toCorner] = [
    Math.abs(estimate - left),
    Math.abs(estimate - up),
    Math.abs(estimate - corner),
  ]
  return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner
}

/** Interlaced pixels through the library, from a file that holds nothing but the chunks that were checked above. */
async function decodeInterlaced(path: string, png: Png, packed: Uint8Array): Promise<TypedArray> {
  // Loaded when it is needed, which is hardly ever: every thread that reads volumes would wait for it at its start.
  const { decode } = await import('fast-png')
  const { width, height, meaning } = png.header
  const colourType = meaning === 'palette' ? 3 : [0, 4, 2, 6][png.samples - 1]
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // The palette is not looked at: its indices are what we want, as if they were grey.
  header.set([png.bitDepth, colourType === 3 ? 0 : colourType, 0, 0, 1], 8)
  const file = Buffer.concat([
    signature,
    chunkBytes('IHDR', header),
    chunkBytes('IDAT', packed),
    chunkBytes('IEND', new Uint8Array(0)),
  ])
  try {
    const { data } = decode(file)
    return data instanceof Uint16Array ? data : new Uint8Array(data)
  } catch (error) {
    throw badInput(
      path,
      'readable interlaced PNG pixels',
      error instanceof Error ? error.message : 'others',
      {
        cause: error,
      },
    )
  }
}

function chunkBytes(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(body.length + 8)
  frame.writeUInt32BE(data.length, 0)
  frame.set(body, 4)
  frame.writeUInt32BE(crc32(body), body.length + 4)
  return frame
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

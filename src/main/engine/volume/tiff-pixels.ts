import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { bytesPerElement, type TypedArray } from '../../../shared/volume.ts'
import type { PositionedFile } from './positioned-file.ts'
import {
  createUnfilledArray,
  greyOfPixels,
  toMachineOrder,
  undoPredictor,
  unpackBits,
  viewAs,
} from './samples.ts'
import { CodecError, decodeLzw, decodePackBits, inflateBounded } from './tiff-codecs.ts'
import { chunkRowBytes, chunkRows, type TiffImage } from './tiff-image.ts'

/** Strips or tiles that lie close together are read at once, up to this many bytes. */
const bytesPerRun = 16 * 1024 * 1024
/** Bytes between two chunks that are read and thrown away rather than read around. */
const gapWithinRun = 16 * 1024
/** Chunks that decompress at the same time: the size of Node's thread pool, twice, so that it never waits. */
const chunksAtOnce = 8

/** A strip or tile: where it is and which rows and columns of the image it covers. */
interface Chunk {
  index: number
  position: number
  bytes: number
  column: number
  row: number
  rows: number
}

/**
 * Reads rows `[yStart, yStop)` of one image as grey values, C order (y, x), in the image's dtype and the machine's byte
 * order; the new array belongs to the caller. Palette images give their indices, colour images their common grey.
 * Throws `BadInput` on damaged data or real colours, `Cancelled` through the signal.
 */
export async function readTiffRows(
  file: PositionedFile,
  image: TiffImage,
  yStart: number,
  yStop: number,
  signal?: AbortSignal,
): Promise<TypedArray> {
  if (!image.planar || image.samplesPerPixel < 3) {
    const pixels = await readPlane(file, image, 0, yStart, yStop, signal)
    if (image.planar || image.samplesPerPixel === 1) return pixels
    const grey = greyOfPixels(pixels, image.samplesPerPixel)
    if (typeof grey === 'number') throw colourError(file.path, image, yStart, grey)
    return grey
  }
  const first = await readPlane(file, image, 0, yStart, yStop, signal)
  for (const plane of [1, 2]) {
    const other = await readPlane(file, image, plane, yStart, yStop, signal)
    const differing = first.findIndex((value, index) => value !== other[index])
    if (differing >= 0) throw colourError(file.path, image, yStart, differing)
  }
  return first
}

function colourError(path: string, image: TiffImage, yStart: number, pixel: number) {
  const y = yStart + Math.floor(pixel / image.width)
  return badInput(
    path,
    'a grey image (or RGB with equal channels)',
    `a colour image: channels differ at y ${y}, x ${pixel % image.width}`,
  )
}

/** Whether rows lie in the file as they are in memory, so that any of them can be read alone. */
export function isRowAddressable(image: TiffImage): boolean {
  const plainRows = image.compression === 'none' && image.predictor === 'none' && image.chunksAcross === 1
  return plainRows && image.chunkWidth === image.width && image.bitsPerSample >= 8
}

/** All samples of the pixels of one plane; without planes, samples lie side by side. */
async function readPlane(
  file: PositionedFile,
  image: TiffImage,
  plane: number,
  yStart: number,
  yStop: number,
  signal: AbortSignal | undefined,
): Promise<TypedArray> {
  const samples = image.planar ? 1 : image.samplesPerPixel
  const target = createUnfilledArray(image.dtype, (yStop - yStart) * image.width * samples)
  const targetBytes = new Uint8Array(target.buffer)
  const runs = groupIntoRuns(chunksOf(image, plane, yStart, yStop))
  if (isRowAddressable(image)) {
    await readPlainStrips(file, image, runs, targetBytes, yStart, yStop, signal)
    return target
  }
  for (const run of runs) {
    const start = run[0].position
    const last = run[run.length - 1]
    const bytes = Buffer.allocUnsafeSlow(last.position + last.bytes - start)
    await file.readInto(bytes, start, signal)
    for (let at = 0; at < run.length; at += chunksAtOnce) {
      throwIfCancelled(signal)
      await Promise.all(
        run.slice(at, at + chunksAtOnce).map(async (chunk) => {
          const from = chunk.position - start
          const decoded = await decodeChunk(file.path, image, chunk, bytes.subarray(from, from + chunk.bytes))
          copyChunk(image, chunk, decoded, target, { yStart, yStop, samples })
        }),
      )
    }
  }
  return target
}

/** Uncompressed strips: straight from the file into the array. */
async function readPlainStrips(
  file: PositionedFile,
  image: TiffImage,
  runs: Chunk[][],
  target: Uint8Array,
  yStart: number,
  yStop: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const rowBytes = chunkRowBytes(image)
  for (const run of runs) {
    for (const span of joinTouching(run, rowBytes)) {
      const from = Math.max(span.row, yStart)
      const to = Math.min(span.row + span.rows, yStop)
      await file.readInto(
        target.subarray((from - yStart) * rowBytes, (to - yStart) * rowBytes),
        span.position + (from - span.row) * rowBytes,
        signal,
      )
    }
  }
  toMachineOrder(target, bytesPerElement[image.dtype], image.littleEndian)
}

/** Joins strips that follow each other without a gap, as nearly all writers put them. */
function joinTouching(run: Chunk[], rowBytes: number): { position: number; row: number; rows: number }[] {
  const spans: { position: number; row: number; rows: number }[] = []
  for (const { position, row, rows } of run) {
    const last = spans.at(-1)
    if (last !== undefined && last.position + last.rows * rowBytes === position) last.rows += rows
    else spans.push({ position, row, rows })
  }
  return spans
}

function chunksOf(image: TiffImage, plane: number, yStart: number, yStop: number): Chunk[] {
  const chunks: Chunk[] = []
  const rowBytes = chunkRowBytes(image)
  const firstRow = Math.floor(yStart / image.chunkHeight)
  const lastRow = Math.floor((yStop - 1) / image.chunkHeight)
  for (let row = firstRow; row <= lastRow; row++) {
    const rows = chunkRows(image, row)
    for (let column = 0; column < image.chunksAcross; column++) {
      const index = (plane * image.chunksDown + row) * image.chunksAcross + column
      chunks.push({
        index,
        position: image.offsets[index],
        bytes: image.compression === 'none' ? rows * rowBytes : image.byteCounts[index],
        column: column * image.chunkWidth,
        row: row * image.chunkHeight,
        rows,
      })
    }
  }
  return chunks
}

function groupIntoRuns(chunks: Chunk[]): Chunk[][] {
  const runs: Chunk[][] = []
  for (const chunk of chunks) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined) {
      const gap = chunk.position - (last.position + last.bytes)
      const length = chunk.position + chunk.bytes - run[0].position
      if (gap >= 0 && gap <= gapWithinRun && length <= bytesPerRun) {
        run.push(chunk)
        continue
      }
    }
    runs.push([chunk])
  }
  return runs
}

/** Whole rows of a chunk, decompressed, undifferenced and in machine order. */
async function decodeChunk(
  path: string,
  image: TiffImage,
  chunk: Chunk,
  packed: Uint8Array,
): Promise<Uint8Array> {
  const rowBytes = chunkRowBytes(image)
  const needed = chunk.rows * rowBytes
  const decoded = aligned(await unpack(path, image, chunk, packed, needed))
  undoPredictor(decoded, rowBytes, {
    predictor: image.predictor,
    elementBytes: bytesPerElement[image.dtype],
    stride: image.planar ? 1 : image.samplesPerPixel,
    littleEndian: image.littleEndian,
  })
  if (image.bitsPerSample >= 8) return decoded
  return unpackBits(decoded, {
    width: image.chunkWidth,
    rows: chunk.rows,
    rowBytes,
    bits: image.bitsPerSample,
    reversed: image.reversedBits,
  })
}

async function unpack(
  path: string,
  image: TiffImage,
  chunk: Chunk,
  packed: Uint8Array,
  needed: number,
): Promise<Uint8Array> {
  try {
    switch (image.compression) {
      case 'none':
        return packed.subarray(0, needed)
      case 'lzw':
        return decodeLzw(packed, needed)
      case 'packbits':
        return decodePackBits(packed, needed)
      case 'deflate': {
        // Some writers fill up a short last strip to the height of the others.
        const inflated = await inflateBounded(packed, image.chunkHeight * chunkRowBytes(image))
        if (inflated.length < needed) throw new CodecError(`only ${inflated.length} of ${needed} bytes`)
        return inflated.subarray(0, needed)
      }
    }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw badInput(
      path,
      `readable ${image.compression} data in strip or tile ${chunk.index}`,
      error.message,
      {
        cause: error,
      },
    )
  }
}

/** Typed views need aligned bytes; small results of zlib lie anywhere in Node's buffer pool. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
}

function copyChunk(
  image: TiffImage,
  chunk: Chunk,
  decoded: Uint8Array,
  target: TypedArray,
  range: { yStart: number; yStop: number; samples: number },
): void {
  const { yStart, yStop, samples } = range
  const source = viewAs(image.dtype, decoded)
  const from = Math.max(chunk.row, yStart)
  const to = Math.min(chunk.row + chunk.rows, yStop, image.height)
  const width = Math.min(image.chunkWidth, image.width - chunk.column) * samples
  const sourceWidth = image.chunkWidth * samples
  const targetWidth = image.width * samples
  if (width === sourceWidth && width === targetWidth) {
    const rows = source.subarray((from - chunk.row) * sourceWidth, (to - chunk.row) * sourceWidth)
    target.set(rows, (from - yStart) * targetWidth)
    return
  }
  for (let y = from; y < to; y++) {
    const at = (y - chunk.row) * sourceWidth
    target.set(source.subarray(at, at + width), (y - yStart) * targetWidth + chunk.column * samples)
  }
}

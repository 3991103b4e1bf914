import { badInput } from '../../../shared/errors.ts'
import { bytesPerElement, type Dtype } from '../../../shared/volume.ts'
import {
  maxChunksPerImage,
  maxExpansionWhenCompressed,
  maxSliceBytes,
  maxSliceEdge,
  maxUnfolding,
} from './limits.ts'
import { tiffTags, type TiffDirectory } from './tiff-directory.ts'

/** How the bytes of a strip or tile are packed. */
export type TiffCompression = 'none' | 'lzw' | 'deflate' | 'packbits'

/** Differencing applied before compression: TIFF 6.0 section 14 and Adobe TIFF technical note 3. */
export type TiffPredictor = 'none' | 'horizontal' | 'floating-point'

/**
 * One image of a TIFF file, checked against the file that holds it. Chunks are strips or tiles, in row-major order
 * (tile row, tile column), per plane when the samples are stored in separate planes.
 */
export interface TiffImage {
  width: number
  height: number
  /** Type of one sample as it is handed out; packed bits become uint8. */
  dtype: Dtype
  /** Bits of one stored sample: 1, 2, 4 (packed) or 8 × bytes of {@link dtype}. */
  bitsPerSample: number
  samplesPerPixel: number
  /** Samples of one pixel lie in separate planes instead of side by side. */
  planar: boolean
  photometric: 'grey' | 'inverted-grey' | 'colour' | 'palette'
  compression: TiffCompression
  predictor: TiffPredictor
  littleEndian: boolean
  /** Least significant bit first (FillOrder 2); only matters for packed bits. */
  reversedBits: boolean
  chunkWidth: number
  chunkHeight: number
  chunksAcross: number
  chunksDown: number
  offsets: readonly number[] | Float64Array
  byteCounts: readonly number[] | Float64Array
  /** Bytes that the pixels take in the file. */
  storedBytes: number
}

const compressionNames = new Map<number, string>([
  [2, 'CCITT RLE'],
  [3, 'CCITT fax 3'],
  [4, 'CCITT fax 4'],
  [6, 'old-style JPEG'],
  [7, 'JPEG'],
  [9, 'JBIG'],
  [33003, 'JPEG 2000'],
  [33005, 'JPEG 2000'],
  [34661, 'JBIG'],
  [34712, 'JPEG 2000'],
  [34887, 'LERC'],
  [34892, 'JPEG'],
  [34925, 'LZMA'],
  [50000, 'Zstandard'],
  [50001, 'WebP'],
  [50002, 'JPEG XL'],
])

const compressions = new Map<number, TiffCompression>([
  [1, 'none'],
  [5, 'lzw'],
  [8, 'deflate'],
  [32946, 'deflate'],
  [32773, 'packbits'],
])

/** Whether the image is a thumbnail or a mask of another image (NewSubfileType bits 0 and 2) and no slice. */
export function isAuxiliaryImage(directory: TiffDirectory): boolean {
  const subfileType = directory.numbers.get(tiffTags.newSubfileType)?.[0] ?? 0
  return (subfileType & 0b101) !== 0
}

/**
 * Makes sense of a directory and checks that the pixels it promises can be in the file.
 *
 * Throws `BadInput` naming the tag and its value.
 */
export function interpretTiffImage(
  directory: TiffDirectory,
  file: { path: string; sizeBytes: number; littleEndian: boolean },
): TiffImage {
  const { path } = file
  const tag = (id: number) => directory.numbers.get(id)?.[0]
  const width = requireEdge(path, 'image width', tag(tiffTags.imageWidth))
  const height = requireEdge(path, 'image height', tag(tiffTags.imageLength))
  const samplesPerPixel = tag(tiffTags.samplesPerPixel) ?? 1
  if (samplesPerPixel < 1 || samplesPerPixel > 8) {
    throw badInput(path, '1 (grey), 3 or 4 (RGB, RGBA) samples per pixel', `${samplesPerPixel}`)
  }
  const bitsPerSample = tag(tiffTags.bitsPerSample) ?? 1
  const bits = directory.numbers.get(tiffTags.bitsPerSample) ?? []
  if (bits.some((value) => value !== bitsPerSample)) {
    throw badInput(path, 'the same number of bits in all samples', [...bits].join(', '))
  }
  const dtype = sampleDtype(path, bitsPerSample, tag(tiffTags.sampleFormat) ?? 1)
  if (bitsPerSample < 8 && samplesPerPixel !== 1) {
    throw badInput(path, 'one sample per pixel where bits are packed', `${samplesPerPixel}`)
  }
  const sliceBytes = width * height * bytesPerElement[dtype] * samplesPerPixel
  if (sliceBytes > maxSliceBytes) {
    throw badInput(path, `a slice of at most ${maxSliceBytes} bytes`, `${width} × ${height} ${dtype}`)
  }
  const compression = readCompression(path, tag(tiffTags.compression) ?? 1)
  const photometric = readPhotometric(path, tag(tiffTags.photometric), samplesPerPixel)
  const image: TiffImage = {
    width,
    height,
    dtype,
    bitsPerSample,
    samplesPerPixel,
    planar: samplesPerPixel > 1 && tag(tiffTags.planarConfiguration) === 2,
    photometric,
    compression,
    predictor: readPredictor(path, tag(tiffTags.predictor) ?? 1, dtype, bitsPerSample),
    littleEndian: file.littleEndian,
    reversedBits: tag(tiffTags.fillOrder) === 2,
    storedBytes: 0,
    ...readChunks(path, directory, width, height),
  }
  image.storedBytes = checkChunks(image, file)
  return image
}

/** Bytes of one decoded row of a chunk, before samples are picked; packed rows end on a byte. */
export function chunkRowBytes(image: TiffImage): number {
  const samples = image.planar ? 1 : image.samplesPerPixel
  return Math.ceil((image.chunkWidth * samples * image.bitsPerSample) / 8)
}

/** Rows that chunk row `row` (0-based) really holds: the last strip may be short, tiles are always whole. */
export function chunkRows(image: TiffImage, row: number): number {
  const tiled = image.chunkWidth !== image.width || image.chunksAcross > 1
  return tiled ? image.chunkHeight : Math.min(image.chunkHeight, image.height - row * image.chunkHeight)
}

function requireEdge(path: string, what: string, value: number | undefined): number {
  if (value === undefined || !Number.isInteger(value) || value < 1 || value > maxSliceEdge) {
    throw badInput(path, `an ${what} of 1 to ${maxSliceEdge}`, value === undefined ? 'none' : `${value}`)
  }
  return value
}

function sampleDtype(path: string, bits: number, format: number): Dtype {
  // Sample format 4 means "undefined", which the standard says to read as unsigned integers.
  const kind =
    format === 2 ? 'int' : format === 3 ? 'float' : format === 1 || format === 4 ? 'uint' : undefined
  const byBits: Record<'uint' | 'int' | 'float', Partial<Record<number, Dtype>>> = {
    uint: { 1: 'uint8', 2: 'uint8', 4: 'uint8', 8: 'uint8', 16: 'uint16', 32: 'uint32' },
    int: { 8: 'int8', 16: 'int16', 32: 'int32' },
    float: { 32: 'float32', 64: 'float64' },
  }
  const dtype = kind === undefined ? undefined : byBits[kind][bits]
  if (dtype === undefined) {
    throw badInput(
      path,
      'samples of 8, 16 or 32 bit (integer) or 32 or 64 bit (float)',
      kind === undefined ? `sample format ${format}` : `${bits}-bit ${kind}`,
    )
  }
  return dtype
}

function readCompression(path: string, code: number): TiffCompression {
  const compression = compressions.get(code)
  if (compression === undefined) {
    const name = compressionNames.get(code)
    throw badInput(
      path,
      'no compression, LZW, deflate or PackBits',
      name === undefined ? `compression ${code}` : `${name} compression (${code})`,
    )
  }
  return compression
}

function readPhotometric(
  path: string,
  code: number | undefined,
  samplesPerPixel: number,
): TiffImage['photometric'] {
  switch (code) {
    case 0:
      return 'inverted-grey'
    case undefined:
    case 1:
      return samplesPerPixel >= 3 ? 'colour' : 'grey'
    case 2:
      if (samplesPerPixel < 3) throw badInput(path, '3 or 4 samples in an RGB image', `${samplesPerPixel}`)
      return 'colour'
    case 3:
      if (samplesPerPixel > 1) throw badInput(path, 'one sample in a palette image', `${samplesPerPixel}`)
      return 'palette'
    default:
      throw badInput(path, 'a grey, RGB or palette image', `photometric interpretation ${code}`)
  }
}

function readPredictor(path: string, code: number, dtype: Dtype, bits: number): TiffPredictor {
  if (code === 1) return 'none'
  const float = dtype === 'float32' || dtype === 'float64'
  if (code === 2 && bits >= 8) return 'horizontal'
  if (code === 3 && float) return 'floating-point'
  throw badInput(path, 'predictor 1, 2 or (float only) 3', `predictor ${code} with ${bits}-bit samples`)
}

type Chunks = Pick<
  TiffImage,
  'chunkWidth' | 'chunkHeight' | 'chunksAcross' | 'chunksDown' | 'offsets' | 'byteCounts'
>

function readChunks(path: string, directory: TiffDirectory, width: number, height: number): Chunks {
  const { numbers } = directory
  const tileOffsets = numbers.get(tiffTags.tileOffsets)
  if (tileOffsets !== undefined) {
    const chunkWidth = requireEdge(path, 'tile width', numbers.get(tiffTags.tileWidth)?.[0])
    const chunkHeight = requireEdge(path, 'tile height', numbers.get(tiffTags.tileLength)?.[0])
    return {
      chunkWidth,
      chunkHeight,
      chunksAcross: Math.ceil(width / chunkWidth),
      chunksDown: Math.ceil(height / chunkHeight),
      offsets: tileOffsets,
      byteCounts: numbers.get(tiffTags.tileByteCounts) ?? [],
    }
  }
  const offsets = numbers.get(tiffTags.stripOffsets)
  if (offsets === undefined) throw badInput(path, 'strip or tile offsets', 'none')
  const rowsPerStrip = numbers.get(tiffTags.rowsPerStrip)?.[0] ?? height
  if (rowsPerStrip < 1) throw badInput(path, 'at least one row per strip', `${rowsPerStrip}`)
  const chunkHeight = Math.min(rowsPerStrip, height)
  return {
    chunkWidth: width,
    chunkHeight,
    chunksAcross: 1,
    chunksDown: Math.ceil(height / chunkHeight),
    offsets,
    byteCounts: numbers.get(tiffTags.stripByteCounts) ?? [],
  }
}

/** Checks every strip or tile against the file and returns how many bytes they take together. */
function checkChunks(image: TiffImage, file: { path: string; sizeBytes: number }): number {
  const { path, sizeBytes } = file
  const planes = image.planar ? image.samplesPerPixel : 1
  const expected = image.chunksAcross * image.chunksDown * planes
  if (expected > maxChunksPerImage) {
    throw badInput(path, `at most ${maxChunksPerImage} strips or tiles`, `${expected}`)
  }
  if (image.offsets.length !== expected) {
    throw badInput(
      path,
      `${expected} strips or tiles for ${image.width} × ${image.height} pixels`,
      `${image.offsets.length}`,
    )
  }
  const rowBytes = chunkRowBytes(image)
  if (rowBytes * image.chunkHeight > maxSliceBytes) {
    throw badInput(
      path,
      `strips or tiles of at most ${maxSliceBytes} bytes`,
      `${image.chunkWidth} × ${image.chunkHeight}`,
    )
  }
  if (image.byteCounts.length !== expected) {
    // Old writers leave the counts out when there is one uncompressed strip.
    if (image.byteCounts.length !== 0 || image.compression !== 'none') {
      throw badInput(path, `${expected} strip or tile sizes`, `${image.byteCounts.length}`)
    }
    image.byteCounts = Array.from(
      { length: expected },
      (_, index) => rowBytes * chunkRows(image, Math.floor(index / image.chunksAcross) % image.chunksDown),
    )
  }
  let storedBytes = 0
  for (let index = 0; index < expected; index++) {
    const row = Math.floor(index / image.chunksAcross) % image.chunksDown
    const needed = rowBytes * chunkRows(image, row)
    const length = image.byteCounts[index]
    const position = image.offsets[index]
    if (length * maxUnfolding[image.compression] < needed) {
      throw badInput(path, `${needed} bytes in strip or tile ${index}`, `${length} (${image.compression})`)
    }
    if (image.compression !== 'none' && length > needed * maxExpansionWhenCompressed + 65_536) {
      throw badInput(path, `compressed strip or tile ${index} near ${needed} bytes`, `${length} bytes`)
    }
    const stored = image.compression === 'none' ? needed : length
    const end = position + stored
    storedBytes += stored
    if (end > sizeBytes) {
      throw badInput(
        path,
        `strip or tile ${index} (up to byte ${end}) inside the file`,
        `a file of ${sizeBytes} bytes (truncated?)`,
      )
    }
  }
  // Many strips at one place would let a small file unfold without end.
  if (storedBytes > sizeBytes) {
    throw badInput(path, `at most ${sizeBytes} bytes of pixels`, `${storedBytes} (strips or tiles overlap)`)
  }
  return storedBytes
}

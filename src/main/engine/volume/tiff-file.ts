import path from 'node:path'
import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { bytesPerElement, type VoxelSize } from '../../../shared/volume.ts'
import { openPositionedFile, withPositionedFile, type PositionedFile } from './positioned-file.ts'
import { createRowSource } from './row-source.ts'
import type { OpenedFormat } from './opened-format.ts'
import {
  pageNames,
  requireSameHeader,
  requireSliceCount,
  volumeBytes,
  type SliceFile,
  type SliceFormat,
  type SliceHeader,
} from './slice-header.ts'
import { TiffDirectoryReader, tiffTags, type TiffDirectory } from './tiff-directory.ts'
import { interpretTiffImage, isAuxiliaryImage, type TiffImage } from './tiff-image.ts'
import { isRowAddressable, readTiffRows } from './tiff-pixels.ts'
import { omePixels, voxelSizeFromTiff, type Resolution } from './voxel-size.ts'
import { depthWarnings, meaningWarnings } from './volume-warnings.ts'
import type { VolumeSource } from './volume-source.ts'

/** TIFF slices, one image per file. */
export const tiffSlices: SliceFormat = {
  name: 'TIFF slices',
  extensions: ['.tif', '.tiff'],
  createOpener() {
    let last: { reader: TiffDirectoryReader; image: TiffImage; header: SliceHeader } | null = null
    return (file, { signal, blocking = false } = {}) =>
      withPositionedFile(
        file,
        async (opened) => {
          let like = last
          if (like === null || !(await like.reader.saysTheSameAs(opened, signal))) {
            const { reader, image, directory } = await readSingleImage(opened, signal)
            like = { reader, image, header: headerOf(image, directory) }
            last = like
          }
          const { image, header } = like
          const slice = tiffSlice(file, header, isRowAddressable(image), layoutOf(opened, image))
          return { slice, status: opened.status }
        },
        { blocking },
      )
  },
  openKnown: (file, header, rowAddressable) => tiffSlice(file, header, rowAddressable, null),
}

/**
 * Slices with up to so many strips or tiles keep where these are, as long as the file does not change; others look it up
 * again with every read, which costs little beside decoding them.
 */
const chunksRemembered = 64

/** Where the pixels of a file are, and what it was like when that was read. */
interface SliceLayout {
  image: TiffImage
  sizeBytes: number
  modifiedNs: bigint
}

function layoutOf({ sizeBytes, status }: PositionedFile, image: TiffImage): SliceLayout | null {
  if (image.offsets.length > chunksRemembered) return null
  return { image, sizeBytes, modifiedNs: status.mtimeNs }
}

/** @param known `null` as long as nobody has looked where the pixels are */
function tiffSlice(
  file: string,
  header: SliceHeader,
  rowAddressable: boolean,
  known: SliceLayout | null,
): SliceFile {
  let layout = known
  return {
    header,
    rowAddressable,
    readRows: (yStart, yStop, signal) =>
      withPositionedFile(
        file,
        async (opened) => {
          const { sizeBytes, status } = opened
          if (layout?.sizeBytes === sizeBytes && layout.modifiedNs === status.mtimeNs) {
            return await readTiffRows(opened, layout.image, yStart, yStop, signal)
          }
          const { image, directory } = await readSingleImage(opened, signal)
          requireSameHeader(file, headerOf(image, directory), { name: 'when it was opened', header })
          layout = layoutOf(opened, image)
          return await readTiffRows(opened, image, yStart, yStop, signal)
        },
        { readStart: layout === null },
      ),
  }
}

/** Where the pages of a multi-page file are. */
interface Pages {
  /** Position of each slice's directory; a single one when the slices lie one after the other behind it. */
  directories: number[]
  count: number
  /** Bytes from one slice to the next when there is one directory for all, else 0. */
  stride: number
  header: SliceHeader
  rowAddressable: boolean
}

/** How many pages a TIFF file has that are slices (not thumbnails or masks). Throws `BadInput` when it is no TIFF. */
export async function countTiffPages(file: string, signal?: AbortSignal): Promise<number> {
  return await withPositionedFile(file, async (opened) => (await findPages(opened, signal)).count)
}

/** Opens a TIFF or BigTIFF file whose pages are slices. */
export async function openTiffPages(filePath: string, format: OpenedFormat): Promise<VolumeSource> {
  const file = await openPositionedFile(filePath)
  try {
    const reader = await TiffDirectoryReader.open(file, format.signal)
    const pages = await findPages(file, format.signal, reader)
    const { header, count } = pages
    const imageOf = async (z: number, signal: AbortSignal | undefined): Promise<TiffImage> => {
      // A window of its own: several slices may be read at the same time.
      const own = await TiffDirectoryReader.open(file, signal)
      const directory = await own.readDirectory(pages.directories[pages.stride > 0 ? 0 : z], signal, false)
      const image = interpret(directory, file, own)
      if (pages.stride === 0) return image
      return { ...image, offsets: Array.from(image.offsets, (offset) => offset + z * pages.stride) }
    }
    if (header.meaning === 'colour') {
      // Whether the channels are equal shows only in the pixels: better now than in the middle of the work.
      await readTiffRows(file, await imageOf(0, format.signal), 0, header.height, format.signal)
    }
    return createRowSource(
      {
        format: 'multi-page TIFF',
        path: format.path,
        shape: [count, header.height, header.width],
        dtype: header.dtype,
        voxelSize: format.voxelSize ?? header.voxelSize,
        sliceNames: pageNames(path.parse(filePath).name, count),
        bytes: volumeBytes(count, header),
        gaps: [],
        warnings: [...meaningWarnings(filePath, header), ...depthWarnings(format.path, count)],
      },
      {
        rowAddressable: pages.rowAddressable,
        readRows: async (z, yStart, yStop, signal) =>
          await readTiffRows(file, await imageOf(z, signal), yStart, yStop, signal),
        close: () => file.close(),
      },
    )
  } catch (error) {
    await file.close()
    throw error
  }
}

function interpret(directory: TiffDirectory, file: PositionedFile, reader: TiffDirectoryReader): TiffImage {
  return interpretTiffImage(directory, {
    path: file.path,
    sizeBytes: file.sizeBytes,
    littleEndian: reader.header.littleEndian,
  })
}

async function readSingleImage(
  file: PositionedFile,
  signal: AbortSignal | undefined,
): Promise<{ reader: TiffDirectoryReader; image: TiffImage; directory: TiffDirectory }> {
  const reader = await TiffDirectoryReader.open(file, signal)
  const directory = await reader.readDirectory(reader.header.firstDirectory, signal)
  const image = interpret(directory, file, reader)
  if (directory.next !== 0) {
    const { count } = await findPages(file, signal, reader)
    if (count > 1) throw severalPages(file.path, count)
  } else if (contiguousImages(directory, image) > 1) {
    throw severalPages(file.path, contiguousImages(directory, image))
  }
  return { reader, image, directory }
}

function severalPages(file: string, count: number) {
  return badInput(file, 'one image per file in a folder of slices', `${count} images in this one`)
}

async function findPages(
  file: PositionedFile,
  signal: AbortSignal | undefined,
  opened?: TiffDirectoryReader,
): Promise<Pages> {
  const reader = opened ?? (await TiffDirectoryReader.open(file, signal))
  const directories: number[] = []
  const visited = new Set<number>()
  let first: { header: SliceHeader; image: TiffImage; directory: TiffDirectory } | null = null
  let position = reader.header.firstDirectory
  let storedBytes = 0
  while (position !== 0) {
    throwIfCancelled(signal)
    if (visited.has(position)) {
      throw badInput(file.path, 'a chain of images that ends', `a loop back to position ${position}`)
    }
    visited.add(position)
    requireSliceCount(file.path, visited.size)
    // Only the first page describes the volume.
    const directory = await reader.readDirectory(position, signal, first === null)
    if (!isAuxiliaryImage(directory) || first === null) {
      const image = interpret(directory, file, reader)
      storedBytes += image.storedBytes
      if (storedBytes > file.sizeBytes) {
        throw badInput(file.path, 'images that do not overlap', 'more pixels than the file has room for')
      }
      const header = headerOf(image, directory)
      if (first === null) first = { header, image, directory }
      else {
        const name = 'the first image of the file'
        requireSameHeader(`${file.path} (image ${directories.length})`, header, {
          name,
          header: first.header,
        })
      }
      directories.push(position)
    }
    position = directory.next
  }
  if (first === null) throw badInput(file.path, 'at least one image', 'none')
  const { header, image, directory } = first
  const rowAddressable = isRowAddressable(image)
  requireOneChannel(file.path, directory.texts.get(tiffTags.imageDescription) ?? '')
  const images = contiguousImages(directory, image)
  if (directories.length > 1 || images <= 1) {
    return { directories, count: directories.length, stride: 0, header, rowAddressable }
  }
  requireSliceCount(file.path, images)
  const stride = image.height * image.width * bytesPerElement[image.dtype] * image.samplesPerPixel
  const end = image.offsets[0] + images * stride
  if (end > file.sizeBytes) {
    throw badInput(
      file.path,
      `${end} bytes for ${images} images one after the other`,
      `${file.sizeBytes} bytes (truncated?)`,
    )
  }
  return { directories, count: images, stride, header, rowAddressable }
}

/**
 * Images that lie one after the other behind a single directory. ImageJ writes stacks above 4 GB so and says `images=N`;
 * tifffile does it on request and writes the shape as JSON.
 */
function contiguousImages(directory: TiffDirectory, image: TiffImage): number {
  if (image.compression !== 'none' || image.bitsPerSample < 8) return 1
  const description = directory.texts.get(tiffTags.imageDescription) ?? ''
  if (description.startsWith('ImageJ=')) {
    return Number(/^images=(\d{1,9})\s*$/m.exec(description)?.[1] ?? 1)
  }
  const shape = /^\{"shape": \[([\d, ]{1,200})\]/.exec(description)?.[1]?.split(',').map(Number)
  if (shape === undefined || !description.includes('"truncated": true')) return 1
  const pixels = image.height * image.width * image.samplesPerPixel
  return Math.round(shape.reduce((product, edge) => product * edge, 1) / pixels)
}

/** A z axis is all we know: channels or time points must not be taken for slices. Throws `BadInput`. */
function requireOneChannel(file: string, description: string): void {
  const size = (name: string): number =>
    Number(new RegExp(`^${name}=(\\d{1,9})\\s*$`, 'm').exec(description)?.[1] ?? 1)
  if (description.startsWith('ImageJ=')) {
    const frames = size('slices') > 1 ? size('frames') : 1
    if (size('channels') > 1 || frames > 1) {
      throw badInput(
        file,
        'one channel and one time point',
        `an ImageJ hyperstack of ${size('channels')} channels, ${size('slices')} slices, ${size('frames')} frames`,
      )
    }
    return
  }
  const pixels = omePixels(description)
  const [channels, times] = [Number(pixels?.get('SizeC') ?? 1), Number(pixels?.get('SizeT') ?? 1)]
  // RGB counts as three channels of one image in OME-XML.
  if (times > 1 || (channels > 1 && channels !== 3)) {
    throw badInput(file, 'one channel and one time point', `OME-TIFF of ${channels} channels, ${times} times`)
  }
}

function headerOf(image: TiffImage, directory: TiffDirectory): SliceHeader {
  return {
    width: image.width,
    height: image.height,
    dtype: image.dtype,
    meaning: image.photometric,
    voxelSize: readVoxelSize(directory),
  }
}

function readVoxelSize(directory: TiffDirectory): VoxelSize | null {
  const unitCode = directory.numbers.get(tiffTags.resolutionUnit)?.[0] ?? 2
  const resolution: Resolution = {
    x: directory.numbers.get(tiffTags.xResolution)?.[0] ?? null,
    y: directory.numbers.get(tiffTags.yResolution)?.[0] ?? null,
    unit: unitCode === 2 ? 'inch' : unitCode === 3 ? 'centimetre' : 'none',
  }
  return voxelSizeFromTiff(directory.texts.get(tiffTags.imageDescription) ?? '', resolution)
}

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import type { VoxelSize } from '../../../shared/volume.ts'
import { withCache } from './cached-source.ts'
import type { KnownSlices } from './known-slices.ts'
import { looksLikePng, pngSlices } from './png-file.ts'
import { readError, withPositionedFile } from './positioned-file.ts'
import { openRawSource, type RawHeader } from './raw-source.ts'
import { listSliceFiles, openSliceFiles, openUnchanged } from './slice-folder.ts'
import type { OpenedFormat } from './opened-format.ts'
import type { SliceFormat } from './slice-header.ts'
import { looksLikeTiff } from './tiff-directory.ts'
import { countTiffPages, openTiffPages, tiffSlices } from './tiff-file.ts'
import type { VolumeSource } from './volume-source.ts'

export interface OpenVolumeOptions {
  /** Describes a raw file; `path` must then be a file. */
  raw?: RawHeader
  /** Overrides what the files say. */
  voxelSize?: VoxelSize
  signal?: AbortSignal
  /** Decoded slices kept in memory for repeated reads; default 0, which suits reading once from front to back. */
  cacheBytes?: number
  /** `known` of a source that was opened at this path earlier: headers of files that have not changed since are not read again. */
  known?: KnownSlices | undefined
}

const supported =
  'a folder of TIFF or PNG slices, a TIFF or BigTIFF file, a PNG file, or a raw file whose header is given (on the command line with --raw)'

/** Formats that are recognised by their name in order to say plainly that they cannot be read yet. */
const unsupportedFormats = new Map([
  ['.h5', 'HDF5'],
  ['.hdf5', 'HDF5'],
  ['.hdf', 'HDF5'],
  ['.nxs', 'NeXus'],
  ['.nrrd', 'NRRD'],
  ['.nhdr', 'NRRD'],
  ['.nii', 'NIfTI'],
  ['.gz', 'gzip'],
  ['.mrc', 'MRC'],
  ['.rec', 'MRC'],
  ['.zarr', 'OME-Zarr'],
  ['.dcm', 'DICOM'],
  ['.jpg', 'JPEG'],
  ['.jpeg', 'JPEG'],
  ['.bmp', 'BMP'],
  ['.am', 'Amira'],
  ['.vol', 'VOL'],
])

/**
 * Opens a grey volume (or a stack of label values) for reading on demand. Nothing is read but headers.
 *
 * Throws `NotFound` for a path that does not exist, `BadInput` for a folder without slices, mixed or damaged slices and
 * formats that cannot be read, `WrongUsage` when the options do not fit the path, `Cancelled` through the signal.
 */
export async function openVolume(volumePath: string, options: OpenVolumeOptions = {}): Promise<VolumeSource> {
  const source = await openUncached(volumePath, options)
  const cacheBytes = options.cacheBytes ?? 0
  return cacheBytes > 0 ? withCache(source, { cacheBytes }) : source
}

/**
 * Opens a folder of slices of which everything is known. No file is opened before a slice is read, so that this may be done in a thread
 * that answers calls. `null` when the folder has other files by now or any of them has changed: open it with {@link openVolume}.
 *
 * Throws `NotFound` and `BadInput` as {@link openVolume} does for a folder without slices, `Cancelled` through the signal.
 */
export async function openKnownVolume(
  folder: string,
  known: KnownSlices,
  signal?: AbortSignal,
): Promise<VolumeSource | null> {
  if (!(await isExistingFolder(folder))) return null
  const { files, sliceFormat } = await slicesIn(folder)
  return await openUnchanged(files, sliceFormat, { path: folder, known, signal })
}

async function openUncached(volumePath: string, options: OpenVolumeOptions): Promise<VolumeSource> {
  const format: OpenedFormat = {
    path: volumePath,
    voxelSize: options.voxelSize,
    signal: options.signal,
    known: options.known,
  }
  const isFolder = await isExistingFolder(volumePath)
  if (options.raw !== undefined) {
    if (isFolder) {
      throw new PhasemarkError('WrongUsage', `--raw: expected a file, found the folder ${volumePath}`, {
        argument: '--raw',
      })
    }
    return await openRawSource(volumePath, options.raw, format)
  }
  return isFolder ? await openFolder(volumePath, format) : await openFile(volumePath, format)
}

async function isExistingFolder(volumePath: string): Promise<boolean> {
  try {
    return (await stat(volumePath)).isDirectory()
  } catch (error) {
    throw readError(volumePath, error)
  }
}

async function openFolder(folder: string, format: OpenedFormat): Promise<VolumeSource> {
  const { files, sliceFormat } = await slicesIn(folder)
  if (files.length === 1 && sliceFormat === tiffSlices) {
    if ((await countTiffPages(files[0], format.signal)) > 1) return await openTiffPages(files[0], format)
  }
  return await openSliceFiles(files, sliceFormat, format)
}

/** Paths of the slices of a folder, in order. Throws `BadInput` when there are none or two kinds of them. */
async function slicesIn(folder: string): Promise<{ files: string[]; sliceFormat: SliceFormat }> {
  const tiffs = await listSliceFiles(folder, tiffSlices.extensions)
  const pngs = await listSliceFiles(folder, pngSlices.extensions)
  if (tiffs.length > 0 && pngs.length > 0) {
    throw badInput(
      folder,
      'slices of one format',
      `${tiffs.length} TIFF and ${pngs.length} PNG files; move one kind elsewhere`,
    )
  }
  if (tiffs.length === 0 && pngs.length === 0) {
    const kind = unsupportedFormats.get(path.extname(folder).toLowerCase())
    throw badInput(folder, supported, kind === undefined ? 'a folder without any' : `${kind}, not read yet`)
  }
  const sliceFormat = tiffs.length > 0 ? tiffSlices : pngSlices
  const names = tiffs.length > 0 ? tiffs : pngs
  return { files: names.map((name) => path.join(folder, name)), sliceFormat }
}

async function openFile(file: string, format: OpenedFormat): Promise<VolumeSource> {
  const start = await withPositionedFile(file, (opened) => opened.readUpTo(0, 16, format.signal))
  if (looksLikeTiff(start)) return await openTiffPages(file, format)
  if (looksLikePng(start)) return await openSliceFiles([file], pngSlices, format)
  const extension = path.extname(file).toLowerCase()
  const kind = unsupportedFormats.get(extension)
  if (kind !== undefined) throw badInput(file, supported, `${kind}, not read yet`)
  if (tiffSlices.extensions.includes(extension) || pngSlices.extensions.includes(extension)) {
    const bytes = Buffer.from(start.subarray(0, 4)).toString('hex')
    const found = start.length === 0 ? 'an empty file' : `a file that starts with the bytes ${bytes}`
    throw badInput(file, 'a TIFF or PNG file', found)
  }
  throw badInput(file, supported, `a file of another kind (${extension === '' ? 'no ending' : extension})`)
}

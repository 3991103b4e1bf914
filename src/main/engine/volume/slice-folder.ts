import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { badInput } from '../../../shared/errors.ts'
import { createFileStates, isSettled, putFileState } from './file-state.ts'
import { areUnchanged, type KnownSlices } from './known-slices.ts'
import { compareNaturally, findNumberingGaps } from './natural-order.ts'
import { readError } from './positioned-file.ts'
import { createRowSource } from './row-source.ts'
import type { OpenedFormat } from './opened-format.ts'
import {
  requireSameHeader,
  requireSliceCount,
  volumeBytes,
  type OpenedSlice,
  type SliceFile,
  type SliceFormat,
} from './slice-header.ts'
import { depthWarnings, meaningWarnings, numberingWarnings } from './volume-warnings.ts'
import { visitFiles } from './visit-files.ts'
import type { VolumeSource } from './volume-source.ts'

/** Names of the files in `folder` with one of `extensions`, in natural order; hidden files are left out. */
export async function listSliceFiles(folder: string, extensions: readonly string[]): Promise<string[]> {
  let entries
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    throw readError(folder, error)
  }
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .filter((name) => extensions.includes(path.extname(name).toLowerCase()))
    .sort(compareNaturally)
}

/**
 * Opens files of one format as the slices of a volume. Headers of all files are read (a few kilobytes each), so that a
 * mixed or truncated slice is found now and not after hours of work; not again when `format.known` tells what they are and no file
 * has changed since.
 */
export async function openSliceFiles(
  files: readonly string[],
  sliceFormat: SliceFormat,
  format: OpenedFormat,
): Promise<VolumeSource> {
  requireSliceCount(format.path, files.length)
  const names = files.map((file) => path.parse(file).name)
  requireDistinctNames(format.path, names)
  const again = await openUnchanged(files, sliceFormat, format)
  if (again !== null) return again
  const { slices, known } = await openAll(files, sliceFormat, format.signal)
  const { header } = slices[0]
  if (header.meaning === 'colour') {
    // Whether the channels are equal shows only in the pixels: better now than in the middle of the work.
    await slices[0].readRows(0, header.height, format.signal)
  }
  return sourceOf(files, slices, sliceFormat, format, known)
}

/**
 * The volume of `files` out of `format.known`, with no file opened; `null` when nothing is known or anything has changed.
 * Throws `Cancelled` through the signal.
 */
export async function openUnchanged(
  files: readonly string[],
  sliceFormat: SliceFormat,
  format: OpenedFormat,
): Promise<VolumeSource | null> {
  const { known, signal } = format
  if (known === undefined || !(await areUnchanged(files, sliceFormat.name, known, { signal }))) return null
  const { header, rowAddressable } = known
  const slices = files.map((file) => sliceFormat.openKnown(file, header, rowAddressable))
  return sourceOf(files, slices, sliceFormat, format, known)
}

function sourceOf(
  files: readonly string[],
  slices: readonly SliceFile[],
  sliceFormat: SliceFormat,
  format: OpenedFormat,
  known: KnownSlices | undefined,
): VolumeSource {
  const names = files.map((file) => path.parse(file).name)
  const { header } = slices[0]
  const numbering = findNumberingGaps(names)
  return createRowSource(
    {
      format: sliceFormat.name,
      path: format.path,
      shape: [files.length, header.height, header.width],
      dtype: header.dtype,
      voxelSize: format.voxelSize ?? header.voxelSize,
      sliceNames: names,
      bytes: volumeBytes(files.length, header),
      gaps: numbering.gaps,
      warnings: [
        ...meaningWarnings(format.path, header),
        ...depthWarnings(format.path, files.length),
        ...numberingWarnings(format.path, names, numbering),
      ],
    },
    {
      rowAddressable: slices.every((slice) => slice.rowAddressable),
      known,
      readRows: (z, yStart, yStop, signal) => slices[z].readRows(yStart, yStop, signal),
      close: () => Promise.resolve(),
    },
  )
}

async function openAll(
  files: readonly string[],
  sliceFormat: SliceFormat,
  signal: AbortSignal | undefined,
): Promise<{ slices: SliceFile[]; known: KnownSlices | undefined }> {
  const began = Date.now()
  const slices: SliceFile[] = []
  const states = createFileStates(files.length)
  let unsettled = 0
  const take = (index: number, { slice, status }: OpenedSlice): void => {
    slices[index] = slice
    putFileState(states, index, status)
    if (!isSettled(status, began)) unsettled++
  }
  const openSlice = sliceFormat.createOpener()
  take(0, await openSlice(files[0], { signal }))
  const { header } = slices[0]
  const first = { name: path.basename(files[0]), header }
  await visitFiles(
    files.length - 1,
    async (visited, blocking) => {
      const opened = await openSlice(files[visited + 1], { signal, blocking })
      requireSameHeader(files[visited + 1], opened.slice.header, first)
      take(visited + 1, opened)
    },
    { signal },
  )
  const known = {
    format: sliceFormat.name,
    files: files.map((file) => path.basename(file)),
    states,
    header,
    rowAddressable: slices.every((slice) => slice.rowAddressable),
  }
  return { slices, known: unsettled === 0 ? known : undefined }
}

/** `a.tif` beside `a.tiff`: labels and results are matched by stem, so two slices must not share one. */
function requireDistinctNames(folder: string, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) {
      throw badInput(folder, 'one file per slice name', `several files named ${name} with different endings`)
    }
    seen.add(name)
  }
}

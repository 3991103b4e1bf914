import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { concurrentHeaderReads } from './limits.ts'
import { compareNaturally, findNumberingGaps } from './natural-order.ts'
import { readError } from './positioned-file.ts'
import { createRowSource } from './row-source.ts'
import {
  requireSameHeader,
  requireSliceCount,
  volumeBytes,
  type OpenedFormat,
  type SliceFile,
  type SliceFormat,
} from './slice-header.ts'
import { depthWarnings, meaningWarnings, numberingWarnings } from './volume-warnings.ts'
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
 * mixed or truncated slice is found now and not after hours of work.
 */
export async function openSliceFiles(
  files: readonly string[],
  sliceFormat: SliceFormat,
  format: OpenedFormat,
): Promise<VolumeSource> {
  requireSliceCount(format.path, files.length)
  const names = files.map((file) => path.parse(file).name)
  requireDistinctNames(format.path, names)
  const slices = await openAll(files, sliceFormat, format.signal)
  const { header } = slices[0]
  if (header.meaning === 'colour') {
    // Whether the channels are equal shows only in the pixels: better now than in the middle of the work.
    await slices[0].readRows(0, header.height, format.signal)
  }
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
      readRows: (z, yStart, yStop, signal) => slices[z].readRows(yStart, yStop, signal),
      close: () => Promise.resolve(),
    },
  )
}

async function openAll(
  files: readonly string[],
  sliceFormat: SliceFormat,
  signal: AbortSignal | undefined,
): Promise<SliceFile[]> {
  const slices = [await sliceFormat.open(files[0], signal)]
  const first = { name: path.basename(files[0]), header: slices[0].header }
  let next = 1
  // The first failure in slice order is reported, whichever read ends first, so that runs agree.
  const failures: { index: number; error: unknown }[] = []
  const worker = async (): Promise<void> => {
    while (next < files.length && failures.length === 0) {
      throwIfCancelled(signal)
      const index = next++
      try {
        const slice = await sliceFormat.open(files[index], signal)
        requireSameHeader(files[index], slice.header, first)
        slices[index] = slice
      } catch (error) {
        failures.push({ index, error })
      }
    }
  }
  await Promise.all(Array.from({ length: concurrentHeaderReads }, worker))
  const earliest = failures.sort((left, right) => left.index - right.index).at(0)
  if (earliest !== undefined) throw earliest.error
  return slices
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

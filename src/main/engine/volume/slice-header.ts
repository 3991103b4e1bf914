import type { BigIntStats } from 'node:fs'
import { badInput } from '../../../shared/errors.ts'
import { bytesPerElement, type Dtype, type TypedArray, type VoxelSize } from '../../../shared/volume.ts'
import { maxSlices } from './limits.ts'

/** What the header of one slice says; enough to tell whether slices fit together. */
export interface SliceHeader {
  width: number
  height: number
  dtype: Dtype
  /** How values are to be understood; slices of one volume must agree. */
  meaning: 'grey' | 'inverted-grey' | 'colour' | 'palette'
  voxelSize: VoxelSize | null
}

/** One file that holds one slice; nothing stays open between reads. */
export interface SliceFile {
  readonly header: SliceHeader
  /** See `VolumeSource`. */
  readonly rowAddressable: boolean
  /**
   * Rows `[yStart, yStop)` in C order (y, x), an array that belongs to the caller.
   * Throws `BadInput` when the file no longer has the header that it was opened with, or cannot be decoded.
   */
  readRows(yStart: number, yStop: number, signal?: AbortSignal): Promise<TypedArray>
}

/** Reads slices of one image format, a file per slice. */
export interface SliceFormat {
  /** For people: `TIFF slices`. */
  name: string
  /** Lower-case extensions with their dot. */
  extensions: readonly string[]
  /** Begins to open slices of one volume, which mostly have the same header. */
  createOpener(): OpenSlice
  /** A slice whose header is known. Nothing is read before its rows are, and then the header is compared. */
  openKnown(path: string, header: SliceHeader, rowAddressable: boolean): SliceFile
}

/** Reads a few kilobytes. Throws `BadInput` when the file cannot be a slice, `Cancelled` through the signal. */
export type OpenSlice = (path: string, options?: OpenSliceOptions) => Promise<OpenedSlice>

export interface OpenSliceOptions {
  signal?: AbortSignal | undefined
  /** See `OpenFileOptions` of positioned-file.ts. */
  blocking?: boolean
}

export interface OpenedSlice {
  slice: SliceFile
  /** What the file was like before its header was read. */
  status: BigIntStats
}

/** Throws `BadInput` when `found` does not fit to the first slice of the same volume. */
export function requireSameHeader(
  path: string,
  found: SliceHeader,
  first: { name: string; header: SliceHeader },
): void {
  const { header } = first
  const same =
    found.width === header.width &&
    found.height === header.height &&
    found.dtype === header.dtype &&
    found.meaning === header.meaning
  if (same) return
  throw badInput(path, `${describeHeader(header)} like ${first.name}`, describeHeader(found))
}

/** For messages: `512 × 400 uint16` (height × width), with the meaning when it is not plain grey. */
export function describeHeader(header: SliceHeader): string {
  const meaning = header.meaning === 'grey' ? '' : ` (${header.meaning})`
  return `${header.height} × ${header.width} ${header.dtype}${meaning}`
}

/** Size of the decoded voxels. */
export function volumeBytes(depth: number, header: SliceHeader): number {
  return depth * header.height * header.width * bytesPerElement[header.dtype]
}

/** Names of the slices of a container: the stem alone for a single one, else `<stem>_<page>` counted from 0. */
export function pageNames(stem: string, count: number): string[] {
  if (count === 1) return [stem]
  const digits = Math.max(4, String(count - 1).length)
  return Array.from({ length: count }, (_, page) => `${stem}_${String(page).padStart(digits, '0')}`)
}

/** Throws `BadInput` when there are more slices than any scan has. */
export function requireSliceCount(path: string, count: number): void {
  if (count > maxSlices) throw badInput(path, `at most ${maxSlices} slices`, `${count}`)
}

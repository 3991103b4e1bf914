import type { VoxelSize } from '../../../shared/volume.ts'
import type { KnownSlices } from './known-slices.ts'

/** What the caller of `openVolume` decided, for the format that opens the file. */
export interface OpenedFormat {
  /** The path as the user gave it. */
  path: string
  voxelSize?: VoxelSize | undefined
  signal?: AbortSignal | undefined
  /** What was found out about the slices of the folder earlier; used as far as the files are unchanged. */
  known?: KnownSlices | undefined
}

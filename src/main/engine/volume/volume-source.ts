import type { TypedArray, VolumeMeta } from '../../../shared/volume.ts'
import type { KnownSlices } from './known-slices.ts'

export interface ReadOptions {
  signal?: AbortSignal
}

/** A half-open box `[start, stop)` in voxels, axes z, y, x. */
export interface Box {
  start: readonly [z: number, y: number, x: number]
  stop: readonly [z: number, y: number, x: number]
}

/**
 * The one seam through which every part reads grey volumes. Implementations read on demand, never hold the whole
 * volume, never write to the source, and may serve several reads at once.
 */
export interface VolumeSource {
  readonly meta: VolumeMeta
  /** Whether a few rows of a slice cost little more than their bytes: neither compressed nor in tiles. */
  readonly rowAddressable?: boolean
  /**
   * What was found out about the files of a folder, for opening it again. Not there for other volumes, nor when a file is so new that
   * another change of it might not show.
   */
  readonly known?: KnownSlices | undefined
  /**
   * One slice of the volume, in the volume's dtype, C order (y, x), length shape[1] × shape[2]. The array belongs to
   * the caller.
   * Throws `BadInput` when the slice cannot be read as announced, `Cancelled` through the signal.
   */
  readSlice(z: number, options?: ReadOptions): Promise<TypedArray>
  /** A box in C order (z, y, x). The array belongs to the caller. */
  readBox(box: Box, options?: ReadOptions): Promise<TypedArray>
  /** Releases file handles and workers. Reads after it reject. */
  close(): Promise<void>
}

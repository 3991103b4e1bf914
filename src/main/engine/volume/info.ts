import type { Dtype, Shape3, VolumeWarning, VoxelSize } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import { openVolume, type OpenVolumeOptions } from './open-volume.ts'
import { volumeStatistics } from './volume-statistics.ts'

export interface InfoOptions extends JobOptions, Pick<OpenVolumeOptions, 'raw' | 'voxelSize'> {
  /** Takes the statistics from every slice instead of a sample. */
  full?: boolean
}

/** What there is to say about a volume. */
export interface InfoResult {
  path: string
  /** `TIFF slices`, `multi-page TIFF`, `PNG slices`, `raw`. */
  format: string
  /** z, y, x in voxels. */
  shape: Shape3
  dtype: Dtype
  voxelSize: VoxelSize | null
  /** Size of the voxels when decoded. */
  bytes: number
  /** Over the finite voxels of the slices that were read. */
  min: number
  max: number
  mean: number
  /** Where `min`, `max` and `mean` come from, and from how many slices. */
  statistics: 'sample' | 'full'
  statisticsSlices: number
  warnings: readonly VolumeWarning[]
}

/**
 * Describes a volume: its header, and statistics of up to 32 slices spread over it, or of all with `full`.
 * Throws what `openVolume` and `volumeStatistics` throw.
 */
export async function info(volumePath: string, options: InfoOptions = {}): Promise<InfoResult> {
  const { full = false, ...rest } = options
  const source = await openVolume(volumePath, rest)
  try {
    const { path, format, shape, dtype, voxelSize, bytes, warnings } = source.meta
    const statistics = await volumeStatistics(source, { ...rest, full })
    const { min, max, mean, slicesRead } = statistics
    return {
      path,
      format,
      shape,
      dtype,
      voxelSize,
      bytes,
      min,
      max,
      mean,
      statistics: slicesRead.length === shape[0] ? 'full' : 'sample',
      statisticsSlices: slicesRead.length,
      warnings: [...warnings, ...statistics.warnings],
    }
  } finally {
    await source.close()
  }
}

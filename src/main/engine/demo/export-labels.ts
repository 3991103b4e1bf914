import { throwIfCancelled } from '../../../shared/errors.ts'
import type { ListedMaterial } from '../../../shared/materials.ts'
import type { JobOptions } from '../job-options.ts'
import { openVolumeWriter } from '../output/volume-writer.ts'
import { openVolume } from '../volume/open-volume.ts'

/**
 * Writes a segmentation once more, as one BigTIFF file with voxel size, materials and colours. Slice by slice.
 *
 * Throws `OutputExists`, `NoSpace`, `NotWritable`, `Cancelled`.
 */
export async function exportLabels(
  segmentation: string,
  out: string,
  materials: readonly ListedMaterial[],
  { signal, onProgress }: JobOptions,
): Promise<void> {
  const reading = signal === undefined ? {} : { signal }
  const source = await openVolume(segmentation, reading)
  try {
    const { shape, dtype, voxelSize, sliceNames } = source.meta
    const [depth] = shape
    const writer = await openVolumeWriter({
      ...{ path: out, format: 'bigtiff', shape, dtype, voxelSize, sliceNames },
      ...{ colourTable: materials, unlabelledValue: null, resume: false },
    })
    try {
      for (let z = 0; z < depth; z++) {
        throwIfCancelled(signal)
        await writer.writeSlice(z, await source.readSlice(z, reading), reading)
        onProgress?.({ stage: 'exporting', done: z + 1, total: depth, unit: 'slices' })
      }
      await writer.close()
    } finally {
      // After a regular end this does nothing.
      await writer.abort()
    }
  } finally {
    await source.close()
  }
}

import path from 'node:path'
import { unlabelledIndex } from '../../../shared/materials.ts'
import { throwIfCancelled } from '../../../shared/errors.ts'
import { createTypedArray, type Dtype } from '../../../shared/volume.ts'
import { openVolumeWriter } from '../output/volume-writer.ts'
import type { OpenDataSet } from './data-sets.ts'

/**
 * Writes the truth of a data set with the materials of the models, so that `evaluate` on it and on a segmentation gives the same
 * scores. Folders relative to `folder`, per volume; `null` where the truth is scored as it is.
 */
export async function writeMappedTruth(
  dataSet: OpenDataSet,
  slices: readonly number[][],
  folder: string,
  signal: AbortSignal | undefined,
): Promise<(string | null)[]> {
  if (!dataSet.isRemapped) return dataSet.volumes.map(() => null)
  const { materials, indexOf } = dataSet
  const { dtype, unlabelled } = encodingOf(materials.map(({ value }) => value))
  const values = [unlabelled, ...materials.map(({ value }) => value)]
  const written: (string | null)[] = []
  for (const [index, { id, source, labels }] of dataSet.volumes.entries()) {
    const positions = slices[index]
    if (positions.length === 0) {
      written.push(null)
      continue
    }
    const target = path.join('segmentations', 'truth', id)
    const [, height, width] = source.meta.shape
    const writer = await openVolumeWriter({
      path: path.join(folder, target),
      format: 'tiff-stack',
      shape: [positions.length, height, width],
      dtype,
      voxelSize: source.meta.voxelSize,
      sliceNames: positions.map((z) => source.meta.sliceNames[z]),
      colourTable: materials.map(({ value, name, colour }) => ({ value, name, colour })),
      unlabelledValue: unlabelled,
      description: ['ground truth with the materials of the models'],
      resume: false,
    })
    try {
      for (const [at, z] of positions.entries()) {
        throwIfCancelled(signal)
        const truth = await labels.readSlice(z, signal === undefined ? {} : { signal })
        const mapped = createTypedArray(dtype, truth.length)
        for (let i = 0; i < truth.length; i++) mapped[i] = values[indexOf[truth[i]]]
        await writer.writeSlice(at, mapped)
      }
      await writer.close()
    } catch (error) {
      await writer.abort()
      throw error
    }
    written.push(target)
  }
  return written
}

/** The smallest type for these values and one more that means unlabelled: 255, 0 or the first free one. */
function encodingOf(values: readonly number[]): { dtype: Dtype; unlabelled: number } {
  const candidates = [255, unlabelledIndex, ...Array.from({ length: 256 }, (_, value) => value)]
  const unlabelled = candidates.find((value) => !values.includes(value))!
  const [low, high] = [Math.min(...values, unlabelled), Math.max(...values, unlabelled)]
  const dtype = low < 0 ? 'int32' : high <= 255 ? 'uint8' : high <= 65_535 ? 'uint16' : 'uint32'
  return { dtype, unlabelled }
}

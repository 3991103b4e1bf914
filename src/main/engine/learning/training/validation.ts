import type { Material } from '../../../../shared/materials.ts'
import {
  addConfusion,
  confusionOf,
  emptyConfusion,
  scoreMaterial,
  scoreOverall,
  talliesOf,
} from '../../../../shared/metrics/confusion.ts'
import { throwIfCancelled } from '../../../../shared/errors.ts'
import { sliceNeighbours } from '../../volume/slice-neighbours.ts'
import type { ModelScore } from '../model/model-card.ts'
import { normalisationFor, type VolumeNormalisation } from '../normalisation.ts'
import type { SlicePredictor } from '../prediction/slice-predictor.ts'
import type { TrainingData } from './training-data.ts'

/**
 * Scores a predictor on labelled slices, pooled over volumes.
 *
 * @param slices per volume: positions to score
 */
export async function scoreSlices(
  predictor: SlicePredictor,
  { volumes, labels }: TrainingData,
  normalisations: readonly VolumeNormalisation[],
  slices: readonly (readonly number[])[],
  options: { split: string; contextSlices: number; signal?: AbortSignal },
): Promise<ModelScore> {
  const count = labels.materials.length
  const confusion = emptyConfusion(count)
  for (const [index, volume] of volumes.entries()) {
    const [, height, width] = volume.meta.shape
    for (const z of slices[index]) {
      throwIfCancelled(options.signal)
      const truth = await labels.sources[index].readSlice(z)
      const channels = await Promise.all(
        sliceNeighbours(volume.meta, z, options.contextSlices).map((neighbour) =>
          volume.readSlice(neighbour),
        ),
      )
      const { materials } = predictor.predict({
        channels,
        height,
        width,
        normalisation: normalisationFor(normalisations[index], channels[options.contextSlices]),
      })
      addConfusion(confusion, confusionOf(truth, materials, count))
    }
  }
  const tallies = talliesOf(confusion)
  const { macroF1, meanIoU } = scoreOverall(tallies)
  return {
    split: options.split,
    slices: slices.reduce((sum, list) => sum + list.length, 0),
    macroF1,
    meanIoU,
    perMaterial: labels.materials.map((material: Material, k) => ({
      id: material.value,
      name: material.name,
      f1: scoreMaterial(tallies.hits[k], tallies.truth[k], tallies.predicted[k]).f1,
    })),
  }
}

import {
  splits,
  type ComparedDataSet,
  type ComparedModel,
  type ModelLetter,
  type Split,
} from '../../../shared/comparison/comparison.ts'
import { titleOf, type ComparedRun } from './compared-run.ts'
import type { OpenDataSet } from './data-sets.ts'
import type { TrainingSlices } from './training-slices.ts'

/** What the report says of a model: from its card, so that it is true of a bare model folder too. */
export function describeModel(run: ComparedRun, costs: ComparedModel['costs']): ComparedModel {
  const { card } = run.model
  return {
    path: run.path,
    title: titleOf(run),
    architecture: { ...card.architecture },
    parameters: card.parameters,
    materials: card.materials,
    voxelSize: card.voxelSize,
    weightsSha256: card.weightsSha256,
    createdAt: card.createdAt,
    phasemark: card.phasemark,
    pretrained: card.pretrained,
    training: card.training,
    trainingSlicesFrom: run.record === null ? 'none' : 'run',
    costs,
  }
}

export interface DataSetFindings {
  splits: Record<Split, number[][]>
  roles: Record<ModelLetter, readonly TrainingSlices[]>
  folders: readonly Record<ModelLetter, string>[]
  mappedTruth: readonly (string | null)[]
}

export function describeDataSet(dataSet: OpenDataSet, found: DataSetFindings): ComparedDataSet {
  const { kind, synthetic, mapping } = dataSet
  return {
    kind,
    synthetic,
    materialMap:
      mapping === null
        ? null
        : {
            from: mapping.from,
            entries: mapping.entries.map(({ source, target, by }) => ({
              value: source.value,
              name: source.name,
              target: target === null ? null : { value: target.value, name: target.name },
              by,
              voxels: labelledVoxelsOf(dataSet, source.index),
            })),
          },
    volumes: dataSet.volumes.map(({ id, input, source, labels, normalisation }, index) => ({
      id,
      ...input,
      shape: [...source.meta.shape],
      dtype: source.meta.dtype,
      voxelSize: source.meta.voxelSize,
      pairing: labels.pairing,
      greyRange: [normalisation.low, normalisation.high],
      trainingKnown: { A: found.roles.A[index].known, B: found.roles.B[index].known },
      splits: Object.fromEntries(splits.map((split) => [split, found.splits[split][index]])) as Record<
        Split,
        number[]
      >,
      segmentations: found.folders[index],
      mappedTruth: found.mappedTruth[index],
    })),
  }
}

function labelledVoxelsOf({ volumes }: OpenDataSet, index: number): number {
  return volumes.reduce(
    (sum, { labels }) =>
      sum + labels.labelledSlices.reduce((count, z) => count + labels.countSlice(z)[index], 0),
    0,
  )
}

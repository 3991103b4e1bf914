import type { VolumeWarning } from '../../../../shared/volume.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import type { JobOptions } from '../../job-options.ts'
import type { PretrainedWeights } from '../../pretrained/find-weights.ts'
import type { StoredModel } from '../model/model-package.ts'
import type { Normalisation, VolumeNormalisation } from '../normalisation.ts'
import type { Checkpoint, RunFolder } from '../runs/run-folder.ts'
import type { RunRecord } from '../runs/run-record.ts'
import type { SliceSplit } from './split-slices.ts'
import type { TrainConfig } from './train-config.ts'
import type { TrainingData, TrainingDataOptions, TrainingInput } from './training-data.ts'
import type { TrainingBatch, TrainingStep } from './training-step.ts'

/** What the training loop trains: a step, its batches, and the model that its weights make. */
export interface Course {
  readonly step: TrainingStep
  /** Batch of step `number`; depends on the seed and the number only. */
  batch(number: number, signal?: AbortSignal): Promise<TrainingBatch>
  /** The model whose trained weights are these, as flat vectors. */
  model(weights: { parameters: Float32Array; statistics: Float32Array }): Omit<StoredModel, 'card'>
  close(): Promise<void>
}

/** What a course is made of. */
export interface CourseOptions {
  runtime: ComputeRuntime
  data: TrainingData
  inputs: readonly TrainingInput[]
  dataOptions: TrainingDataOptions
  splits: readonly SliceSplit[]
  normalisations: readonly Normalisation[]
  folder: RunFolder
  record: RunRecord
  checkpoint: Checkpoint | null
  /** Weights of VGG16; `null` for models that begin without. */
  pretrained: PretrainedWeights | null
  /** Grows when something happens that the user should know. */
  warnings: VolumeWarning[]
  job: JobOptions
}

/** How the slices of each volume are normalised. */
export function volumeNormalisations(
  { intensityScope }: Pick<TrainConfig, 'intensityScope'>,
  normalisations: readonly Normalisation[],
): readonly VolumeNormalisation[] {
  return intensityScope === 'slice' ? normalisations.map(() => 'per-slice' as const) : normalisations
}

/** The optimiser and loss that a configuration asks for. */
export function stepOptions(
  config: Pick<TrainConfig, 'weightDecay' | 'diceWeight' | 'averageDecay' | 'seed'>,
) {
  return {
    optimiser: {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-7,
      weightDecay: config.weightDecay,
      maxGradientNorm: 1,
    },
    diceWeight: config.diceWeight,
    statisticsMomentum: 0.9,
    averageDecay: config.averageDecay,
    seed: config.seed,
  }
}

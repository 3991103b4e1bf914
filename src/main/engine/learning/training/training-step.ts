import type { Tensor1D } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { createNativeOps } from '../network/native-ops.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import { forwardForTraining } from '../network/network-training.ts'
import {
  decayMask,
  initialParameters,
  initialStatistics,
  joinVector,
  parameterLayout,
  splitVector,
  statisticsLayout,
} from '../network/parameters.ts'
import { adamWStep, type OptimiserOptions } from './optimiser.ts'
import { countLabelled, segmentationLoss } from './segmentation-loss.ts'

/** Patches of one step. */
export interface TrainingBatch {
  /** Normalised grey values, `[count, y, x, channel]` in C order. */
  images: Float32Array
  /** Material indices, 0 = unlabelled, `[count, y, x]` in C order. */
  labels: Uint8Array
  shape: readonly [count: number, y: number, x: number, channels: number]
}

export interface TrainingStepOptions {
  optimiser: OptimiserOptions
  diceWeight: number
  /** Share of the old running statistics kept per step. */
  statisticsMomentum: number
  /** Decay of the exponential moving average of the weights; 0 turns it off. */
  averageDecay: number
  seed: number
}

/** Everything that a step changes, as plain arrays: what a checkpoint holds. */
export type TrainingState = Record<StateName, Float32Array>

export const stateNames = [
  'parameters',
  'firstMoment',
  'secondMoment',
  'statistics',
  'averageParameters',
  'averageStatistics',
] as const
type StateName = (typeof stateNames)[number]

export interface StepResult {
  /** Cross-entropy plus weighted Dice. */
  loss: number
  crossEntropy: number
  dice: number
  /** Euclidean norm of the gradient before clipping. */
  gradientNorm: number
}

export interface TrainingStep {
  /**
   * One optimiser step.
   *
   * @param step number of this step, from 1; decides the bias correction
   * @param parts into how many parts the batch is cut to save memory; their gradients are added up
   */
  run(batch: TrainingBatch, learningRate: number, step: number, parts: number): StepResult
  /** Copies the state off the device. */
  state(): TrainingState
  restore(state: TrainingState): void
  /** Weights for prediction: the moving average when there is one. Valid until the next step; not to be disposed. */
  weights(): { parameters: Tensor1D; statistics: Tensor1D }
  dispose(): void
}

/** Creates the parameters of `spec` on the device and the step that trains them. */
export function createTrainingStep(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  options: TrainingStepOptions,
): TrainingStep {
  const { tf } = runtime
  const ops = createNativeOps(runtime)
  const parametersAt = parameterLayout(spec)
  const statisticsAt = statisticsLayout(spec)
  const mask = tf.tensor1d(decayMask(spec))
  const parameters = initialParameters(spec, options.seed)
  const statistics = initialStatistics(spec)
  const zeros = new Float32Array(parameters.length)
  const averaging = options.averageDecay > 0
  let tensors = upload({
    parameters,
    firstMoment: zeros,
    secondMoment: zeros,
    statistics,
    averageParameters: parameters,
    averageStatistics: statistics,
  })

  function upload(state: TrainingState): Record<StateName, Tensor1D> {
    const uploaded: Partial<Record<StateName, Tensor1D>> = {}
    for (const name of stateNames) {
      const expected = name.toLowerCase().includes('statistics') ? statisticsAt.length : parametersAt.length
      if (state[name].length !== expected) {
        throw new RangeError(
          `training state: expected ${expected} values of ${name}, found ${state[name].length}`,
        )
      }
      uploaded[name] = tf.tensor1d(state[name])
    }
    return uploaded as Record<StateName, Tensor1D>
  }

  /** Gradient, statistics and losses of a part of the batch, starting at patch `from`. */
  function gradientOf(batch: TrainingBatch, from: number, count: number, batchLabelledVoxels: number) {
    const [, y, x, channels] = batch.shape
    const images = batch.images.subarray(from * y * x * channels, (from + count) * y * x * channels)
    const labels = batch.labels.subarray(from * y * x, (from + count) * y * x)
    return tf.tidy(() => {
      const input = tf.tensor4d(images, [count, y, x, channels])
      const pass = forwardForTraining(
        runtime,
        ops,
        spec,
        splitVector(runtime, tensors.parameters, parametersAt),
        input,
      )
      const loss = tf.tidy(() =>
        segmentationLoss(runtime, pass.output, labels, {
          diceWeight: options.diceWeight,
          batchLabelledVoxels,
        }),
      )
      const gradients = pass.backward(loss.gradient)
      return {
        gradient: joinVector(runtime, gradients, parametersAt),
        statistics:
          statisticsAt.length === 0
            ? tf.tensor1d([])
            : joinVector(runtime, pass.batchStatistics, statisticsAt),
        losses: tf.stack([loss.crossEntropy.reshape([]), loss.dice.reshape([])]) as Tensor1D,
      }
    })
  }

  return {
    run: (batch, learningRate, step, parts) => {
      const count = batch.shape[0]
      const size = Math.ceil(count / parts)
      const labelled = countLabelled(batch.labels)
      const { next, readings } = tf.tidy(() => {
        const partial = []
        for (let from = 0; from < count; from += size) {
          partial.push(gradientOf(batch, from, Math.min(size, count - from), labelled))
        }
        const gradient = tf.addN(partial.map((part) => part.gradient))
        const losses = tf.addN(partial.map((part) => part.losses))
        const update = adamWStep(runtime, tensors, gradient, mask, learningRate, step, options.optimiser)
        let statisticsNext = tensors.statistics
        if (statisticsAt.length > 0) {
          const batchStatistics = tf.addN(partial.map((part) => part.statistics)).div(partial.length)
          const { statisticsMomentum: kept } = options
          statisticsNext = tensors.statistics.mul(kept).add(batchStatistics.mul(1 - kept))
        }
        // Early averages forget quickly, so that a short run is not held back by its random start.
        const decay = Math.min(options.averageDecay, step / (step + 10))
        const average = (old: Tensor1D, fresh: Tensor1D): Tensor1D =>
          averaging ? old.mul(decay).add(fresh.mul(1 - decay)) : fresh.clone()
        const next = {
          ...update.state,
          statistics: statisticsNext.clone(),
          averageParameters: average(tensors.averageParameters, update.state.parameters),
          averageStatistics: average(tensors.averageStatistics, statisticsNext),
        }
        return { next, readings: tf.concat1d([losses, update.gradientNorm.reshape<Tensor1D>([1])]) }
      })
      const previous = tensors
      tensors = next
      for (const name of stateNames) previous[name].dispose()
      const [crossEntropy, dice, gradientNorm] = readings.dataSync()
      readings.dispose()
      return {
        loss: crossEntropy + dice,
        crossEntropy: crossEntropy,
        dice: dice,
        gradientNorm: gradientNorm,
      }
    },
    state: () => {
      const state: Partial<TrainingState> = {}
      for (const name of stateNames) state[name] = tensors[name].dataSync().slice() as Float32Array
      return state as TrainingState
    },
    restore: (state) => {
      const restored = upload(state)
      for (const name of stateNames) tensors[name].dispose()
      tensors = restored
    },
    weights: () => ({ parameters: tensors.averageParameters, statistics: tensors.averageStatistics }),
    dispose: () => {
      mask.dispose()
      for (const name of stateNames) tensors[name].dispose()
    },
  }
}

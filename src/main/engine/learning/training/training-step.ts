import { PhasemarkError } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import type { GraphTensor } from '../graph/graph-builder.ts'
import { openSession, type Feed } from '../graph/session.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import {
  initialParameters,
  initialStatistics,
  parameterLayout,
  statisticsLayout,
} from '../network/parameters.ts'
import { isOutOfMemory } from '../out-of-memory.ts'
import { optimiserScalars, type OptimiserOptions } from './optimiser.ts'
import { labelRows } from './segmentation-loss.ts'
import {
  buildTrainingGraph,
  scalarNames,
  stateNames,
  type StateName,
  type StepScalars,
} from './training-graph.ts'

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
  /** Copies the weights for prediction off the device: the moving average when there is one. */
  weights(): { parameters: Float32Array; statistics: Float32Array }
  dispose(): void
}

/** Creates the parameters of `spec` on the device and the step that trains them. */
export function createTrainingStep(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  options: TrainingStepOptions,
): TrainingStep {
  const { graph, feeds, runs, state, lastChanged } = buildTrainingGraph(spec, {
    ...options,
    averages: options.averageDecay > 0,
  })
  const session = openSession(runtime, graph)
  const parameterCount = parameterLayout(spec).length
  const statisticsCount = statisticsLayout(spec).length

  function restore(values: TrainingState): void {
    const given = new Map<GraphTensor, Feed>()
    for (const name of stateNames) {
      const expected = name.toLowerCase().includes('statistics') ? statisticsCount : parameterCount
      if (values[name].length !== expected) {
        throw new RangeError(
          `training state: expected ${expected} values of ${name}, found ${values[name].length}`,
        )
      }
      given.set(state.feed[name], { values: values[name], shape: [expected] })
    }
    session.run(given, [state.write])
  }

  function read(names: readonly StateName[]): Float32Array[] {
    return session.run(
      new Map(),
      names.map((name) => state.read[name]),
    ) as Float32Array[]
  }

  function run(what: GraphTensor, scalars: StepScalars, part?: LabelledImages): Float32Array {
    const values = Float32Array.from(scalarNames, (name) => scalars[name])
    const given = new Map<GraphTensor, Feed>([[feeds.scalars, { values, shape: [values.length] }]])
    if (part !== undefined) {
      given.set(feeds.images, { values: part.images, shape: part.shape })
      given.set(feeds.rows, { values: part.rows, shape: part.shape.slice(0, 3) })
    }
    return session.run(given, [what])[0] as Float32Array
  }

  function runParts(batch: LabelledImages, scalars: StepScalars): readonly number[] {
    if (scalars.parts === 1) return [...run(runs.step, scalars, batch)]
    const size = Math.ceil(batch.shape[0] / scalars.parts)
    let [crossEntropy, dice] = [0, 0]
    for (let from = 0; from < batch.shape[0]; from += size) {
      const losses = run(from === 0 ? runs.firstPart : runs.furtherPart, scalars, cut(batch, from, size))
      crossEntropy += losses[0]
      dice += losses[1]
    }
    return [crossEntropy, dice, run(runs.apply, scalars)[0]]
  }

  const zeros = new Float32Array(parameterCount)
  const parameters = initialParameters(spec, options.seed)
  const statistics = initialStatistics(spec)
  restore({
    parameters,
    firstMoment: zeros,
    secondMoment: zeros,
    statistics,
    averageParameters: parameters,
    averageStatistics: statistics,
  })

  return {
    run: ({ images, labels, shape }, learningRate, step, parts) => {
      const { rows, labelledVoxels } = labelRows(labels)
      const scalars: StepScalars = {
        step,
        ...optimiserScalars(options.optimiser, learningRate, step),
        // Early averages forget quickly, so that a short run is not held back by its random start.
        averageShare: 1 - Math.min(options.averageDecay, step / (step + 10)),
        labelledVoxels,
        // Parts are equal but for the last, so that there may be fewer than asked for.
        parts: Math.ceil(shape[0] / Math.ceil(shape[0] / parts)),
      }
      try {
        const [crossEntropy, dice, gradientNorm] = runParts({ images, rows, shape }, scalars)
        return { loss: crossEntropy + dice, crossEntropy, dice, gradientNorm }
      } catch (error) {
        if (!isOutOfMemory(error) || session.run(new Map(), [lastChanged])[0][0] !== step) throw error
        // Half a step cannot be repeated in smaller parts.
        throw new PhasemarkError(
          'Internal',
          `training: step ${step} ran out of memory while it changed the parameters; the last checkpoint is the state to go on from`,
          {},
          { cause: error },
        )
      }
    },
    state: () => {
      const values = read(stateNames)
      return Object.fromEntries(stateNames.map((name, index) => [name, values[index]])) as TrainingState
    },
    restore,
    weights: () => {
      const [parameters, statistics] = read(['averageParameters', 'averageStatistics'])
      return { parameters, statistics }
    },
    dispose: () => session.dispose(),
  }
}

/** A batch or a part of it, with labels as the graph takes them. */
interface LabelledImages {
  images: Float32Array
  rows: Uint8Array
  shape: TrainingBatch['shape']
}

/** At most `size` patches, from patch `from`; views. */
function cut({ images, rows, shape }: LabelledImages, from: number, size: number): LabelledImages {
  const [count, y, x, channels] = shape
  const to = Math.min(from + size, count)
  return {
    images: images.subarray(from * y * x * channels, to * y * x * channels),
    rows: rows.subarray(from * y * x, to * y * x),
    shape: [to - from, y, x, channels],
  }
}

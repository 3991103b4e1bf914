import { loadComputeRuntime } from '../../src/main/engine/compute/runtime/load.ts'
import { createTrainingStep } from '../../src/main/engine/learning/training/training-step.ts'
import { unetSpec } from '../../src/main/engine/learning/unet/unet-spec.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { numberOf } from './command-line.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { slope } from './statistics.ts'
import { trainOnSample } from './trained-model.ts'
import { sampleBatch } from './unet-peers.ts'

/** Allowed drift of resident memory: less than a garbage collector's mood, far more than a forgotten buffer would leave. */
const growthBar = { relation: '≤', limit: 100 } as const
/** Share of the run after which memory should no longer grow: buffers are allocated, checkpoints have been written. */
const settledAfter = 0.25
/** One sample of memory is kept per this many seconds. */
const sampleSeconds = 1

/**
 * Long training through the command line: resident memory of the process over time, and the number of tensors over steps
 * in this process.
 */
export async function benchmarkSoak(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { folder, minutes, smoke, onProgress } = options
  const tensors = await countTensors(smoke ? 3 : 200, onProgress)
  const samples: { seconds: number; bytes: number }[] = []
  const { result, wallSeconds } = await trainOnSample(folder, ['--max-minutes', minutes.toString()], {
    onProgress,
    onMemory: (bytes, seconds) => {
      const last = samples.at(-1)
      if (last === undefined || seconds - last.seconds >= sampleSeconds) samples.push({ seconds, bytes })
    },
  })
  const settled = samples.filter(({ seconds }) => seconds >= wallSeconds * settledAfter)
  const hours = settled.map(({ seconds }) => seconds / 3600)
  const megabytes = settled.map(({ bytes }) => bytes / 1e6)
  const measurements: Measurement[] = [
    { what: 'steps trained', value: numberOf(result, 'steps'), unit: 'steps' },
    { what: 'minutes', value: wallSeconds / 60, unit: 'min' },
    { what: 'tensors added by a step', value: tensors.perStep, unit: '', bar: { relation: '≤', limit: 0 } },
  ]
  if (settled.length > 1) {
    measurements.push(
      { what: 'largest resident memory', value: Math.max(...megabytes) / 1000, unit: 'GB' },
      {
        what: 'growth of resident memory after the first quarter',
        value: slope(hours, megabytes),
        unit: 'MB/h',
        bar: growthBar,
      },
    )
  }
  return { benchmark: 'soak', measurements, skipped: {}, details: { result, tensors, samples } }
}

/** Tensors alive after the first and after the last of `steps` steps. */
async function countTensors(steps: number, onProgress: (text: string) => void) {
  const runtime = await loadComputeRuntime()
  const setting = {
    batch: 1,
    size: 64,
    materials: 3,
    baseFilters: 4,
    normalisation: 'batch',
    learningRate: 1e-3,
    weightDecay: 1e-4,
    statisticsMomentum: 0.9,
  } as const
  const training = createTrainingStep(runtime, unetSpec({ inputChannels: 1, depth: 4, ...setting }), {
    optimiser: { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 1e-4, maxGradientNorm: 1 },
    diceWeight: 1,
    statisticsMomentum: 0.9,
    averageDecay: 0.99,
    seed: 1,
  })
  try {
    const batch = sampleBatch(setting)
    training.run(batch, setting.learningRate, 1, 1)
    const first = runtime.tf.memory().numTensors
    for (let step = 2; step <= steps; step++) {
      training.run(batch, setting.learningRate, step, 1)
      onProgress(`counting tensors, step ${step} of ${steps}`)
    }
    const last = runtime.tf.memory().numTensors
    return { first, last, perStep: (last - first) / (steps - 1) }
  } finally {
    training.dispose()
  }
}

import path from 'node:path'
import { loadComputeRuntime, type ComputeRuntime } from '../../src/main/engine/compute/runtime/load.ts'
import { batchNormalisationEpsilon } from '../../src/main/engine/learning/network/network-operations.ts'
import { parameterCount } from '../../src/main/engine/learning/network/network-spec.ts'
import { initialParameters, initialStatistics } from '../../src/main/engine/learning/network/parameters.ts'
import { createSlicePredictor } from '../../src/main/engine/learning/prediction/slice-predictor.ts'
import { tileMemoryBytes } from '../../src/main/engine/learning/prediction/tile-memory.ts'
import { unetSpec } from '../../src/main/engine/learning/unet/unet-spec.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { numberOf, runCommand } from './command-line.ts'
import { interleave, type Contender } from './interleave.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { plainLayout, sampleSlice, writeSampleVolume } from './sample-volume.ts'
import { trainQuickModel } from './trained-model.ts'
import {
  closeUnetPeers,
  networkFields,
  startUnetPeers,
  writeWeights,
  type UnetSetting,
} from './unet-peers.ts'

const ours = 'Phasemark'

/**
 * Prediction: the network alone against Keras and PyTorch, then the whole way from files to files through the command line
 * on a stack of 64 slices of 2048 × 2048 voxels, of which the network should be nearly everything.
 */
export async function benchmarkPrediction(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const runtime = await loadComputeRuntime()
  const measurements: Measurement[] = []
  const skipped: Record<string, string> = {}
  const details: Record<string, unknown> = { device: runtime.device, versions: runtime.versions }
  for (const size of options.smoke ? [32] : [512, 2048]) {
    const title = `network on ${size} × ${size}`
    const comparison = await compareNetworks(runtime, size, options, skipped)
    measurements.push(...comparison.measurements.map((one) => ({ ...one, what: `${title}, ${one.what}` })))
    details[title] = comparison.details
  }
  const pipeline = await measurePipeline(options)
  return {
    benchmark: 'predict',
    measurements: [...measurements, ...pipeline.measurements],
    skipped,
    details: { ...details, pipeline: pipeline.details },
  }
}

async function compareNetworks(
  runtime: ComputeRuntime,
  size: number,
  { folder, smoke, peerNames, onProgress }: BenchmarkOptions,
  skipped: Record<string, string>,
) {
  const setting: UnetSetting = {
    batch: 1,
    size,
    materials: 3,
    baseFilters: smoke ? 4 : 16,
    normalisation: 'none',
    learningRate: 0,
    weightDecay: 0,
    statisticsMomentum: 0.9,
  }
  const spec = unetSpec({ inputChannels: 1, depth: 4, ...setting })
  const parameters = initialParameters(spec, 1)
  const peers = await startUnetPeers(
    'predict-setup',
    {
      ...networkFields(setting, batchNormalisationEpsilon),
      weights: writeWeights(folder, parameters),
      trials: smoke ? 1 : 3,
    },
    { parameters: parameterCount(spec), device: runtime.device },
    skipped,
    peerNames,
  )
  const predictor = createSlicePredictor(runtime, spec, {
    parameters,
    statistics: initialStatistics(spec),
    memoryBytes: tileMemoryBytes(runtime.device),
  })
  const input = {
    channels: [sampleSlice(0, size, size).grey],
    height: size,
    width: size,
    normalisation: { method: 'percentile', low: 16_000, high: 41_000 } as const,
  }
  try {
    const contenders: Contender[] = [
      { name: ours, run: () => Promise.resolve(predictor.predict(input).networkSeconds) },
      ...peers.map(({ name, peer }) => ({
        name,
        run: async () => (await peer.ask<{ seconds: number }>('predict')).seconds,
      })),
    ]
    const timings = await interleave(contenders, {
      rounds: smoke ? 2 : 15,
      warmUpRounds: smoke ? 1 : 2,
      onRound: (done, total) => onProgress(`${size}², round ${done} of ${total}`),
    })
    const voxelsPerSecond = (name: string) => (size * size) / timings.get(name)!.medianSeconds
    const measurements: Measurement[] = [
      { what: ours, value: voxelsPerSecond(ours), unit: 'voxels/s', note: runtime.device.name },
      ...peers.map(({ name, answer }) => ({
        what: name,
        value: voxelsPerSecond(name),
        unit: 'voxels/s',
        note: `${answer.chosen}, ${answer.device}`,
      })),
      ...peers.map(({ name }) => ({
        what: `${ours} / ${name}`,
        value: voxelsPerSecond(ours) / voxelsPerSecond(name),
        unit: '×',
      })),
    ]
    const answers = Object.fromEntries(peers.map(({ name, answer }) => [name, answer]))
    return { measurements, details: { setting, peers: answers, timings: Object.fromEntries(timings) } }
  } finally {
    predictor.dispose()
    await closeUnetPeers(peers)
  }
}

async function measurePipeline({ folder, smoke, onProgress }: BenchmarkOptions) {
  const run = await trainQuickModel(folder, onProgress)
  const volume = path.join(folder, 'volume')
  const [slices, size] = smoke ? [3, 160] : [64, 2048]
  writeSampleVolume(volume, {
    slices,
    height: size,
    width: size,
    distinctSlices: smoke ? 2 : 8,
    layout: plainLayout,
  })
  const { result, wallSeconds, observedPeakBytes } = await runCommand(
    ['segment', volume, '--model', run, '--out', path.join(folder, 'segmentation')],
    { onProgress },
  )
  const seconds = numberOf(result, 'seconds')
  const title = `pipeline on ${slices} × ${size} × ${size}`
  const measurements: Measurement[] = [
    { what: `${title}, end to end`, value: numberOf(result, 'voxelsPerSecond'), unit: 'voxels/s' },
    {
      what: `${title}, share of the network`,
      value: numberOf(result, 'networkSeconds') / seconds,
      unit: '',
      bar: { relation: '≥', limit: 0.9 },
    },
    {
      what: `${title}, share of writing`,
      value: numberOf(result, 'writeSeconds') / seconds,
      unit: '',
      bar: { relation: '≤', limit: 0.1 },
    },
    {
      what: `${title}, peak memory`,
      value: numberOf(result, 'peakMemoryBytes') / 1e9,
      unit: 'GB',
      bar: { relation: '<', limit: 4 },
    },
  ]
  return { measurements, details: { result, wallSeconds, observedPeakBytes } }
}

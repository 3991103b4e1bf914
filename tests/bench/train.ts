import { loadComputeRuntime, type ComputeRuntime } from '../../src/main/engine/compute/runtime/load.ts'
import { batchNormalisationEpsilon } from '../../src/main/engine/learning/network/network-operations.ts'
import { parameterCount } from '../../src/main/engine/learning/network/network-spec.ts'
import { createTrainingStep } from '../../src/main/engine/learning/training/training-step.ts'
import { unetSpec } from '../../src/main/engine/learning/unet/unet-spec.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { interleave, type Contender, type Timing } from './interleave.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import {
  closeUnetPeers,
  networkFields,
  sampleBatch,
  startUnetPeers,
  writeBatch,
  writeWeights,
  type PeerAnswer,
  type UnetSetting,
} from './unet-peers.ts'

const ours = 'Phasemark'
/** DESIGN §7. */
const ratioBar = { relation: '≤', limit: 1.05 } as const
/**
 * Relative difference of losses up to which two programs are taken to train the same network: the first loss shows that
 * networks and losses agree, the later ones that gradients and optimisers do.
 */
const lossTolerance = { first: 1e-4, later: 1e-2 }

/**
 * One optimiser step of the UNet, ours against Keras and PyTorch: same weights, batch, loss and optimiser, every step from
 * the batch in host memory to the loss in host memory. Moving average of the weights and gradient clipping are off.
 */
export async function benchmarkTraining(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const runtime = await loadComputeRuntime()
  const measurements: Measurement[] = []
  const skipped: Record<string, string> = {}
  const details: Record<string, unknown> = { device: runtime.device, versions: runtime.versions }
  const normalisations = options.smoke ? (['batch'] as const) : (['none', 'batch'] as const)
  for (const normalisation of normalisations) {
    const setting: UnetSetting = {
      batch: options.smoke ? 1 : 4,
      size: options.smoke ? 32 : 256,
      materials: 3,
      baseFilters: options.smoke ? 4 : 16,
      normalisation,
      learningRate: 1e-3,
      weightDecay: 1e-4,
      statisticsMomentum: 0.9,
    }
    const run = await compareSteps(runtime, setting, options, skipped)
    const title = normalisation === 'batch' ? 'with batch normalisation' : 'plain'
    for (const [name, timing] of run.timings) {
      const peer = run.peers[name]
      measurements.push({
        what: `step ${title}, ${name}`,
        value: timing.medianSeconds,
        unit: 's',
        note: name === ours ? runtime.device.name : `${peer.chosen}, ${peer.device}`,
      })
    }
    for (const name of Object.keys(run.peers)) {
      measurements.push({
        what: `step ${title}, ${ours} / ${name}`,
        value: run.timings.get(ours)!.medianSeconds / run.timings.get(name)!.medianSeconds,
        unit: '×',
        bar: ratioBar,
      })
    }
    details[title] = { setting, peers: run.peers, timings: Object.fromEntries(run.timings) }
  }
  return { benchmark: 'train', measurements, skipped, details }
}

interface Comparison {
  timings: ReadonlyMap<string, Timing>
  peers: Readonly<Record<string, PeerAnswer>>
}

async function compareSteps(
  runtime: ComputeRuntime,
  setting: UnetSetting,
  { folder, smoke, peerNames, onProgress }: BenchmarkOptions,
  skipped: Record<string, string>,
): Promise<Comparison> {
  const spec = unetSpec({ inputChannels: 1, depth: 4, ...setting })
  const batch = sampleBatch(setting)
  const training = createTrainingStep(runtime, spec, {
    optimiser: {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-7,
      weightDecay: setting.weightDecay,
      maxGradientNorm: Number.MAX_VALUE,
    },
    diceWeight: 1,
    statisticsMomentum: setting.statisticsMomentum,
    averageDecay: 0,
    seed: 1,
  })
  const weights = writeWeights(folder, training.state().parameters)
  const losses: number[] = []
  const runStep = () => losses.push(training.run(batch, setting.learningRate, losses.length + 1, 1).loss)
  try {
    const peers = await startUnetPeers(
      'train-setup',
      {
        ...networkFields(setting, batchNormalisationEpsilon),
        batch_path: writeBatch(folder, batch),
        weights,
        learning_rate: setting.learningRate,
        weight_decay: setting.weightDecay,
        trials: smoke ? 1 : 5,
      },
      { parameters: parameterCount(spec), device: runtime.device },
      skipped,
      peerNames,
    )
    try {
      for (const { name, answer } of peers) {
        while (losses.length < answer.losses!.length) runStep()
        requireSameLosses(name, answer.losses!, losses)
      }
      const contenders: Contender[] = [
        {
          name: ours,
          run: () => {
            const started = performance.now()
            runStep()
            return Promise.resolve((performance.now() - started) / 1000)
          },
        },
        ...peers.map(({ name, peer }) => ({
          name,
          run: async () => (await peer.ask<{ seconds: number }>('step')).seconds,
        })),
      ]
      const timings = await interleave(contenders, {
        rounds: smoke ? 2 : 25,
        warmUpRounds: smoke ? 1 : 3,
        onRound: (done, total) => onProgress(`${setting.normalisation}, round ${done} of ${total}`),
      })
      return { timings, peers: Object.fromEntries(peers.map(({ name, answer }) => [name, answer])) }
    } finally {
      await closeUnetPeers(peers)
    }
  } finally {
    training.dispose()
  }
}

/** Throws when a peer's first losses from the same weights and batch are not ours. */
function requireSameLosses(name: string, theirs: readonly number[], mine: readonly number[]): void {
  theirs.forEach((loss, index) => {
    const tolerance = index === 0 ? lossTolerance.first : lossTolerance.later
    if (!(Math.abs(loss - mine[index]) <= tolerance * mine[index])) {
      throw new Error(
        `${name} does not train the same network: expected losses of ${mine.slice(0, theirs.length).join(', ')}, found ${theirs.join(', ')}`,
      )
    }
  })
}

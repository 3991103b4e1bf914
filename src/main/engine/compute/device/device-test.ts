import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { JobOptions } from '../../job-options.ts'
import type { NetworkSpec } from '../../learning/network/network-spec.ts'
import { initialParameters, initialStatistics } from '../../learning/network/parameters.ts'
import { sliceNormalisation } from '../../learning/normalisation.ts'
import { createSlicePredictor } from '../../learning/prediction/slice-predictor.ts'
import { tileMemoryBytes } from '../../learning/prediction/tile-memory.ts'
import { unetConfig, vgg16Config } from '../../learning/training/train-config.ts'
import { unetSpec } from '../../learning/unet/unet-spec.ts'
import { vgg16Spec } from '../../learning/vgg16/vgg16-spec.ts'
import { niYsz } from '../../sample/ni-ysz.ts'
import type { ComputeRuntime } from '../runtime/load.ts'

/** What the device test found. */
export interface DeviceMeasurement {
  unetVoxelsPerSecond: number
  vgg16VoxelsPerSecond: number
  /** How long the whole test took. */
  selfTestSeconds: number
}

export interface DeviceTestOptions extends JobOptions {
  /** Size of the generated slices in y and x. */
  extent?: number
  /** Slices that are measured per network, after one that warms up. */
  slices?: number
}

/** Side of a slice on which a network is as fast as on larger ones, and done in a second on two cores. */
const defaultExtent = 512
const defaultSlices = 3
const materials = 3

/**
 * Predicts generated slices with both networks, at the size of their standard preset on this device, and measures how many
 * voxels per second go through the network (median of the slices). Weights are random: speed does not depend on them.
 *
 * Throws `RuntimeUnavailable` when the device computes something that cannot be, `OutOfMemory`, `Cancelled`.
 */
export async function testDevice(
  runtime: ComputeRuntime,
  { signal, onProgress, extent = defaultExtent, slices = defaultSlices }: DeviceTestOptions = {},
): Promise<DeviceMeasurement> {
  const started = performance.now()
  const structure = niYsz.createStructure({ seed: 1, height: extent, width: extent })
  const networks = standardNetworks(runtime.device.kind)
  const perNetwork = slices + 1
  const total = networks.length * perNetwork
  const speeds: number[] = []
  for (const [index, { name, spec }] of networks.entries()) {
    const seconds: number[] = []
    const predictor = createSlicePredictor(runtime, spec, {
      parameters: initialParameters(spec, 1),
      statistics: initialStatistics(spec),
      memoryBytes: tileMemoryBytes(runtime.device),
    })
    try {
      for (let z = 0; z < perNetwork; z++) {
        throwIfCancelled(signal)
        onProgress?.({ stage: `testing ${name}`, done: index * perNetwork + z, total, unit: 'slices' })
        // The network blocks this process; in between it hears what others want, such as cancelling.
        await nextTurn()
        const grey = structure.greyAt(z)
        const result = predictor.predict(
          { channels: [grey], height: extent, width: extent, normalisation: sliceNormalisation(grey) },
          { probabilities: true, ...(signal === undefined ? {} : { signal }) },
        )
        requireProbabilities(result.probabilities!, name, runtime.device)
        // The first run compiles and allocates.
        if (z > 0) seconds.push(result.networkSeconds)
      }
    } finally {
      predictor.dispose()
    }
    speeds.push((extent * extent) / median(seconds))
  }
  onProgress?.({ stage: 'testing', done: total, total, unit: 'slices' })
  return {
    unetVoxelsPerSecond: speeds[0],
    vgg16VoxelsPerSecond: speeds[1],
    selfTestSeconds: (performance.now() - started) / 1000,
  }
}

function standardNetworks(device: DeviceInfo['kind']): { name: string; spec: NetworkSpec }[] {
  const { baseFilters, depth, normalisation } = unetConfig({ model: 'unet' }, device)
  const { features, hidden } = vgg16Config({ model: 'vgg16-nn' }, device, untrained)
  return [
    { name: 'UNet', spec: unetSpec({ inputChannels: 1, materials, baseFilters, depth, normalisation }) },
    { name: 'VGG16+NN', spec: vgg16Spec({ features, hidden, materials }) },
  ]
}

/** No pretrained weights are needed to measure. */
const untrained = { id: 'none', sha256: '' }

/** Probabilities of a voxel are numbers that add up to one, whatever the weights; otherwise the device computes nonsense. */
function requireProbabilities(probabilities: Float32Array, network: string, device: DeviceInfo): void {
  for (let at = 0; at < probabilities.length; at += materials) {
    let sum = 0
    for (let material = 0; material < materials; material++) sum += probabilities[at + material]
    // Three float32 roundings; written so that a sum that is no number fails.
    if (!(Math.abs(sum - 1) < 1e-3)) {
      throw new PhasemarkError(
        'RuntimeUnavailable',
        `${device.name}: ${network}: expected probabilities that add up to 1, found ${sum} at voxel ${at / materials}; the device or its driver computes wrong values`,
        { remedy: 'update the driver of the device, or compute on the CPU' },
      )
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

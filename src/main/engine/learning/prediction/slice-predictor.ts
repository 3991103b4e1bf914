import type { Tensor } from '@tensorflow/tfjs'
import { PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { createNativeOps } from '../network/native-ops.ts'
import { activationBytesPerVoxel, receptiveRadius, strideOf } from '../network/network-geometry.ts'
import { foldForPrediction, predictLogits } from '../network/network-prediction.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import { isOutOfMemory } from '../out-of-memory.ts'
import { cutTile, padSlice, type SliceInput } from './tile-input.ts'
import { planTiles, type Rectangle } from './tile-plan.ts'

export interface SliceResult {
  /** Most probable material index (1…), `[y, x]`. */
  materials: Uint8Array
  /** `[y, x, material]`, 0…1; only when asked for. */
  probabilities: Float32Array | null
  /** Seconds in the network, from handing over its input to having its result, halo included. */
  networkSeconds: number
}

export interface SlicePredictor {
  predict(input: SliceInput, options?: { probabilities?: boolean; signal?: AbortSignal }): SliceResult
  /** Largest tile that the network may see now, in voxels; shrinks when memory runs out. */
  readonly maxTileVoxels: number
  dispose(): void
}

export interface SlicePredictorOptions {
  /** Flat vectors as in `parameters.ts`; kept. */
  parameters: Float32Array | Tensor
  statistics: Float32Array | Tensor
  /** Activations of one tile may take this much memory. */
  memoryBytes: number
}

/** Predicts whole slices of any size with a network, in tiles that fit the memory. */
export function createSlicePredictor(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  options: SlicePredictorOptions,
): SlicePredictor {
  const { tf } = runtime
  const ops = createNativeOps(runtime)
  const vectors = [options.parameters, options.statistics].map((values) =>
    values instanceof Float32Array ? tf.tensor1d(values) : values.as1D(),
  )
  const weights = foldForPrediction(runtime, spec, vectors[0], vectors[1])
  vectors.forEach((vector) => vector.dispose())
  const stride = strideOf(spec)
  const halo = receptiveRadius(spec)
  let maxTileVoxels = Math.max(
    stride * stride,
    Math.floor(options.memoryBytes / activationBytesPerVoxel(spec)),
  )

  function runTile(
    padded: Float32Array,
    paddedWidth: number,
    channels: number,
    rectangle: Rectangle,
    wantProbabilities: boolean,
  ): { materials: Int32Array; probabilities: Float32Array | null } {
    let result: { materials: Int32Array; probabilities: Float32Array | null } | null = null
    tf.tidy(() => {
      const input = tf.tensor4d(cutTile(padded, paddedWidth, channels, rectangle), [
        1,
        rectangle.height,
        rectangle.width,
        channels,
      ])
      const logits = predictLogits(runtime, ops, spec, weights, input)
      const materials = tf.argMax(logits, 3).dataSync() as Int32Array
      const probabilities = wantProbabilities ? (tf.softmax(logits).dataSync() as Float32Array) : null
      result = { materials, probabilities }
    })
    return result!
  }

  function attempt(
    input: SliceInput,
    wantProbabilities: boolean,
    signal: AbortSignal | undefined,
  ): SliceResult {
    const { height, width } = input
    const channels = input.channels.length
    const paddedHeight = Math.ceil(height / stride) * stride
    const paddedWidth = Math.ceil(width / stride) * stride
    const padded = padSlice(input, paddedHeight, paddedWidth)
    const materialCount = outputChannels(spec)
    const result: SliceResult = {
      materials: new Uint8Array(height * width),
      probabilities: wantProbabilities ? new Float32Array(height * width * materialCount) : null,
      networkSeconds: 0,
    }
    for (const tile of planTiles(paddedHeight, paddedWidth, { maxVoxels: maxTileVoxels, halo, stride })) {
      throwIfCancelled(signal)
      const started = performance.now()
      const { materials, probabilities } = runTile(
        padded,
        paddedWidth,
        channels,
        tile.input,
        wantProbabilities,
      )
      result.networkSeconds += (performance.now() - started) / 1000
      const { output, input: seen } = tile
      for (let y = output.y; y < Math.min(output.y + output.height, height); y++) {
        const end = Math.min(output.x + output.width, width)
        const from = (y - seen.y) * seen.width + (output.x - seen.x)
        for (let x = output.x, i = from; x < end; x++, i++) result.materials[y * width + x] = materials[i] + 1
        if (probabilities !== null) {
          const row = probabilities.subarray(from * materialCount, (from + end - output.x) * materialCount)
          result.probabilities!.set(row, (y * width + output.x) * materialCount)
        }
      }
    }
    return result
  }

  return {
    get maxTileVoxels() {
      return maxTileVoxels
    },
    predict: (input, { probabilities = false, signal } = {}) => {
      for (;;) {
        try {
          return attempt(input, probabilities, signal)
        } catch (error) {
          if (!isOutOfMemory(error)) throw error
          const tiles = Math.min(maxTileVoxels, input.height * input.width)
          const smallest = (2 * halo + stride) ** 2
          if (tiles <= smallest) {
            throw new PhasemarkError(
              'OutOfMemory',
              `segmenting: even a tile of ${tiles} voxels does not fit into the memory of ${runtime.device.name}; close other programs or train with fewer base filters`,
              { device: runtime.device.name },
              { cause: error },
            )
          }
          maxTileVoxels = Math.floor(tiles / 2)
        }
      }
    },
    dispose: () => weights.forEach((tensor) => tensor.dispose()),
  }
}

function outputChannels(spec: NetworkSpec): number {
  const last = spec.nodes.at(-1)!
  if (last.op !== 'convolution')
    throw new TypeError(`network: expected a convolution as output, found ${last.op}`)
  return last.filters
}

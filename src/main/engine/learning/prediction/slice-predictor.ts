import { PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { activationBytesPerVoxel, receptiveRadius, strideOf } from '../network/network-geometry.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import { isOutOfMemory } from '../out-of-memory.ts'
import { openPredictionSession } from './prediction-session.ts'
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
  parameters: Float32Array
  statistics: Float32Array
  /** Activations of one tile may take this much memory. */
  memoryBytes: number
}

/** Predicts whole slices of any size with a network, in tiles that fit the memory. */
export function createSlicePredictor(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  options: SlicePredictorOptions,
): SlicePredictor {
  const { session, image, outputs } = openPredictionSession(runtime, spec, options)
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
    const values = cutTile(padded, paddedWidth, channels, rectangle)
    const shape = [1, rectangle.height, rectangle.width, channels]
    const fetched = session.run(
      new Map([[image, { values, shape }]]),
      wantProbabilities ? [outputs.materials, outputs.probabilities] : [outputs.materials],
    )
    return { materials: fetched[0] as Int32Array, probabilities: (fetched[1] ?? null) as Float32Array | null }
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
    dispose: () => session.dispose(),
  }
}

function outputChannels(spec: NetworkSpec): number {
  const last = spec.nodes.at(-1)!
  if (last.op !== 'convolution')
    throw new TypeError(`network: expected a convolution as output, found ${last.op}`)
  return last.filters
}

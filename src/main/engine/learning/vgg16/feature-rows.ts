import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import { throwIfCancelled } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { createNativeOps } from '../network/native-ops.ts'
import { activationBytesPerVoxel, receptiveRadius, strideOf } from '../network/network-geometry.ts'
import { predictNodes } from '../network/network-prediction.ts'
import { parametersOf, type NetworkSpec } from '../network/network-spec.ts'
import { cutTile, padSlice, type SliceInput } from '../prediction/tile-input.ts'
import { planTiles, type Rectangle, type Tile } from '../prediction/tile-plan.ts'
import { pretrainedName, vgg16Features, type FeatureSet, type FeatureTap } from './vgg16-spec.ts'

/** Computes the features of chosen voxels of a slice. Only one tile of feature maps exists at a time. */
export interface FeatureExtractor {
  /** Features per voxel. */
  readonly channels: number
  /** Where they come from, in the order of the features. */
  readonly taps: readonly FeatureTap[]
  /**
   * @param voxels positions `y × width + x` in the slice
   * @returns `[voxel, feature]` in C order, in the order of `voxels`
   */
  rows(slice: SliceInput, voxels: Uint32Array, signal?: AbortSignal): Float32Array
  dispose(): void
}

/**
 * @param weights kernels and biases of VGG16 by name (`block1_conv1/kernel`, …)
 * @param memoryBytes activations of one tile may take this much memory
 */
export function createFeatureExtractor(
  runtime: ComputeRuntime,
  features: FeatureSet,
  weights: ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>,
  memoryBytes: number,
): FeatureExtractor {
  const { tf } = runtime
  const ops = createNativeOps(runtime)
  const { nodes, taps } = vgg16Features(features)
  const spec: NetworkSpec = { nodes }
  const stride = Math.max(strideOf(spec), ...taps.map(({ factor }) => factor))
  const halo = Math.max(...taps.map((tap) => tapRadius(nodes, tap)))
  const maxVoxels = Math.max(stride * stride, Math.floor(memoryBytes / activationBytesPerVoxel(spec)))
  const channels = taps.reduce((sum, tap) => sum + tap.channels, 0)
  const tensors = new Map<string, Tensor>()
  for (const { name } of parametersOf(spec)) {
    const { shape, values } = weights.get(pretrainedName(name))!
    tensors.set(name, tf.tensor(values, [...shape]))
  }

  /** Features of the voxels `at` (positions in the padded slice) that lie in the output of `tile`. */
  function tileRows(
    padded: Float32Array,
    paddedWidth: number,
    { input: area }: Tile,
    at: readonly Position[],
  ): Float32Array {
    // Set inside instead of returned: tidy would look for tensors in every element.
    let rows = new Float32Array(0)
    tf.tidy(() => {
      const input = tf.tensor4d(cutTile(padded, paddedWidth, 1, area), [1, area.height, area.width, 1])
      const maps = predictNodes(
        runtime,
        ops,
        spec,
        tensors,
        input,
        taps.map(({ node }) => node),
      )
      const parts = maps.map((map, index) => sampleMap(runtime, map, at, area, taps[index].factor))
      rows = tf.concat2d(parts, 1).dataSync() as Float32Array<ArrayBuffer>
    })
    return rows
  }

  return {
    channels,
    taps,
    rows: (slice, voxels, signal) => {
      const paddedHeight = Math.ceil(slice.height / stride) * stride
      const paddedWidth = Math.ceil(slice.width / stride) * stride
      const padded = padSlice(slice, paddedHeight, paddedWidth)
      const rows = new Float32Array(voxels.length * channels)
      for (const tile of planTiles(paddedHeight, paddedWidth, { maxVoxels, halo, stride })) {
        throwIfCancelled(signal)
        const inside: Position[] = []
        voxels.forEach((voxel, row) => {
          const position = { y: Math.floor(voxel / slice.width), x: voxel % slice.width, row }
          if (contains(tile.output, position)) inside.push(position)
        })
        if (inside.length === 0) continue
        const values = tileRows(padded, paddedWidth, tile, inside)
        inside.forEach(({ row }, index) => {
          rows.set(values.subarray(index * channels, (index + 1) * channels), row * channels)
        })
      }
      return rows
    },
    dispose: () => tensors.forEach((tensor) => tensor.dispose()),
  }
}

interface Position {
  y: number
  x: number
  /** Which of the voxels asked for it is. */
  row: number
}

function contains({ y, x, height, width }: Rectangle, position: Position): boolean {
  return position.y >= y && position.y < y + height && position.x >= x && position.x < x + width
}

/** How far a feature of this tap looks, enlarging included. */
function tapRadius(nodes: NetworkSpec['nodes'], { node, factor }: FeatureTap): number {
  const upTo = nodes.slice(0, nodes.findIndex(({ name }) => name === node) + 1)
  return receptiveRadius({
    nodes: factor === 1 ? upTo : [...upTo, { op: 'upsample', name: 'enlarged', input: node, factor }],
  })
}

/**
 * Values of a feature map at voxels of its tile, `[voxel, channel]`: what enlarging the map by `factor` as the network does
 * (bilinear between centres, edges repeated) would give there, without making the enlarged map. Inside `tf.tidy`.
 *
 * @param map `[1, y, x, channel]` of the tile `area`
 */
function sampleMap(
  { tf }: ComputeRuntime,
  map: Tensor4D,
  at: readonly Position[],
  area: Rectangle,
  factor: number,
): Tensor2D {
  const [, height, width, channels] = map.shape
  const flat = map.reshape<Tensor2D>([height * width, channels])
  if (factor === 1) {
    const index = Int32Array.from(at, ({ y, x }) => (y - area.y) * width + (x - area.x))
    return tf.gather(flat, tf.tensor1d(index, 'int32'))
  }
  const along = at.map(({ y, x }) => ({
    y: neighbours((y - area.y + 0.5) / factor - 0.5, height),
    x: neighbours((x - area.x + 0.5) / factor - 0.5, width),
  }))
  const corners = ([0, 1] as const).flatMap((dy) =>
    ([0, 1] as const).map((dx) => {
      const index = Int32Array.from(along, ({ y, x }) => y.index[dy] * width + x.index[dx])
      const weight = Float32Array.from(along, ({ y, x }) => y.weight[dy] * x.weight[dx])
      return tf.mul(tf.gather(flat, tf.tensor1d(index, 'int32')), tf.tensor2d(weight, [weight.length, 1]))
    }),
  )
  return tf.addN(corners) as Tensor2D
}

/** The two positions between which `position` lies, kept within 0…size−1, and their shares. */
function neighbours(position: number, size: number): { index: [number, number]; weight: [number, number] } {
  const below = Math.floor(position)
  const share = position - below
  const clamp = (value: number) => Math.min(size - 1, Math.max(0, value))
  return { index: [clamp(below), clamp(below + 1)], weight: [1 - share, share] }
}

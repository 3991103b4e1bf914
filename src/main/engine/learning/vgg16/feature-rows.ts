import { throwIfCancelled } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { arithmetic } from '../graph/arithmetic.ts'
import type { GraphBuilder, GraphTensor } from '../graph/graph-builder.ts'
import type { Feed } from '../graph/session.ts'
import { activationBytesPerVoxel, receptiveRadius, strideOf } from '../network/network-geometry.ts'
import { networkOperations } from '../network/network-operations.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import { parameterLayout } from '../network/parameters.ts'
import { openNetworkSession } from '../prediction/prediction-session.ts'
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
  weights: ReadonlyMap<string, { values: Float32Array }>,
  memoryBytes: number,
): FeatureExtractor {
  const { nodes, taps } = vgg16Features(features)
  const spec: NetworkSpec = { nodes }
  const stride = Math.max(strideOf(spec), ...taps.map(({ factor }) => factor))
  const halo = Math.max(...taps.map((tap) => tapRadius(nodes, tap)))
  const maxVoxels = Math.max(stride * stride, Math.floor(memoryBytes / activationBytesPerVoxel(spec)))
  const channels = taps.reduce((sum, tap) => sum + tap.channels, 0)
  const { session, image, outputs } = openNetworkSession(
    runtime,
    spec,
    { parameters: pretrainedVector(spec, weights), statistics: new Float32Array(0) },
    (graph, values) => {
      const samplers = taps.map((tap) => addSampler(graph, values.get(tap.node)!, tap))
      const rows = networkOperations(graph).concatenate(
        samplers.map(({ sampled }) => sampled),
        1,
      )
      return { samplers, rows }
    },
  )

  /** Features of the voxels `at` (positions in the padded slice) that lie in the output of `tile`. */
  function tileRows(
    padded: Float32Array,
    paddedWidth: number,
    { input: area }: Tile,
    at: readonly Position[],
  ): Float32Array {
    const feeds = new Map<GraphTensor, Feed>([
      [image, { values: cutTile(padded, paddedWidth, 1, area), shape: [1, area.height, area.width, 1] }],
    ])
    outputs.samplers.forEach(({ indices, shares }, tap) => {
      const corners = cornersOf(at, area, taps[tap].factor)
      feeds.set(indices, { values: corners.indices, shape: [at.length, 4] })
      feeds.set(shares, { values: corners.shares, shape: [at.length, 4, 1] })
    })
    return session.run(feeds, [outputs.rows])[0] as Float32Array
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
    dispose: () => session.dispose(),
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

/** The parameters of `spec` as one vector, each from the pretrained weights that it begins as. */
function pretrainedVector(
  spec: NetworkSpec,
  weights: ReadonlyMap<string, { values: Float32Array }>,
): Float32Array {
  const { length, entries } = parameterLayout(spec)
  const vector = new Float32Array(length)
  for (const { name, offset } of entries) vector.set(weights.get(pretrainedName(name))!.values, offset)
  return vector
}

/**
 * Adds nodes that take values out of a feature map `[1, y, x, channel]`: per voxel the sum of four values of the map
 * (positions `y × width + x`, int32 `[voxel, 4]`), each with its share (`[voxel, 4, 1]`). Gives `[voxel, channel]`: what
 * enlarging the map as the network does would give there, without making the enlarged map.
 */
function addSampler(graph: GraphBuilder, map: GraphTensor, { node, channels }: FeatureTap) {
  const { reshape, multiply, sum } = arithmetic(graph)
  const indices = graph.placeholder(`${node}/indices`, 'int32', [-1, 4])
  const shares = graph.placeholder(`${node}/shares`, 'float32', [-1, 4, 1])
  const corners = graph.add('GatherV2', [reshape(map, [-1, channels]), indices, graph.scalar(0, 'int32')], {
    Tparams: { type: 'float32' },
    Tindices: { type: 'int32' },
    Taxis: { type: 'int32' },
    batch_dims: { int: 0 },
  })
  return { indices, shares, sampled: sum(multiply(corners, shares), [1]) }
}

/** The four values of a map, enlarged by `factor` between the centres of its voxels with edges repeated, that make each voxel. */
function cornersOf(
  at: readonly Position[],
  area: Rectangle,
  factor: number,
): { indices: Int32Array; shares: Float32Array } {
  const indices = new Int32Array(at.length * 4)
  const shares = new Float32Array(at.length * 4)
  const [height, width] = [area.height / factor, area.width / factor]
  at.forEach((position, voxel) => {
    const y = neighbours((position.y - area.y + 0.5) / factor - 0.5, height)
    const x = neighbours((position.x - area.x + 0.5) / factor - 0.5, width)
    for (const corner of [0, 1, 2, 3] as const) {
      const [dy, dx] = [corner >> 1, corner & 1]
      indices[voxel * 4 + corner] = y.index[dy] * width + x.index[dx]
      shares[voxel * 4 + corner] = y.weight[dy] * x.weight[dx]
    }
  })
  return { indices, shares }
}

/** The two positions between which `position` lies, kept within 0…size−1, and their shares. */
function neighbours(position: number, size: number): { index: [number, number]; weight: [number, number] } {
  const below = Math.floor(position)
  const share = position - below
  const clamp = (value: number) => Math.min(size - 1, Math.max(0, value))
  return { index: [clamp(below), clamp(below + 1)], weight: [1 - share, share] }
}

import type { GraphTensor } from '../graph/graph-builder.ts'
import type { NetworkOperations } from './network-operations.ts'
import { batchNormalisationEpsilon } from './network-operations.ts'
import { channelsOf, weightsName, type NetworkSpec } from './network-spec.ts'
import { parameterLayout, statisticsLayout } from './parameters.ts'

/** A kernel or bias for prediction. */
export interface FoldedWeight {
  values: Float32Array
  shape: readonly number[]
}

/**
 * Kernels and biases for prediction, by name, with batch normalisation folded in: the normalised convolution
 * `gain × (w∗x − mean) / √(variance + ε) + shift` is itself a convolution with bias.
 *
 * @param parameters flat vector as in `parameters.ts`; kept, parts of it may be returned
 */
export function foldForPrediction(
  spec: NetworkSpec,
  parameters: Float32Array,
  statistics: Float32Array,
): Map<string, FoldedWeight> {
  const folded = new Map<string, FoldedWeight>()
  const find = (vector: Float32Array, { entries }: ReturnType<typeof parameterLayout>) => {
    const byName = new Map(entries.map((entry) => [entry.name, entry]))
    return (name: string): FoldedWeight => {
      const { offset, length, shape } = byName.get(name)!
      return { values: vector.subarray(offset, offset + length), shape }
    }
  }
  const parameter = find(parameters, parameterLayout(spec))
  const moment = find(statistics, statisticsLayout(spec))
  for (const node of spec.nodes) {
    if (node.op !== 'convolution' && node.op !== 'up-convolution') continue
    if (weightsName(node) !== node.name) continue
    const kernel = parameter(`${node.name}/kernel`)
    if (node.op === 'up-convolution' || node.normalisation === 'none') {
      folded.set(`${node.name}/kernel`, kernel)
      folded.set(`${node.name}/bias`, parameter(`${node.name}/bias`))
      continue
    }
    const [gain, shift] = ['gain', 'shift'].map((name) => parameter(`${node.name}/${name}`).values)
    const [mean, variance] = ['mean', 'variance'].map((name) => moment(`${node.name}/${name}`).values)
    const scale = gain.map((value, i) => value / Math.sqrt(variance[i] + batchNormalisationEpsilon))
    folded.set(`${node.name}/kernel`, {
      // Filters are the last axis of a kernel.
      values: kernel.values.map((value, i) => value * scale[i % scale.length]),
      shape: kernel.shape,
    })
    folded.set(`${node.name}/bias`, {
      values: shift.map((value, i) => value - mean[i] * scale[i]),
      shape: [node.filters],
    })
  }
  return folded
}

/**
 * Adds the network, as it predicts, to a graph. Returns the output of every node by name.
 *
 * @param weights kernels and biases by name
 * @param input `[batch, y, x, channel]`
 */
export function forwardForPrediction(
  ops: NetworkOperations,
  spec: NetworkSpec,
  weights: ReadonlyMap<string, GraphTensor>,
  input: GraphTensor,
): ReadonlyMap<string, GraphTensor> {
  const channels = channelsOf(spec)
  const values = new Map<string, GraphTensor>()
  for (const node of spec.nodes) {
    switch (node.op) {
      case 'input':
        values.set(node.name, input)
        break
      case 'imagenet-input':
        values.set(node.name, ops.imagenetInput(values.get(node.input)!))
        break
      case 'convolution':
      case 'up-convolution': {
        const kernel = weights.get(`${weightsName(node)}/kernel`)!
        const source = values.get(node.input)!
        const linear =
          node.op === 'convolution'
            ? ops.convolution(source, kernel)
            : ops.upConvolution(source, kernel, channels.get(node.name)!)
        const biased = ops.addBias(linear, weights.get(`${weightsName(node)}/bias`)!)
        values.set(
          node.name,
          node.op === 'convolution' && node.activation === 'relu' ? ops.relu(biased) : biased,
        )
        break
      }
      case 'max-pool':
        values.set(node.name, ops.maxPool(values.get(node.input)!))
        break
      case 'average-pool':
        values.set(node.name, ops.averagePool(values.get(node.input)!))
        break
      case 'upsample':
        values.set(node.name, ops.upsample(values.get(node.input)!, node.factor))
        break
      case 'concatenation':
        values.set(node.name, ops.concatenate(node.inputs.map((name) => values.get(name)!)))
        break
      case 'addition': {
        const sum = ops.sum(node.inputs.map((name) => values.get(name)!))
        values.set(node.name, node.activation === 'relu' ? ops.relu(sum) : sum)
        break
      }
    }
  }
  return values
}

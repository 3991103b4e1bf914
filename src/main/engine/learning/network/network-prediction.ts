import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { batchNormalisationEpsilon, type NativeOps } from './native-ops.ts'
import { imagenetMeans, lastUses, nodeInputs, weightsName, type NetworkSpec } from './network-spec.ts'
import { parameterLayout, splitVector, statisticsLayout } from './parameters.ts'

/**
 * Kernels and biases for prediction, by name, with batch normalisation folded in: the normalised convolution
 * `gain × (w∗x − mean) / √(variance + ε) + shift` is itself a convolution with bias. The caller disposes them.
 */
export function foldForPrediction(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  parameters: Tensor1D,
  statistics: Tensor1D,
): Map<string, Tensor> {
  const { tf } = runtime
  const folded = new Map<string, Tensor>()
  tf.tidy(() => {
    const byName = splitVector(runtime, parameters, parameterLayout(spec))
    const moments = splitVector(runtime, statistics, statisticsLayout(spec))
    for (const node of spec.nodes) {
      if (node.op !== 'convolution' && node.op !== 'up-convolution') continue
      if (weightsName(node) !== node.name) continue
      const kernel = byName.get(`${node.name}/kernel`)!
      if (node.op === 'up-convolution' || node.normalisation === 'none') {
        folded.set(`${node.name}/kernel`, tf.keep(kernel))
        folded.set(`${node.name}/bias`, tf.keep(byName.get(`${node.name}/bias`)!))
        continue
      }
      const variance = moments.get(`${node.name}/variance`)!
      const scale = byName.get(`${node.name}/gain`)!.div(variance.add(batchNormalisationEpsilon).sqrt())
      const shift = byName.get(`${node.name}/shift`)!.sub(moments.get(`${node.name}/mean`)!.mul(scale))
      folded.set(`${node.name}/kernel`, tf.keep(kernel.mul(scale)))
      folded.set(`${node.name}/bias`, tf.keep(shift))
    }
  })
  return folded
}

/** The output of the last node: {@link predictNodes}. */
export function predictLogits(
  runtime: ComputeRuntime,
  ops: NativeOps,
  spec: NetworkSpec,
  weights: ReadonlyMap<string, Tensor>,
  input: Tensor4D,
): Tensor4D {
  return predictNodes(runtime, ops, spec, weights, input, [spec.nodes.at(-1)!.name])[0]
}

/**
 * Runs the network on `input` `[batch, y, x, channel]` (kept) with weights from {@link foldForPrediction}, releasing each
 * activation as soon as it has been read for the last time. Returns what the nodes named in `outputs` give, in that order;
 * the caller disposes it.
 */
export function predictNodes(
  { tf }: ComputeRuntime,
  ops: NativeOps,
  spec: NetworkSpec,
  weights: ReadonlyMap<string, Tensor>,
  input: Tensor4D,
  outputs: readonly string[],
): Tensor4D[] {
  const last = lastUses(spec)
  const values = new Map<string, Tensor4D>()
  return tf.tidy(() => {
    spec.nodes.forEach((node, index) => {
      switch (node.op) {
        case 'input':
          values.set(node.name, input)
          break
        case 'convolution':
        case 'up-convolution': {
          const kernel = weights.get(`${weightsName(node)}/kernel`) as Tensor4D
          const source = values.get(node.input)!
          const linear =
            node.op === 'convolution' ? ops.convolution(source, kernel) : ops.upConvolution(source, kernel)
          const biased = ops.addBias(linear, weights.get(`${weightsName(node)}/bias`) as Tensor1D)
          linear.dispose()
          if (node.op === 'convolution' && node.activation === 'relu') {
            values.set(node.name, ops.relu(biased))
            biased.dispose()
          } else values.set(node.name, biased)
          break
        }
        case 'max-pool':
          values.set(node.name, ops.maxPool(values.get(node.input)!))
          break
        case 'concatenation':
          values.set(node.name, tf.concat4d([values.get(node.inputs[0])!, values.get(node.inputs[1])!], 3))
          break
        case 'imagenet-input':
          values.set(
            node.name,
            tf.tidy(() => imagenetInput(tf, values.get(node.input)!)),
          )
          break
        case 'average-pool':
          values.set(node.name, tf.avgPool(values.get(node.input)!, 2, 2, 'valid'))
          break
        case 'upsample': {
          const source = values.get(node.input)!
          const size: [number, number] = [source.shape[1] * node.factor, source.shape[2] * node.factor]
          values.set(node.name, tf.image.resizeBilinear(source, size, false, true))
          break
        }
        case 'addition': {
          const sum = tf.addN(node.inputs.map((name) => values.get(name)!))
          values.set(node.name, node.activation === 'relu' ? ops.relu(sum) : sum)
          if (node.activation === 'relu') sum.dispose()
          break
        }
      }
      for (const name of new Set(nodeInputs(node))) {
        const done = last.get(name) === index && name !== spec.nodes[0].name
        if (done && !outputs.includes(name)) values.get(name)!.dispose()
      }
    })
    return outputs.map((name) => values.get(name)!)
  })
}

/** {@link imagenetMeans}; to be called inside `tf.tidy`. */
function imagenetInput(tf: ComputeRuntime['tf'], grey: Tensor4D): Tensor4D {
  const picture = grey.add(1).mul(127.5).clipByValue(0, 255)
  return tf.sub(picture, tf.tensor1d([...imagenetMeans]))
}

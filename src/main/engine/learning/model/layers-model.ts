import type { io, LayersModel, SymbolicTensor, Tensor } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { batchNormalisationEpsilon } from '../network/native-ops.ts'
import { channelsOf, type NetworkSpec } from '../network/network-spec.ts'

/**
 * The network as a TensorFlow.js layers model, so that packages open in any program that reads that format. Its output
 * are probabilities: a softmax follows the logits.
 *
 * @param values parameters and statistics by name (`<node>/kernel`, `<node>/variance`, …); kept
 */
export async function toLayersModel(
  { tf }: ComputeRuntime,
  spec: NetworkSpec,
  values: ReadonlyMap<string, Tensor>,
): Promise<io.ModelArtifacts> {
  const model = buildLayers(tf, spec)
  try {
    for (const node of spec.nodes) {
      if (node.op !== 'convolution' && node.op !== 'up-convolution') continue
      const weights = [values.get(`${node.name}/kernel`)!]
      if (node.op === 'up-convolution' || node.normalisation === 'none')
        weights.push(values.get(`${node.name}/bias`)!)
      else {
        const parts = ['gain', 'shift', 'mean', 'variance'].map((part) => values.get(`${node.name}/${part}`)!)
        model.getLayer(`${node.name}_normalisation`).setWeights(parts)
      }
      model.getLayer(node.name).setWeights(weights)
    }
    let artifacts: io.ModelArtifacts | null = null
    await model.save(
      tf.io.withSaveHandler((saved) => {
        artifacts = saved
        return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } })
      }),
    )
    return artifacts!
  } finally {
    model.dispose()
  }
}

function buildLayers(tf: ComputeRuntime['tf'], spec: NetworkSpec): LayersModel {
  const channels = channelsOf(spec)
  const outputs = new Map<string, SymbolicTensor>()
  const input = spec.nodes[0].name
  for (const node of spec.nodes) {
    const from = (name: string) => outputs.get(name)!
    switch (node.op) {
      case 'input':
        outputs.set(node.name, tf.input({ shape: [null, null, node.channels], name: node.name }))
        break
      case 'convolution': {
        let value = tf.layers
          .conv2d({
            name: node.name,
            filters: node.filters,
            kernelSize: node.kernel,
            padding: 'same',
            useBias: node.normalisation === 'none',
          })
          .apply(from(node.input)) as SymbolicTensor
        if (node.normalisation === 'batch') {
          value = tf.layers
            .batchNormalization({ name: `${node.name}_normalisation`, epsilon: batchNormalisationEpsilon })
            .apply(value) as SymbolicTensor
        }
        if (node.activation === 'relu')
          value = tf.layers.reLU({ name: `${node.name}_relu` }).apply(value) as SymbolicTensor
        outputs.set(node.name, value)
        break
      }
      case 'max-pool':
        outputs.set(
          node.name,
          tf.layers
            .maxPooling2d({ name: node.name, poolSize: 2, padding: 'same' })
            .apply(from(node.input)) as SymbolicTensor,
        )
        break
      case 'up-convolution':
        outputs.set(
          node.name,
          tf.layers
            .conv2dTranspose({
              name: node.name,
              filters: channels.get(node.name)!,
              kernelSize: 2,
              strides: 2,
              padding: 'same',
            })
            .apply(from(node.input)) as SymbolicTensor,
        )
        break
      case 'concatenation':
        outputs.set(
          node.name,
          tf.layers.concatenate({ name: node.name }).apply(node.inputs.map(from)) as SymbolicTensor,
        )
        break
    }
  }
  const probabilities = tf.layers
    .softmax({ name: 'probabilities', axis: -1 })
    .apply(outputs.get(spec.nodes.at(-1)!.name)!) as SymbolicTensor
  return tf.model({ inputs: outputs.get(input)!, outputs: probabilities })
}

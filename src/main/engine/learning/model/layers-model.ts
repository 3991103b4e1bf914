import type { io, layers, LayersModel, SymbolicTensor, Tensor } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { batchNormalisationEpsilon } from '../network/network-operations.ts'
import { channelsOf, imagenetMeans, weightsName, type NetworkSpec } from '../network/network-spec.ts'

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
      if (weightsName(node) !== node.name) continue
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
    // A layer counts how often it was applied, and the model gives back one use of each.
    for (const node of spec.nodes) {
      if (node.op === 'convolution' && node.sharedWith !== undefined)
        model.getLayer(node.sharedWith).dispose()
    }
    model.dispose()
  }
}

function buildLayers(tf: ComputeRuntime['tf'], spec: NetworkSpec): LayersModel {
  const channels = channelsOf(spec)
  const outputs = new Map<string, SymbolicTensor>()
  const convolutions = new Map<string, layers.Layer>()
  const input = spec.nodes[0].name
  for (const node of spec.nodes) {
    const from = (name: string) => outputs.get(name)!
    switch (node.op) {
      case 'input':
        outputs.set(node.name, tf.input({ shape: [null, null, node.channels], name: node.name }))
        break
      case 'convolution': {
        // A layer that is applied twice shares its weights.
        const convolution =
          convolutions.get(weightsName(node)) ??
          tf.layers.conv2d({
            name: node.name,
            filters: node.filters,
            kernelSize: node.kernel,
            padding: 'same',
            useBias: node.normalisation === 'none',
          })
        convolutions.set(node.name, convolution)
        let value = convolution.apply(from(node.input)) as SymbolicTensor
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
      case 'imagenet-input':
        outputs.set(node.name, imagenetInput(tf, node.name, from(node.input)))
        break
      case 'average-pool':
        outputs.set(
          node.name,
          tf.layers
            .averagePooling2d({ name: node.name, poolSize: 2, padding: 'valid' })
            .apply(from(node.input)) as SymbolicTensor,
        )
        break
      case 'upsample':
        outputs.set(
          node.name,
          tf.layers
            .upSampling2d({ name: node.name, size: [node.factor, node.factor], interpolation: 'bilinear' })
            .apply(from(node.input)) as SymbolicTensor,
        )
        break
      case 'addition': {
        const parts = node.inputs.map(from)
        // The layer wants two tensors or more.
        let value =
          parts.length === 1 ? parts[0] : (tf.layers.add({ name: node.name }).apply(parts) as SymbolicTensor)
        if (node.activation === 'relu')
          value = tf.layers.reLU({ name: `${node.name}_relu` }).apply(value) as SymbolicTensor
        outputs.set(node.name, value)
        break
      }
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

/** Layers without weights, so that the package holds nothing but what was learned. */
function imagenetInput(tf: ComputeRuntime['tf'], name: string, grey: SymbolicTensor): SymbolicTensor {
  const shifted = tf.layers.rescaling({ name: `${name}_shift`, scale: 0.5, offset: 0.5 }).apply(grey)
  const clipped = tf.layers.reLU({ name: `${name}_clip`, maxValue: 1 }).apply(shifted)
  const colours = imagenetMeans.map(
    (mean, index) =>
      tf.layers
        .rescaling({ name: `${name}_${['blue', 'green', 'red'][index]}`, scale: 255, offset: -mean })
        .apply(clipped) as SymbolicTensor,
  )
  return tf.layers.concatenate({ name }).apply(colours) as SymbolicTensor
}

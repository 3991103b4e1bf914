import type { GraphTensor } from '../graph/graph-builder.ts'
import type { NetworkOperations } from './network-operations.ts'
import {
  channelsOf,
  nodeInputs,
  weightsName,
  type ConvolutionNode,
  type NetworkSpec,
  type UpConvolutionNode,
} from './network-spec.ts'

/** A forward pass and how to go back through it. */
export interface ForwardPass {
  /** `[batch, y, x, channel]`. */
  output: GraphTensor
  /** Mean and variance of this batch per batch normalisation, `<name>/mean` and `<name>/variance`. */
  batchStatistics: ReadonlyMap<string, GraphTensor>
  /** Gradients of all parameters by name, from the gradient of the output. */
  backward(outputGradient: GraphTensor): Map<string, GraphTensor>
}

interface BackwardStep {
  name: string
  run(gradient: GraphTensor): void
}

/**
 * Adds the network, as it trains, to a graph. Gradients are written out, since TensorFlow's C library has no gradients for
 * several of the operations (docs/adr/0003).
 *
 * @param parameters by name, each of its shape
 * @param input `[batch, y, x, channel]`
 */
export function forwardForTraining(
  ops: NetworkOperations,
  spec: NetworkSpec,
  parameters: ReadonlyMap<string, GraphTensor>,
  input: GraphTensor,
): ForwardPass {
  const channels = channelsOf(spec)
  const values = new Map<string, GraphTensor>()
  const batchStatistics = new Map<string, GraphTensor>()
  const gradientParts = new Map<string, GraphTensor[]>()
  const arrived = new Map<string, GraphTensor[]>()
  const steps: BackwardStep[] = []
  const trained = tensorsWithGradient(spec)

  /** Adds to the gradients that have arrived at a tensor so far; dropped where nothing trainable comes before. */
  function send(name: string, gradient: () => GraphTensor): void {
    if (trained.has(name)) arrived.set(name, [...(arrived.get(name) ?? []), gradient()])
  }

  /** Convolutions that share parameters each add to their gradients. */
  function addGradient(name: string, gradient: GraphTensor): void {
    gradientParts.set(name, [...(gradientParts.get(name) ?? []), gradient])
  }

  function convolution(node: ConvolutionNode): GraphTensor {
    const source = values.get(node.input)!
    const kernel = parameters.get(`${weightsName(node)}/kernel`)!
    const kernelShape = [node.kernel, node.kernel, channels.get(node.input)!, node.filters]
    const linear = ops.convolution(source, kernel)
    const finish = (gradient: GraphTensor) => {
      addGradient(`${weightsName(node)}/kernel`, ops.convolutionKernelGradient(source, kernelShape, gradient))
      send(node.input, () => ops.convolutionInputGradient(source, kernel, gradient))
    }
    if (node.normalisation === 'none') {
      const biased = ops.addBias(linear, parameters.get(`${weightsName(node)}/bias`)!)
      const output = node.activation === 'relu' ? ops.relu(biased) : biased
      steps.push({
        name: node.name,
        run: (gradient) => {
          const inner = node.activation === 'relu' ? ops.reluGradient(gradient, output) : gradient
          addGradient(`${weightsName(node)}/bias`, ops.biasGradient(inner))
          finish(inner)
        },
      })
      return output
    }
    const gain = parameters.get(`${node.name}/gain`)!
    const normalised = ops.batchNormalisation(linear, gain, parameters.get(`${node.name}/shift`)!)
    batchStatistics.set(`${node.name}/mean`, normalised.mean)
    batchStatistics.set(`${node.name}/variance`, normalised.variance)
    const output = node.activation === 'relu' ? ops.relu(normalised.output) : normalised.output
    steps.push({
      name: node.name,
      run: (gradient) => {
        const inner = node.activation === 'relu' ? ops.reluGradient(gradient, output) : gradient
        const result = ops.batchNormalisationGradient(inner, linear, gain, normalised.saved)
        addGradient(`${node.name}/gain`, result.gain)
        addGradient(`${node.name}/shift`, result.shift)
        finish(result.input)
      },
    })
    return output
  }

  function upConvolution(node: UpConvolutionNode): GraphTensor {
    const source = values.get(node.input)!
    const kernel = parameters.get(`${node.name}/kernel`)!
    const kernelShape = [2, 2, node.filters, channels.get(node.input)!]
    steps.push({
      name: node.name,
      run: (gradient) => {
        addGradient(`${node.name}/bias`, ops.biasGradient(gradient))
        addGradient(`${node.name}/kernel`, ops.upConvolutionKernelGradient(source, kernelShape, gradient))
        send(node.input, () => ops.upConvolutionInputGradient(gradient, kernel))
      },
    })
    return ops.addBias(ops.upConvolution(source, kernel, node.filters), parameters.get(`${node.name}/bias`)!)
  }

  for (const node of spec.nodes) {
    switch (node.op) {
      case 'input':
        values.set(node.name, input)
        break
      case 'imagenet-input':
        values.set(node.name, ops.imagenetInput(values.get(node.input)!))
        break
      case 'convolution':
        values.set(node.name, convolution(node))
        break
      case 'up-convolution':
        values.set(node.name, upConvolution(node))
        break
      case 'max-pool': {
        const source = values.get(node.input)!
        const output = ops.maxPool(source)
        values.set(node.name, output)
        steps.push({
          name: node.name,
          run: (gradient) => send(node.input, () => ops.maxPoolGradient(source, output, gradient)),
        })
        break
      }
      case 'average-pool': {
        const source = values.get(node.input)!
        values.set(node.name, ops.averagePool(source))
        steps.push({
          name: node.name,
          run: (gradient) => send(node.input, () => ops.averagePoolGradient(source, gradient)),
        })
        break
      }
      case 'upsample': {
        const source = values.get(node.input)!
        values.set(node.name, ops.upsample(source, node.factor))
        steps.push({
          name: node.name,
          run: (gradient) => send(node.input, () => ops.upsampleGradient(source, gradient)),
        })
        break
      }
      case 'concatenation': {
        values.set(node.name, ops.concatenate(node.inputs.map((name) => values.get(name)!)))
        const sizes = node.inputs.map((name) => channels.get(name)!)
        steps.push({
          name: node.name,
          run: (gradient) => {
            const parts = ops.split(gradient, sizes)
            node.inputs.forEach((name, part) => send(name, () => parts[part]))
          },
        })
        break
      }
      case 'addition': {
        const sum = ops.sum(node.inputs.map((name) => values.get(name)!))
        const output = node.activation === 'relu' ? ops.relu(sum) : sum
        values.set(node.name, output)
        steps.push({
          name: node.name,
          run: (gradient) => {
            const inner = node.activation === 'relu' ? ops.reluGradient(gradient, output) : gradient
            for (const name of node.inputs) send(name, () => inner)
          },
        })
        break
      }
    }
  }

  return {
    output: values.get(spec.nodes.at(-1)!.name)!,
    batchStatistics,
    backward: (outputGradient) => {
      send(spec.nodes.at(-1)!.name, () => outputGradient)
      for (const step of steps.reverse()) {
        const gradientsHere = arrived.get(step.name)
        if (gradientsHere !== undefined) step.run(ops.sum(gradientsHere))
      }
      return new Map([...gradientParts].map(([name, parts]) => [name, ops.sum(parts)]))
    },
  }
}

/** Tensors on which a parameter has an influence: the others need no gradient. */
function tensorsWithGradient(spec: NetworkSpec): ReadonlySet<string> {
  const names = new Set<string>()
  for (const node of spec.nodes) {
    const inherits = nodeInputs(node).some((input) => names.has(input))
    if (inherits || node.op === 'convolution' || node.op === 'up-convolution') names.add(node.name)
  }
  return names
}

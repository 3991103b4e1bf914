import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import type { NativeOps } from './native-ops.ts'
import { lastUses, type ConvolutionNode, type NetworkSpec, type UpConvolutionNode } from './network-spec.ts'

/** A forward pass that remembers what the backward pass needs. */
export interface ForwardPass {
  /** `[batch, y, x, channel]`. */
  output: Tensor4D
  /** Mean and variance of this batch per batch normalisation, `<name>/mean` and `<name>/variance`. */
  batchStatistics: ReadonlyMap<string, Tensor1D>
  /**
   * Gradients of all parameters by name, from the gradient of the output (which it disposes). Consumes the pass:
   * activations are released as soon as the last gradient that needs them is known.
   */
  backward(outputGradient: Tensor4D): Map<string, Tensor>
}

interface BackwardStep {
  name: string
  run(gradient: Tensor4D): void
}

/**
 * Runs the network for training. To be called inside `tf.tidy`, which releases everything if an operation fails
 * (for example when memory runs out).
 *
 * Gradients are written out instead of recorded by TensorFlow.js: its tape keeps every activation until the end of the
 * step and composes gradients of small operations (docs/adr/0003).
 */
export function forwardForTraining(
  { tf }: ComputeRuntime,
  ops: NativeOps,
  spec: NetworkSpec,
  parameters: ReadonlyMap<string, Tensor>,
  input: Tensor4D,
): ForwardPass {
  const values = new Map<string, Tensor4D>()
  const batchStatistics = new Map<string, Tensor1D>()
  const gradients = new Map<string, Tensor>()
  const pending = new Map<string, Tensor4D>()
  const steps: BackwardStep[] = []
  const keptForBackward = tensorsReadByBackward(spec)
  const last = lastUses(spec)

  /** Adds to the gradient that has arrived at a tensor so far. */
  function send(name: string, gradient: Tensor4D): void {
    const earlier = pending.get(name)
    if (earlier === undefined) {
      pending.set(name, gradient)
      return
    }
    pending.set(name, tf.add(earlier, gradient))
    earlier.dispose()
    gradient.dispose()
  }

  function convolution(node: ConvolutionNode): Tensor4D {
    const source = values.get(node.input)!
    const kernel = parameters.get(`${node.name}/kernel`) as Tensor4D
    const linear = ops.convolution(source, kernel)
    const needsInputGradient = node.input !== inputName
    if (node.normalisation === 'none') {
      const biased = ops.addBias(linear, parameters.get(`${node.name}/bias`) as Tensor1D)
      linear.dispose()
      const output = node.activation === 'relu' ? ops.relu(biased) : biased
      if (output !== biased) biased.dispose()
      steps.push({
        name: node.name,
        run: (gradient) => {
          const inner = node.activation === 'relu' ? ops.reluGradient(gradient, output) : gradient
          if (inner !== gradient) gradient.dispose()
          gradients.set(`${node.name}/bias`, ops.biasGradient(inner))
          finish(inner)
        },
      })
      return output
    }
    const gain = parameters.get(`${node.name}/gain`) as Tensor1D
    const normalised = ops.batchNormalisation(linear, gain, parameters.get(`${node.name}/shift`) as Tensor1D)
    batchStatistics.set(`${node.name}/mean`, normalised.mean)
    batchStatistics.set(`${node.name}/variance`, normalised.variance)
    const output = node.activation === 'relu' ? ops.relu(normalised.output) : normalised.output
    if (output !== normalised.output) normalised.output.dispose()
    steps.push({
      name: node.name,
      run: (gradient) => {
        const inner = node.activation === 'relu' ? ops.reluGradient(gradient, output) : gradient
        if (inner !== gradient) gradient.dispose()
        const result = ops.batchNormalisationGradient(inner, linear, gain, normalised.saved)
        inner.dispose()
        linear.dispose()
        normalised.saved.forEach((tensor) => tensor.dispose())
        gradients.set(`${node.name}/gain`, result.gain)
        gradients.set(`${node.name}/shift`, result.shift)
        finish(result.input)
      },
    })
    return output

    function finish(gradient: Tensor4D): void {
      gradients.set(`${node.name}/kernel`, ops.convolutionKernelGradient(source, kernel.shape, gradient))
      if (needsInputGradient) send(node.input, ops.convolutionInputGradient(source.shape, kernel, gradient))
      gradient.dispose()
    }
  }

  function upConvolution(node: UpConvolutionNode): Tensor4D {
    const source = values.get(node.input)!
    const kernel = parameters.get(`${node.name}/kernel`) as Tensor4D
    const linear = ops.upConvolution(source, kernel)
    const output = ops.addBias(linear, parameters.get(`${node.name}/bias`) as Tensor1D)
    linear.dispose()
    steps.push({
      name: node.name,
      run: (gradient) => {
        gradients.set(`${node.name}/bias`, ops.biasGradient(gradient))
        gradients.set(`${node.name}/kernel`, ops.upConvolutionKernelGradient(source, kernel.shape, gradient))
        send(node.input, ops.upConvolutionInputGradient(gradient, kernel))
        gradient.dispose()
      },
    })
    return output
  }

  const inputName = spec.nodes[0].name
  spec.nodes.forEach((node, index) => {
    switch (node.op) {
      case 'input':
        values.set(node.name, input)
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
          run: (gradient) => {
            send(node.input, ops.maxPoolGradient(source, output, gradient))
            gradient.dispose()
          },
        })
        break
      }
      case 'concatenation': {
        const [first, second] = node.inputs.map((name) => values.get(name)!)
        const sizes = [first.shape[3], second.shape[3]]
        values.set(node.name, tf.concat4d([first, second], 3))
        steps.push({
          name: node.name,
          run: (gradient) => {
            const parts = tf.split(gradient, sizes, 3)
            gradient.dispose()
            node.inputs.forEach((name, part) => send(name, parts[part] as Tensor4D))
          },
        })
        // What the backward pass does not read is released at once.
        for (const name of node.inputs) {
          if (last.get(name) === index && !keptForBackward.has(name)) values.get(name)!.dispose()
        }
        break
      }
      case 'imagenet-input':
      case 'average-pool':
      case 'upsample':
      case 'addition':
        throw new TypeError(`network: ${node.op} has no gradient yet`)
    }
  })

  const output = values.get(spec.nodes.at(-1)!.name)!
  return {
    output,
    batchStatistics,
    backward: (outputGradient) => {
      send(spec.nodes.at(-1)!.name, outputGradient)
      for (const step of steps.reverse()) {
        const gradient = pending.get(step.name)!
        pending.delete(step.name)
        step.run(gradient)
        // Its readers came later in the network, hence earlier here: nobody needs this activation any more.
        if (step.name !== spec.nodes.at(-1)!.name) values.get(step.name)!.dispose()
      }
      return gradients
    },
  }
}

/** Tensors whose values a gradient reads: inputs of convolutions and poolings, and outputs of ReLU and pooling. */
function tensorsReadByBackward(spec: NetworkSpec): ReadonlySet<string> {
  const names = new Set<string>()
  for (const node of spec.nodes) {
    if (node.op === 'convolution' || node.op === 'up-convolution' || node.op === 'max-pool')
      names.add(node.input)
    if (node.op === 'max-pool' || (node.op === 'convolution' && node.activation === 'relu'))
      names.add(node.name)
  }
  return names
}

/**
 * A network as plain data: a list of nodes in the order in which they can be computed. One description serves training,
 * prediction, the model package, memory estimates and the receptive field, so that these cannot disagree.
 *
 * Every tensor is `[batch, y, x, channel]`, float32.
 */
export type NetworkNode =
  | InputNode
  | ImagenetInputNode
  | ConvolutionNode
  | MaxPoolNode
  | AveragePoolNode
  | UpConvolutionNode
  | UpsampleNode
  | ConcatenationNode
  | AdditionNode

interface InputNode {
  op: 'input'
  name: string
  channels: number
}

/**
 * Grey values, −1…1 by our normalisation, as the picture that networks trained on ImageNet in its Caffe form expect: clipped,
 * stretched to 0…255, copied to blue, green and red, minus {@link imagenetMeans}. One channel in, three out.
 */
interface ImagenetInputNode {
  op: 'imagenet-input'
  name: string
  input: string
}

/** Means of blue, green and red over ImageNet, as VGG16 was trained with (Simonyan and Zisserman 2015, Caffe model card). */
export const imagenetMeans = [103.939, 116.779, 123.68] as const

/** `same` convolution with stride 1, then batch normalisation or bias, then an optional ReLU. */
export interface ConvolutionNode {
  op: 'convolution'
  name: string
  input: string
  filters: number
  kernel: number
  normalisation: 'batch' | 'none'
  activation: 'relu' | 'none'
  /** Name of an earlier convolution whose parameters it uses too; its own without. Not with batch normalisation. */
  sharedWith?: string
}

/** Largest of 2 × 2, stride 2. */
interface MaxPoolNode {
  op: 'max-pool'
  name: string
  input: string
}

/** Mean of 2 × 2, stride 2. */
interface AveragePoolNode {
  op: 'average-pool'
  name: string
  input: string
}

/** Transposed convolution 2 × 2, stride 2, with bias: doubles y and x. */
export interface UpConvolutionNode {
  op: 'up-convolution'
  name: string
  input: string
  filters: number
}

/** Enlarges y and x by `factor`, a power of two, bilinearly between voxel centres; edges repeat. */
export interface UpsampleNode {
  op: 'upsample'
  name: string
  input: string
  factor: number
}

/** Joins channels in the order given. */
interface ConcatenationNode {
  op: 'concatenation'
  name: string
  inputs: readonly [string, string]
}

/** Sum of tensors of one shape, then an optional ReLU. */
interface AdditionNode {
  op: 'addition'
  name: string
  inputs: readonly string[]
  activation: 'relu' | 'none'
}

/** The last node is the output. */
export interface NetworkSpec {
  nodes: readonly NetworkNode[]
}

export interface ParameterSpec {
  name: string
  /** Kernels are `[y, x, in, out]`; those of an up-convolution `[y, x, out, in]`, as TensorFlow stores them. */
  shape: readonly number[]
  /** Kernels decay and are initialised at random; the rest are biases, gains and shifts. */
  role: 'kernel' | 'bias' | 'gain' | 'shift'
  /** Inputs of one output value, for He initialisation. */
  fanIn: number
}

/** Running statistics of one batch normalisation: mean and variance per channel. */
export interface StatisticsSpec {
  name: string
  channels: number
}

export function nodeInputs(node: NetworkNode): readonly string[] {
  switch (node.op) {
    case 'input':
      return []
    case 'imagenet-input':
    case 'convolution':
    case 'max-pool':
    case 'average-pool':
    case 'up-convolution':
    case 'upsample':
      return [node.input]
    case 'concatenation':
    case 'addition':
      return node.inputs
  }
}

/** Channels of the output of every node, by name. */
export function channelsOf(spec: NetworkSpec): ReadonlyMap<string, number> {
  const channels = new Map<string, number>()
  for (const node of spec.nodes) {
    switch (node.op) {
      case 'input':
        channels.set(node.name, node.channels)
        break
      case 'convolution':
      case 'up-convolution':
        channels.set(node.name, node.filters)
        break
      case 'imagenet-input':
        channels.set(node.name, 3)
        break
      case 'max-pool':
      case 'average-pool':
      case 'upsample':
        channels.set(node.name, channels.get(node.input)!)
        break
      case 'addition':
        channels.set(node.name, channels.get(node.inputs[0])!)
        break
      case 'concatenation':
        channels.set(node.name, channels.get(node.inputs[0])! + channels.get(node.inputs[1])!)
        break
    }
  }
  return channels
}

/** Name of the node whose parameters `node` uses. */
export function weightsName(node: ConvolutionNode | UpConvolutionNode): string {
  return node.op === 'convolution' ? (node.sharedWith ?? node.name) : node.name
}

/** Trainable parameters in a fixed order: the layout of the flat parameter vector. */
export function parametersOf(spec: NetworkSpec): ParameterSpec[] {
  const channels = channelsOf(spec)
  const parameters: ParameterSpec[] = []
  for (const node of spec.nodes) {
    if (node.op === 'convolution') {
      if (node.sharedWith !== undefined) continue
      const inputs = channels.get(node.input)!
      const fanIn = node.kernel * node.kernel * inputs
      parameters.push({
        name: `${node.name}/kernel`,
        shape: [node.kernel, node.kernel, inputs, node.filters],
        role: 'kernel',
        fanIn,
      })
      if (node.normalisation === 'batch') {
        parameters.push({ name: `${node.name}/gain`, shape: [node.filters], role: 'gain', fanIn })
        parameters.push({ name: `${node.name}/shift`, shape: [node.filters], role: 'shift', fanIn })
      } else {
        parameters.push({ name: `${node.name}/bias`, shape: [node.filters], role: 'bias', fanIn })
      }
    } else if (node.op === 'up-convolution') {
      const inputs = channels.get(node.input)!
      parameters.push({
        name: `${node.name}/kernel`,
        shape: [2, 2, node.filters, inputs],
        role: 'kernel',
        // With stride 2 and a 2 × 2 kernel every output value sees one input position.
        fanIn: inputs,
      })
      parameters.push({ name: `${node.name}/bias`, shape: [node.filters], role: 'bias', fanIn: inputs })
    }
  }
  return parameters
}

/** Batch normalisations in a fixed order: the layout of the statistics vectors. */
export function statisticsOf(spec: NetworkSpec): StatisticsSpec[] {
  return spec.nodes
    .filter((node) => node.op === 'convolution')
    .filter((node) => node.normalisation === 'batch')
    .map((node) => ({ name: node.name, channels: node.filters }))
}

export function parameterCount(spec: NetworkSpec): number {
  return parametersOf(spec).reduce((sum, parameter) => sum + parameter.shape.reduce((a, b) => a * b, 1), 0)
}

/** The node after which each tensor is no longer read, by name; the output lives on. */
export function lastUses(spec: NetworkSpec): ReadonlyMap<string, number> {
  const last = new Map<string, number>()
  spec.nodes.forEach((node, index) => nodeInputs(node).forEach((input) => last.set(input, index)))
  last.set(spec.nodes.at(-1)!.name, spec.nodes.length)
  return last
}

import { outputOf, type Attribute, type GraphBuilder, type GraphTensor } from '../graph/graph-builder.ts'
import { imagenetMeans } from './network-spec.ts'

/** Added to the variance before the root, in training and when folding. */
export const batchNormalisationEpsilon = 1e-3

const real = { T: { type: 'float32' } } as const
const format = { data_format: { text: 'NHWC' } } as const
const padding = { padding: { text: 'SAME' } } as const
const pooling = {
  ...real,
  ...format,
  ...padding,
  ksize: { ints: [1, 2, 2, 1] },
  strides: { ints: [1, 2, 2, 1] },
} as const
const resizing = { ...real, align_corners: { bool: false }, half_pixel_centers: { bool: true } } as const

function convolutionAttributes(stride: number): Record<string, Attribute> {
  return {
    ...real,
    ...format,
    ...padding,
    strides: { ints: [1, stride, stride, 1] },
    dilations: { ints: [1, 1, 1, 1] },
    use_cudnn_on_gpu: { bool: true },
    explicit_paddings: { ints: [] },
  }
}
const stride1 = convolutionAttributes(1)
const stride2 = convolutionAttributes(2)

export interface BatchNormalisation {
  output: GraphTensor
  /** Mean and (Bessel-corrected) variance of this batch, per channel. */
  mean: GraphTensor
  variance: GraphTensor
  /** What the gradient needs; its meaning belongs to the device. */
  saved: readonly GraphTensor[]
}

/**
 * Operations on activations `[batch, y, x, channel]`, float32, as nodes of a graph. Sizes may be known only when the graph
 * runs.
 */
export type NetworkOperations = ReturnType<typeof networkOperations>

export function networkOperations(graph: GraphBuilder) {
  const add = (
    operation: string,
    inputs: readonly GraphTensor[],
    attributes: Readonly<Record<string, Attribute>>,
  ) => graph.add(operation, inputs, attributes)

  function shapeOf(tensor: GraphTensor): GraphTensor {
    return add('Shape', [tensor], { ...real, out_type: { type: 'int32' } })
  }

  /** The shape of `[batch, y, x, …]` enlarged to `[batch, factor·y, factor·x, channels]`. */
  function enlargedShape(tensor: GraphTensor, factor: number, channels: number): GraphTensor {
    const whole = { T: { type: 'int32' } } as const
    const scaled = add('Mul', [shapeOf(tensor), graph.integers([1, factor, factor, 0])], whole)
    return add('AddV2', [scaled, graph.integers([0, 0, 0, channels])], whole)
  }

  return {
    convolution: (input: GraphTensor, kernel: GraphTensor) => add('Conv2D', [input, kernel], stride1),
    convolutionInputGradient: (input: GraphTensor, kernel: GraphTensor, gradient: GraphTensor) =>
      add('Conv2DBackpropInput', [shapeOf(input), kernel, gradient], stride1),
    convolutionKernelGradient: (input: GraphTensor, kernelShape: readonly number[], gradient: GraphTensor) =>
      add('Conv2DBackpropFilter', [input, graph.integers(kernelShape), gradient], stride1),

    /** 2 × 2, stride 2; `kernel` is `[2, 2, out, in]`. */
    upConvolution: (input: GraphTensor, kernel: GraphTensor, filters: number) =>
      add('Conv2DBackpropInput', [enlargedShape(input, 2, filters), kernel, input], stride2),
    upConvolutionInputGradient: (gradient: GraphTensor, kernel: GraphTensor) =>
      add('Conv2D', [gradient, kernel], stride2),
    upConvolutionKernelGradient: (
      input: GraphTensor,
      kernelShape: readonly number[],
      gradient: GraphTensor,
    ) => add('Conv2DBackpropFilter', [gradient, graph.integers(kernelShape), input], stride2),

    addBias: (input: GraphTensor, bias: GraphTensor) => add('BiasAdd', [input, bias], { ...real, ...format }),
    /**
     * A plain sum: TensorFlow would merge its own `BiasAddGrad` into the gradient of the kernel, where oneDNN computes it more
     * slowly than everything that merging saves.
     */
    biasGradient: (gradient: GraphTensor) =>
      add('Sum', [gradient, graph.integers([0, 1, 2])], {
        ...real,
        Tidx: { type: 'int32' },
        keep_dims: { bool: false },
      }),
    relu: (input: GraphTensor) => add('Relu', [input], real),
    reluGradient: (gradient: GraphTensor, output: GraphTensor) => add('ReluGrad', [gradient, output], real),

    maxPool: (input: GraphTensor) => add('MaxPool', [input], { ...pooling, explicit_paddings: { ints: [] } }),
    maxPoolGradient: (input: GraphTensor, output: GraphTensor, gradient: GraphTensor) =>
      add('MaxPoolGrad', [input, output, gradient], { ...pooling, explicit_paddings: { ints: [] } }),
    averagePool: (input: GraphTensor) => add('AvgPool', [input], pooling),
    averagePoolGradient: (input: GraphTensor, gradient: GraphTensor) =>
      add('AvgPoolGrad', [shapeOf(input), gradient], pooling),

    /** Grey −1…1 as blue, green and red of 0…255 minus their means; one channel in. */
    imagenetInput: (grey: GraphTensor) => {
      const raised = add('AddV2', [grey, graph.scalar(1)], real)
      const stretched = add('Mul', [raised, graph.scalar(127.5)], real)
      const picture = add('ClipByValue', [stretched, graph.scalar(0), graph.scalar(255)], real)
      return add('Sub', [picture, graph.constant(Float32Array.from(imagenetMeans), [3])], real)
    },

    /** Bilinear between voxel centres. */
    upsample: (input: GraphTensor, factor: number) => {
      const whole = { T: { type: 'int32' } } as const
      const range = { T: { type: 'int32' }, Index: { type: 'int32' } } as const
      const size = add('Slice', [shapeOf(input), graph.integers([1]), graph.integers([2])], range)
      const larger = add('Mul', [size, graph.scalar(factor, 'int32')], whole)
      return add('ResizeBilinear', [input, larger], resizing)
    },
    upsampleGradient: (input: GraphTensor, gradient: GraphTensor) =>
      add('ResizeBilinearGrad', [gradient, input], resizing),

    concatenate: (inputs: readonly GraphTensor[], axis = 3) =>
      inputs.length === 1
        ? inputs[0]
        : add('ConcatV2', [...inputs, graph.scalar(axis, 'int32')], {
            ...real,
            N: { int: inputs.length },
            Tidx: { type: 'int32' },
          }),
    /** Parts along the channels, of the given sizes. */
    split: (input: GraphTensor, sizes: readonly number[], axis = 3): GraphTensor[] => {
      const first = add('SplitV', [input, graph.integers(sizes), graph.scalar(axis, 'int32')], {
        ...real,
        Tlen: { type: 'int32' },
        num_split: { int: sizes.length },
      })
      return sizes.map((_, index) => outputOf(first, index))
    },
    sum: (inputs: readonly GraphTensor[]) =>
      inputs.length === 1 ? inputs[0] : add('AddN', inputs, { ...real, N: { int: inputs.length } }),

    reshapeLike: (input: GraphTensor, model: GraphTensor) =>
      add('Reshape', [input, shapeOf(model)], { ...real, Tshape: { type: 'int32' } }),

    batchNormalisation: (input: GraphTensor, gain: GraphTensor, shift: GraphTensor): BatchNormalisation => {
      const nothing = graph.constant(new Float32Array(0), [0])
      const output = add('FusedBatchNormV3', [input, gain, shift, nothing, nothing], {
        ...real,
        ...format,
        U: { type: 'float32' },
        epsilon: { float: batchNormalisationEpsilon },
        exponential_avg_factor: { float: 1 },
        is_training: { bool: true },
      })
      return {
        output,
        mean: outputOf(output, 1),
        variance: outputOf(output, 2),
        saved: [3, 4, 5].map((index) => outputOf(output, index)),
      }
    },
    batchNormalisationGradient: (
      gradient: GraphTensor,
      input: GraphTensor,
      gain: GraphTensor,
      saved: readonly GraphTensor[],
    ): { input: GraphTensor; gain: GraphTensor; shift: GraphTensor } => {
      const first = add('FusedBatchNormGradV3', [gradient, input, gain, ...saved], {
        ...real,
        ...format,
        U: { type: 'float32' },
        epsilon: { float: batchNormalisationEpsilon },
        is_training: { bool: true },
      })
      return { input: first, gain: outputOf(first, 1), shift: outputOf(first, 2) }
    },
  }
}

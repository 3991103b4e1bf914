import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs'
import type { OpAttribute } from '../../compute/runtime/backend.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'

/**
 * TensorFlow operations that TensorFlow.js does not expose, or whose gradients it composes of many small operations
 * (its ReLU gradient alone is six passes over the activation). Names and attributes are TensorFlow's own
 * (https://www.tensorflow.org/api_docs/python/tf/raw_ops). Inputs are kept; the caller disposes outputs.
 *
 * Activations are `[batch, y, x, channel]`.
 */
export interface NativeOps {
  convolution(input: Tensor4D, kernel: Tensor4D): Tensor4D
  convolutionInputGradient(inputShape: Shape4, kernel: Tensor4D, gradient: Tensor4D): Tensor4D
  convolutionKernelGradient(input: Tensor4D, kernelShape: Shape4, gradient: Tensor4D): Tensor4D
  /** 2 × 2, stride 2; `kernel` is `[2, 2, out, in]`. */
  upConvolution(input: Tensor4D, kernel: Tensor4D): Tensor4D
  upConvolutionInputGradient(gradient: Tensor4D, kernel: Tensor4D): Tensor4D
  upConvolutionKernelGradient(input: Tensor4D, kernelShape: Shape4, gradient: Tensor4D): Tensor4D
  addBias(input: Tensor4D, bias: Tensor1D): Tensor4D
  biasGradient(gradient: Tensor4D): Tensor1D
  relu(input: Tensor4D): Tensor4D
  reluGradient(gradient: Tensor4D, output: Tensor4D): Tensor4D
  maxPool(input: Tensor4D): Tensor4D
  maxPoolGradient(input: Tensor4D, output: Tensor4D, gradient: Tensor4D): Tensor4D
  batchNormalisation(input: Tensor4D, gain: Tensor1D, shift: Tensor1D): BatchNormalisationResult
  batchNormalisationGradient(
    gradient: Tensor4D,
    input: Tensor4D,
    gain: Tensor1D,
    saved: BatchNormalisationResult['saved'],
  ): { input: Tensor4D; gain: Tensor1D; shift: Tensor1D }
}

type Shape4 = readonly [number, number, number, number]

export interface BatchNormalisationResult {
  output: Tensor4D
  /** Mean and (Bessel-corrected) variance of this batch, per channel. */
  mean: Tensor1D
  variance: Tensor1D
  /** What the gradient needs; its meaning belongs to the device. */
  saved: readonly [Tensor, Tensor, Tensor]
}

/** Added to the variance before the root, in training and when folding. */
export const batchNormalisationEpsilon = 1e-3

export function createNativeOps({ tf, backend }: ComputeRuntime): NativeOps {
  const { TF_ATTR_TYPE, TF_ATTR_INT, TF_ATTR_STRING, TF_ATTR_FLOAT, TF_ATTR_BOOL, TF_FLOAT } = backend.binding
  const floatType = { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }
  const statisticsType = { name: 'U', type: TF_ATTR_TYPE, value: TF_FLOAT }
  const format = { name: 'data_format', type: TF_ATTR_STRING, value: 'NHWC' }
  const padding = { name: 'padding', type: TF_ATTR_STRING, value: 'SAME' }
  const noPaddings = { name: 'explicit_paddings', type: TF_ATTR_INT, value: [] }
  const epsilon = { name: 'epsilon', type: TF_ATTR_FLOAT, value: batchNormalisationEpsilon }
  const training = { name: 'is_training', type: TF_ATTR_BOOL, value: true }
  const wholeAverage = { name: 'exponential_avg_factor', type: TF_ATTR_FLOAT, value: 1 }

  function convolutionAttributes(stride: number): OpAttribute[] {
    return [
      floatType,
      { name: 'strides', type: TF_ATTR_INT, value: [1, stride, stride, 1] },
      { name: 'dilations', type: TF_ATTR_INT, value: [1, 1, 1, 1] },
      { name: 'use_cudnn_on_gpu', type: TF_ATTR_BOOL, value: true },
      padding,
      format,
      noPaddings,
    ]
  }
  const stride1 = convolutionAttributes(1)
  const stride2 = convolutionAttributes(2)
  const pooling = [
    floatType,
    { name: 'ksize', type: TF_ATTR_INT, value: [1, 2, 2, 1] },
    { name: 'strides', type: TF_ATTR_INT, value: [1, 2, 2, 1] },
    padding,
    format,
    noPaddings,
  ]

  function single(name: string, attributes: readonly OpAttribute[], inputs: readonly Tensor[]): Tensor4D {
    return backend.executeSingleOutput(name, attributes, inputs) as Tensor4D
  }

  function withShape(shape: readonly number[], compute: (shape: Tensor1D) => Tensor4D): Tensor4D {
    const shapeTensor = tf.tensor1d([...shape], 'int32')
    try {
      return compute(shapeTensor)
    } finally {
      shapeTensor.dispose()
    }
  }

  return {
    convolution: (input, kernel) => single('Conv2D', stride1, [input, kernel]),
    convolutionInputGradient: (inputShape, kernel, gradient) =>
      withShape(inputShape, (shape) => single('Conv2DBackpropInput', stride1, [shape, kernel, gradient])),
    convolutionKernelGradient: (input, kernelShape, gradient) =>
      withShape(kernelShape, (shape) => single('Conv2DBackpropFilter', stride1, [input, shape, gradient])),
    upConvolution: (input, kernel) => {
      const [batch, y, x] = input.shape
      return withShape([batch, y * 2, x * 2, kernel.shape[2]], (shape) =>
        single('Conv2DBackpropInput', stride2, [shape, kernel, input]),
      )
    },
    upConvolutionInputGradient: (gradient, kernel) => single('Conv2D', stride2, [gradient, kernel]),
    upConvolutionKernelGradient: (input, kernelShape, gradient) =>
      withShape(kernelShape, (shape) => single('Conv2DBackpropFilter', stride2, [gradient, shape, input])),
    addBias: (input, bias) => single('BiasAdd', [floatType, format], [input, bias]),
    biasGradient: (gradient) => single('BiasAddGrad', [floatType, format], [gradient]) as Tensor as Tensor1D,
    relu: (input) => single('Relu', [floatType], [input]),
    reluGradient: (gradient, output) => single('ReluGrad', [floatType], [gradient, output]),
    maxPool: (input) => single('MaxPool', pooling, [input]),
    maxPoolGradient: (input, output, gradient) => single('MaxPoolGrad', pooling, [input, output, gradient]),
    batchNormalisation: (input, gain, shift) => {
      const empty = tf.tensor1d([], 'float32')
      const [output, mean, variance, ...saved] = backend.executeMultipleOutputs(
        'FusedBatchNormV3',
        [floatType, statisticsType, epsilon, wholeAverage, format, training],
        [input, gain, shift, empty, empty],
        6,
      )
      empty.dispose()
      return {
        output: output as Tensor4D,
        mean: mean as Tensor1D,
        variance: variance as Tensor1D,
        saved: saved as [Tensor, Tensor, Tensor],
      }
    },
    batchNormalisationGradient: (gradient, input, gain, saved) => {
      const [inputGradient, gainGradient, shiftGradient, ...unused] = backend.executeMultipleOutputs(
        'FusedBatchNormGradV3',
        [floatType, statisticsType, epsilon, format, training],
        [gradient, input, gain, ...saved],
        5,
      )
      unused.forEach((tensor) => tensor.dispose())
      return {
        input: inputGradient as Tensor4D,
        gain: gainGradient as Tensor1D,
        shift: shiftGradient as Tensor1D,
      }
    },
  }
}

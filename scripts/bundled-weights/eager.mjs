// Operations called one by one, and AdamW on flat vectors. The engine runs whole graphs; this objective needs a linear system
// solved in between, so its steps stay separate.

/** Operations of TensorFlow that TensorFlow.js does not expose, on activations `[batch, y, x, channel]`. */
export function createOperations({ tf, backend }) {
  const { TF_ATTR_TYPE, TF_ATTR_INT, TF_ATTR_STRING, TF_ATTR_BOOL, TF_FLOAT } = backend.binding
  const floatType = { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }
  const format = { name: 'data_format', type: TF_ATTR_STRING, value: 'NHWC' }
  const padding = { name: 'padding', type: TF_ATTR_STRING, value: 'SAME' }
  const noPaddings = { name: 'explicit_paddings', type: TF_ATTR_INT, value: [] }
  const convolving = [
    floatType,
    { name: 'strides', type: TF_ATTR_INT, value: [1, 1, 1, 1] },
    { name: 'dilations', type: TF_ATTR_INT, value: [1, 1, 1, 1] },
    { name: 'use_cudnn_on_gpu', type: TF_ATTR_BOOL, value: true },
    ...[padding, format, noPaddings],
  ]
  const pooling = [
    floatType,
    { name: 'ksize', type: TF_ATTR_INT, value: [1, 2, 2, 1] },
    { name: 'strides', type: TF_ATTR_INT, value: [1, 2, 2, 1] },
    ...[padding, format, noPaddings],
  ]
  const run = (operation, attributes, inputs) => backend.executeSingleOutput(operation, attributes, inputs)
  const sizes = (shape) => tf.tensor1d([...shape], 'int32')
  return {
    convolution: (input, kernel) => run('Conv2D', convolving, [input, kernel]),
    convolutionInputGradient: (shape, kernel, gradient) =>
      run('Conv2DBackpropInput', convolving, [sizes(shape), kernel, gradient]),
    convolutionKernelGradient: (input, shape, gradient) =>
      run('Conv2DBackpropFilter', convolving, [input, sizes(shape), gradient]),
    addBias: (input, bias) => run('BiasAdd', [floatType, format], [input, bias]),
    biasGradient: (gradient) => run('BiasAddGrad', [floatType, format], [gradient]),
    relu: (input) => run('Relu', [floatType], [input]),
    reluGradient: (gradient, output) => run('ReluGrad', [floatType], [gradient, output]),
    maxPool: (input) => run('MaxPool', pooling, [input]),
    maxPoolGradient: (input, output, gradient) => run('MaxPoolGrad', pooling, [input, output, gradient]),
  }
}

/** Cuts a flat vector into tensors by name. */
export function splitVector({ tf }, vector, { entries }) {
  const parts = tf.split(
    vector,
    entries.map(({ length }) => length),
  )
  return new Map(entries.map(({ name, shape }, index) => [name, parts[index].reshape([...shape])]))
}

export function joinVector({ tf }, tensors, { entries }) {
  return tf.concat1d(entries.map(({ name }) => tensors.get(name).reshape([-1])))
}

/** 1 where weights decay (kernels), else 0. */
export function decayMask({ length, entries }) {
  const mask = new Float32Array(length)
  for (const entry of entries) {
    if (entry.name.endsWith('/kernel')) mask.fill(1, entry.offset, entry.offset + entry.length)
  }
  return mask
}

/** AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with clipping by norm; `step` counts from 1. */
export function adamWStep({ tf }, state, gradient, mask, learningRate, step, options) {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = options
  const squares = gradient.square()
  const norm = squares.sum().sqrt()
  const clip = tf.minimum(1, tf.div(maxGradientNorm, norm.add(1e-12)))
  const firstMoment = state.firstMoment.mul(beta1).add(gradient.mul(clip.mul(1 - beta1)))
  const secondMoment = state.secondMoment.mul(beta2).add(squares.mul(clip.square().mul(1 - beta2)))
  const bias1 = 1 - beta1 ** step
  const bias2 = Math.sqrt(1 - beta2 ** step)
  const denominator = secondMoment.sqrt().add(epsilon * bias2)
  const decayed = state.parameters.mul(tf.sub(1, mask.mul(learningRate * weightDecay)))
  const parameters = decayed.sub(firstMoment.div(denominator).mul((learningRate * bias2) / bias1))
  return { parameters, firstMoment, secondMoment }
}

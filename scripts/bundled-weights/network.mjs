// The four convolutions of VGG16 that are trained, forwards and backwards, and the objective.
import { createOperations } from './eager.mjs'
import { imagenetMeans } from './engine.mjs'
import { ridge } from './ridge.mjs'

/** Convolutions in order; a 2 × 2 maximum stands between the blocks. */
const convolutions = ['block1_conv1', 'block1_conv2', 'block2_conv1', 'block2_conv2']

/** The layers as the engine describes networks: gives layout and first values of the parameters. */
export const vggSpec = {
  nodes: [
    { op: 'input', name: 'picture', channels: 3 },
    convolution('block1_conv1', 'picture', 64),
    convolution('block1_conv2', 'block1_conv1', 64),
    { op: 'max-pool', name: 'block1_pool', input: 'block1_conv2' },
    convolution('block2_conv1', 'block1_pool', 128),
    convolution('block2_conv2', 'block2_conv1', 128),
  ],
}

function convolution(name, input, filters) {
  return { op: 'convolution', name, input, filters, kernel: 3, normalisation: 'none', activation: 'relu' }
}

/**
 * ImageNet's input is divided by this while training, so that activations are about 1. Afterwards all biases are multiplied by it
 * (ReLU layers scale), and the same kernels compute the same features, that many times larger, of undivided input.
 */
export const inputScale = 128

/** Grey values 0…1 as blue, green and red of ImageNet's VGG16, divided by `inputScale`: `[pixel, 3]`. */
export function toInput(grey) {
  const input = new Float32Array(grey.length * 3)
  for (let i = 0; i < grey.length; i++)
    for (let channel = 0; channel < 3; channel++)
      input[3 * i + channel] = (255 * grey[i] - imagenetMeans[channel]) / inputScale
  return input
}

/**
 * Gradients of the objective for a batch, to be called inside `tf.tidy`.
 *
 * Objective, per picture: how much of the targets a linear map of the features leaves unexplained, when that map is the best one
 * for this very picture (ridge regression, solved exactly), once for the 64 features of block 1 and once for these with the 128
 * of block 2, enlarged. What a grey value means differs from picture to picture; so features must not know it, but make
 * everything about a pixel easy to read off. The gradient needs no derivative of the solution, which is a minimum (envelope theorem).
 *
 * @param weights parameters by name
 * @param pictures of one edge, as `createPicture` makes them
 */
export function objective(runtime, weights, pictures, edge) {
  const { tf } = runtime
  const ops = createOperations(runtime)
  const input = tf.tensor4d(joinInputs(pictures), [pictures.length, edge, edge, 3])
  const outputs = [input]
  const forward = (name, source) => {
    const linear = ops.convolution(source, weights.get(`${name}/kernel`))
    outputs.push(ops.relu(ops.addBias(linear, weights.get(`${name}/bias`))))
    return outputs.at(-1)
  }
  const block1 = forward(convolutions[1], forward(convolutions[0], input))
  const pooled = ops.maxPool(block1)
  const block2 = forward(convolutions[3], forward(convolutions[2], pooled))
  const enlarged = tf.image.resizeNearestNeighbor(block2, [edge, edge])

  const pixels = edge * edge
  const [gradients1, gradients2, losses] = [[], [], []]
  pictures.forEach(({ targets, columns }, index) => {
    const wanted = tf.tensor2d(targets, [pixels, columns])
    const first = tf.slice(block1, [index, 0, 0, 0], [1, edge, edge, 64]).reshape([pixels, 64])
    const second = tf.slice(enlarged, [index, 0, 0, 0], [1, edge, edge, 128]).reshape([pixels, 128])
    const alone = ridge(runtime, first, wanted)
    const joined = ridge(runtime, tf.concat([first, second], 1), wanted)
    const [more1, more2] = tf.split(joined.gradient, [64, 128], 1)
    gradients1.push(alone.gradient.add(more1).reshape([1, edge, edge, 64]))
    gradients2.push(more2.reshape([1, edge, edge, 128]))
    losses.push([alone.unexplained, joined.unexplained])
  })

  const scale = 1 / pictures.length
  const result = new Map()
  const backward = (name, gradient, source, output, wantsInput) => {
    const inner = ops.reluGradient(gradient, output)
    const kernel = weights.get(`${name}/kernel`)
    result.set(`${name}/bias`, ops.biasGradient(inner))
    result.set(`${name}/kernel`, ops.convolutionKernelGradient(source, kernel.shape, inner))
    return wantsInput ? ops.convolutionInputGradient(source.shape, kernel, inner) : null
  }
  // Each value of block 2 stands at 2 × 2 pixels: their gradients add up.
  const toBlock2 = tf.avgPool(tf.concat(gradients2, 0), 2, 2, 'same').mul(4 * scale)
  const toConv3 = backward(convolutions[3], toBlock2, outputs[3], outputs[4], true)
  const toPooled = backward(convolutions[2], toConv3, pooled, outputs[3], true)
  const toBlock1 = ops.maxPoolGradient(block1, pooled, toPooled).add(tf.concat(gradients1, 0).mul(scale))
  const toConv1 = backward(convolutions[1], toBlock1, outputs[1], outputs[2], true)
  backward(convolutions[0], toConv1, input, outputs[1], false)
  const mean = (at) => losses.reduce((sum, pair) => sum + pair[at], 0) / losses.length
  return { gradients: result, block1: mean(0), joined: mean(1) }
}

function joinInputs(pictures) {
  const inputs = pictures.map(({ grey }) => toInput(grey))
  const all = new Float32Array(inputs.reduce((sum, input) => sum + input.length, 0))
  let at = 0
  for (const input of inputs) {
    all.set(input, at)
    at += input.length
  }
  return all
}

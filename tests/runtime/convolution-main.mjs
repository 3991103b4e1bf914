// Loads the compiled runtime as any host does, runs one convolution and prints what came out as one line of JSON.
import process from 'node:process'
import { URL } from 'node:url'

const { loadComputeRuntime } = await import(
  new URL('../../dist/main/engine/compute/runtime/load.js', import.meta.url)
)
const { tf, backend, device, versions } = await loadComputeRuntime({ device: 'cpu' })
const values = tf.tidy(() => {
  const picture = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1])
  const kernel = tf.tensor4d([1, 2, 3, 4], [2, 2, 1, 1])
  return [...tf.conv2d(picture, kernel, 1, 'valid').dataSync()]
})
// These two take the paths that call retired functions of Node's util module.
const top = [...tf.topk(tf.tensor1d([3, 1, 2]), 1).values.dataSync()]
const joined = [...tf.concat([tf.tensor1d([1]), tf.tensor1d([2])]).dataSync()]
process.stdout.write(
  `${JSON.stringify({ values, top, joined, device, versions, native: backend.getNumOfTFTensors() > 0 })}\n`,
)

/**
 * Child process of setup: loads the addon named on its command line, runs one convolution and prints what came out as one
 * line of JSON. A process of its own, because a wrong library may end the process that loads it.
 */
import { registerBackend } from './backend.ts'
import { proofKernel, proofPicture } from './prove.ts'

const addonFile = process.argv.at(2)
if (addonFile === undefined) throw new Error('expected the path of the addon, found none')
const { tf, backend, tensorflowVersion } = await registerBackend(addonFile)
const values = tf.tidy(() => {
  const picture = tf.tensor4d([...proofPicture], [1, 3, 3, 1])
  const kernel = tf.tensor4d([...proofKernel], [2, 2, 1, 1])
  return [...tf.conv2d(picture, kernel, 1, 'valid').dataSync()]
})
process.stdout.write(`${JSON.stringify({ values, tensorflowVersion, usesGpu: backend.isUsingGpuDevice })}\n`)

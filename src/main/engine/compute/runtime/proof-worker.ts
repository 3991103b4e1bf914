/**
 * Child process of setup: loads the addon named on its command line, runs one convolution and prints what came out as one
 * line of JSON. A process of its own, because a wrong library may end the process that loads it.
 */
import { registerBackend } from './backend.ts'
import { proofKernel, proofPicture } from './prove.ts'

async function prove(addonFile: string | undefined): Promise<string> {
  if (addonFile === undefined) throw new Error('expected the path of the addon, found none')
  const { tf, backend, tensorflowVersion } = await registerBackend(addonFile)
  const values = tf.tidy(() => {
    const picture = tf.tensor4d([...proofPicture], [1, 3, 3, 1])
    const kernel = tf.tensor4d([...proofKernel], [2, 2, 1, 1])
    return [...tf.conv2d(picture, kernel, 1, 'valid').dataSync()]
  })
  return JSON.stringify({ values, tensorflowVersion, usesGpu: backend.isUsingGpuDevice })
}

try {
  process.stdout.write(`${await prove(process.argv.at(2))}\n`)
} catch (error) {
  // Setup shows the end of this output to its user, so the message comes last and without a stack.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

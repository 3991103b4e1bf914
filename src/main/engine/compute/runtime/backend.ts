import { createRequire } from 'node:module'
import type * as tfjs from '@tensorflow/tfjs'
import type * as kernelBackend from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js'
import type * as fileSystem from '@tensorflow/tfjs-node-gpu/dist/io/file_system.js'
import type { TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js'

export type TensorFlow = typeof tfjs

/** An attribute of a TensorFlow operation; `type` is one of the constants `TF_ATTR_…` of the binding. */
export interface OpAttribute {
  name: string
  type: number
  value: boolean | number | string | readonly number[] | object
}

/**
 * The native backend, which runs any TensorFlow operation by its name. Names, attributes and the order of inputs are those of
 * https://www.tensorflow.org/api_docs/python/tf/raw_ops. Inputs are kept; the caller disposes outputs.
 */
export interface TensorflowBackend {
  executeSingleOutput(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly tfjs.TensorInfo[],
  ): tfjs.Tensor
  executeMultipleOutputs(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly tfjs.TensorInfo[],
    outputs: number,
  ): tfjs.Tensor[]
  /** Holds the constants for types and attributes. */
  readonly binding: TFJSBinding
  readonly isUsingGpuDevice: boolean
  /** Tensors that the addon holds at this moment, including those the garbage collector has not seen yet. */
  getNumOfTFTensors(): number
}

export interface RegisteredBackend {
  tf: TensorFlow
  backend: TensorflowBackend
  /** For example `2.21.0`, as the library says of itself. */
  tensorflowVersion: string
}

/**
 * Loads the addon and makes it the backend of TensorFlow.js. The package's own entry point does the same but insists on an
 * addon inside the package; see docs/adr/0002-compute-runtime.md. Environment variables that TensorFlow reads must be set
 * before. Whatever fails is thrown as it came.
 *
 * @param addonFile absolute path of `tfjs_binding.node`
 */
export async function registerBackend(addonFile: string): Promise<RegisteredBackend> {
  const require = createRequire(import.meta.url)
  restoreRetiredUtilities(require)
  const binding = require(addonFile) as TFJSBinding & { TF_Version: string }
  const tf = require('@tensorflow/tfjs') as TensorFlow
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels')
  const { NodeJSKernelBackend: Backend } =
    require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend') as typeof kernelBackend
  const { nodeFileSystemRouter } =
    require('@tensorflow/tfjs-node-gpu/dist/io/file_system') as typeof fileSystem

  const backend = new Backend(binding, '@tensorflow/tfjs-node-gpu')
  // 3 is the priority that the package gives itself: above the plain JavaScript backend.
  tf.registerBackend('tensorflow', () => backend, 3)
  tf.io.registerLoadRouter(nodeFileSystemRouter)
  tf.io.registerSaveRouter(nodeFileSystemRouter)
  if (!(await tf.setBackend('tensorflow'))) throw new Error('TensorFlow.js refused the native backend')
  await tf.ready()
  return { tf, backend, tensorflowVersion: binding.TF_Version }
}

/**
 * tfjs-node 4.22 calls two functions that Node retired from `util`: gone since Node 23, or announced on stderr with every
 * start before that. Same meaning, without the announcement.
 */
function restoreRetiredUtilities(require: NodeJS.Require): void {
  const util = require('node:util') as Record<string, unknown>
  util['isNullOrUndefined'] = (value: unknown) => value === null || value === undefined
  util['isArray'] = Array.isArray
}

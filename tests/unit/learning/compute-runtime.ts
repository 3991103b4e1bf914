import { expect } from 'vitest'
import { loadComputeRuntime, type ComputeRuntime } from '../../../src/main/engine/compute/runtime/load.ts'

/** The runtime on the CPU, whose results the tolerances of these tests are made for. */
export const runtime: ComputeRuntime = await loadComputeRuntime({ device: 'cpu' })

/** Runs `work` and fails when it leaves tensors behind, in TensorFlow.js or in TensorFlow itself. */
export function expectNoLeak<T>(work: () => T): T {
  const before = memory()
  const result = work()
  expect(memory(), 'tensors left behind').toEqual(before)
  return result
}

export async function expectNoLeakAsync<T>(work: () => Promise<T>): Promise<T> {
  const before = memory()
  const result = await work()
  expect(memory(), 'tensors left behind').toEqual(before)
  return result
}

export function memory() {
  const { numTensors, numBytes } = runtime.tf.memory()
  return { numTensors, numBytes, native: runtime.backend.getNumOfTFTensors() }
}

/** What an operation of TensorFlow says when an allocation fails (the wording of its RESOURCE_EXHAUSTED errors). */
export const outOfMemoryText =
  'OOM when allocating tensor with shape[4,256,256,16] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu'

/**
 * The same runtime, in which the operation `name` fails as `fails` says. Everything else, memory included, is the real one.
 *
 * @param fails asked at each call of the operation, with its number from 0
 */
export function withFailingOperation(
  name: string,
  fails: (call: number) => boolean,
  message = outOfMemoryText,
): ComputeRuntime & { calls(): number } {
  let calls = 0
  const backend = Object.create(runtime.backend) as ComputeRuntime['backend']
  backend.executeSingleOutput = (operation, attributes, inputs) => {
    if (operation === name && fails(calls++)) throw new Error(message)
    return runtime.backend.executeSingleOutput(operation, attributes, inputs)
  }
  return { ...runtime, backend, calls: () => calls }
}

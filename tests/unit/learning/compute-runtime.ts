import { expect } from 'vitest'
import { loadComputeRuntime, type ComputeRuntime } from '../../../src/main/engine/compute/runtime/load.ts'

/** The runtime on the CPU, whose results the tolerances of these tests are made for. */
export const runtime: ComputeRuntime = await loadComputeRuntime({ device: 'cpu' })

/** Runs `work` and fails when it leaves tensors or sessions behind, in TensorFlow.js or in TensorFlow itself. */
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
  const native = runtime.backend.getNumOfTFTensors()
  return { numTensors, numBytes, native, sessions: runtime.backend.binding.getNumOfSavedModels() }
}

/** What an operation of TensorFlow says when an allocation fails (the wording of its RESOURCE_EXHAUSTED errors). */
export const outOfMemoryText =
  'OOM when allocating tensor with shape[4,256,256,16] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu'

/**
 * The same runtime, in which runs of graphs fail as `fails` says. Everything else, memory included, is the real one.
 *
 * @param fed what the runs are fed that are counted: `images` for training, a part of a batch each, `image` for a tile
 * @param fails asked at each such run, with its number from 0; `late` lets the run do its work and fails then
 */
export function withFailingRun(
  fed: 'images' | 'image',
  fails: (call: number) => boolean | 'late',
  message = outOfMemoryText,
): ComputeRuntime & { calls(): number } {
  let calls = 0
  const { binding } = runtime.backend
  const runSavedModel: typeof binding.runSavedModel = (session, inputs, names, fetches) => {
    const how = names.split(',').includes(`${fed}:0`) && fails(calls++)
    if (how === true) throw new Error(message)
    const outputs = binding.runSavedModel(session, inputs, names, fetches)
    if (how === 'late') {
      outputs.forEach(({ id }) => binding.deleteTensor(id))
      throw new Error(message)
    }
    return outputs
  }
  const failing = Object.create(binding, { runSavedModel: { value: runSavedModel } }) as typeof binding
  const backend = Object.create(runtime.backend, { binding: { value: failing } }) as ComputeRuntime['backend']
  return { ...runtime, backend, calls: () => calls }
}

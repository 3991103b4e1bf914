import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { writeError } from '../../files/write-error.ts'
import {
  dataTypes,
  savedModelTag,
  type GraphBuilder,
  type GraphShape,
  type GraphTensor,
} from './graph-builder.ts'

/** A value on its way into a graph, in C order; kept. */
export interface Feed {
  values: Float32Array | Int32Array | Uint8Array
  shape: GraphShape
}

/**
 * A graph that TensorFlow has loaded and optimised: operations are fused, buffers reused, and the state of its variables stays
 * on the device.
 */
export interface GraphSession {
  /**
   * Computes `fetches` and whatever they need. The first run with a new set of fetches takes longer: TensorFlow optimises the
   * graph for it. Returns float32 or int32 values in C order.
   *
   * @throws Error with TensorFlow's words when an operation fails
   */
  run(feeds: ReadonlyMap<GraphTensor, Feed>, fetches: readonly GraphTensor[]): (Float32Array | Int32Array)[]
  /** Releases the graph and all its variables. */
  dispose(): void
}

/**
 * Loads a graph. The addon reads graphs from files only, so it goes through a private temporary folder that is gone when this
 * returns.
 *
 * @throws `NoSpace` or `NotWritable` when there is no room for that; Error with TensorFlow's words when it refuses the graph
 */
export function openSession({ backend }: ComputeRuntime, graph: GraphBuilder): GraphSession {
  const { binding } = backend
  const session = inTemporaryFile(graph.toSavedModel(), (folder) =>
    binding.loadSavedModel(folder, savedModelTag),
  )
  return {
    run: (feeds, fetches) => {
      const held: number[] = []
      try {
        for (const { values, shape } of feeds.values()) {
          held.push(binding.createTensor([...shape], typeOf(values), values))
        }
        const inputs = [...held]
        const outputs = binding.runSavedModel(session, inputs, [...feeds.keys()].join(','), fetches.join(','))
        held.push(...outputs.map(({ id }) => id))
        return outputs.map(({ id }) => binding.tensorDataSync(id) as Float32Array | Int32Array)
      } finally {
        for (const id of held) binding.deleteTensor(id)
      }
    },
    dispose: () => binding.deleteSavedModel(session),
  }
}

function inTemporaryFile<T>(savedModel: Uint8Array, use: (folder: string) => T): T {
  let folder: string | null = null
  try {
    try {
      folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-graph-'))
      writeFileSync(path.join(folder, 'saved_model.pb'), savedModel)
    } catch (error) {
      throw writeError(os.tmpdir(), error)
    }
    return use(folder)
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true })
  }
}

function typeOf(values: Feed['values']): number {
  if (values instanceof Float32Array) return dataTypes.float32
  return values instanceof Int32Array ? dataTypes.int32 : dataTypes.uint8
}

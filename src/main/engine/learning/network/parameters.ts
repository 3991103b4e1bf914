import type { Tensor, Tensor1D } from '@tensorflow/tfjs'
import { createRandom } from '../../../../shared/random.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { parametersOf, statisticsOf, type NetworkSpec } from './network-spec.ts'

/**
 * All parameters live in one flat float32 vector: an optimiser step is then a handful of operations on one tensor
 * instead of hundreds of small ones, each of which costs a dispatch.
 */
export interface VectorLayout {
  length: number
  entries: readonly VectorEntry[]
}

export interface VectorEntry {
  name: string
  shape: readonly number[]
  offset: number
  length: number
}

export function parameterLayout(spec: NetworkSpec): VectorLayout {
  return layout(parametersOf(spec))
}

/** Per batch normalisation, `<name>/mean` then `<name>/variance`. */
export function statisticsLayout(spec: NetworkSpec): VectorLayout {
  return layout(
    statisticsOf(spec).flatMap(({ name, channels }) => [
      { name: `${name}/mean`, shape: [channels] },
      { name: `${name}/variance`, shape: [channels] },
    ]),
  )
}

function layout(items: readonly { name: string; shape: readonly number[] }[]): VectorLayout {
  let offset = 0
  const entries = items.map(({ name, shape }) => {
    const length = shape.reduce((a, b) => a * b, 1)
    const entry = { name, shape, offset, length }
    offset += length
    return entry
  })
  return { length: offset, entries }
}

/** He normal kernels (He et al. 2015, doi 10.1109/ICCV.2015.123), unit gains, zero biases and shifts. */
export function initialParameters(spec: NetworkSpec, seed: number): Float32Array {
  const { length, entries } = parameterLayout(spec)
  const values = new Float32Array(length)
  parametersOf(spec).forEach((parameter, index) => {
    const entry = entries[index]
    const target = values.subarray(entry.offset, entry.offset + entry.length)
    if (parameter.role === 'gain') target.fill(1)
    if (parameter.role !== 'kernel') return
    const random = createRandom(seed, index, 0x1217)
    const deviation = Math.sqrt(2 / parameter.fanIn)
    for (let i = 0; i < target.length; i++) target[i] = random.normal() * deviation
  })
  return values
}

/** Zero means, unit variances. */
export function initialStatistics(spec: NetworkSpec): Float32Array {
  const { length, entries } = statisticsLayout(spec)
  const values = new Float32Array(length)
  for (const entry of entries) {
    if (entry.name.endsWith('/variance')) values.fill(1, entry.offset, entry.offset + entry.length)
  }
  return values
}

/** 1 where weight decay applies (kernels), else 0; as long as the parameter vector. */
export function decayMask(spec: NetworkSpec): Float32Array {
  const { length, entries } = parameterLayout(spec)
  const mask = new Float32Array(length)
  parametersOf(spec).forEach((parameter, index) => {
    const entry = entries[index]
    if (parameter.role === 'kernel') mask.fill(1, entry.offset, entry.offset + entry.length)
  })
  return mask
}

/** Cuts a flat vector into named tensors (one operation, then views). The caller disposes them. */
export function splitVector(
  { tf }: ComputeRuntime,
  vector: Tensor1D,
  { entries }: VectorLayout,
): Map<string, Tensor> {
  if (entries.length === 0) return new Map()
  const parts = tf.split(
    vector,
    entries.map((entry) => entry.length),
  )
  return new Map(
    entries.map((entry, index) => {
      const part = parts[index]
      const shaped = part.reshape([...entry.shape])
      part.dispose()
      return [entry.name, shaped]
    }),
  )
}

/** The reverse of {@link splitVector}: joins tensors by name in the order of the layout. Inputs are kept. */
export function joinVector(
  { tf }: ComputeRuntime,
  tensors: ReadonlyMap<string, Tensor>,
  { entries }: VectorLayout,
): Tensor1D {
  return tf.tidy(() => tf.concat1d(entries.map((entry) => tensors.get(entry.name)!.reshape<Tensor1D>([-1]))))
}

import { createRandom } from '../../../../shared/random.ts'
import { parametersOf, statisticsOf, type NetworkSpec } from './network-spec.ts'

/**
 * Outside the graphs all parameters are one flat float32 vector, and so are the statistics: checkpoints, model packages and
 * everything in between carry two arrays, whatever the network.
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

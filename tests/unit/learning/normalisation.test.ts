import { expect, test } from 'vitest'
import { normaliseInto } from '../../../src/main/engine/learning/normalisation.ts'
import { isOutOfMemory } from '../../../src/main/engine/learning/out-of-memory.ts'
import type { TypedArray } from '../../../src/shared/volume.ts'
import { outOfMemoryText } from './compute-runtime.ts'

function normalised(source: TypedArray, low: number, high: number): number[] {
  const target = new Float32Array(source.length)
  normaliseInto(target, 0, source, 0, source.length, { method: 'percentile', low, high })
  return [...target]
}

test('percentiles become −1 and 1, the rest follows, hot pixels are cut', () => {
  expect(normalised(Uint16Array.of(1000, 3000, 2000, 2500, 0, 60_000), 1000, 3000)).toEqual([
    -1, 1, 0, 0.5, -2, 3,
  ])
  expect(normalised(Int16Array.of(-200, -100, 0, -32_768), -200, 0)).toEqual([-1, 0, 1, -3])
  // Large offsets lose nothing.
  expect(normalised(Float64Array.of(1e9, 1e9 + 1, 1e9 + 2), 1e9, 1e9 + 2)).toEqual([-1, 0, 1])
})

test('what is not finite is outside: −1', () => {
  expect(normalised(Float32Array.of(Number.NaN, Infinity, -Infinity, 5), 0, 10)).toEqual([-1, -1, -1, 0])
})

test('a range of nothing gives −1 everywhere, never NaN', () => {
  expect(normalised(Float32Array.of(7, 8, Number.NaN, Infinity), 7, 7)).toEqual([-1, -1, -1, -1])
})

test('only the part asked for is written', () => {
  const target = new Float32Array(5).fill(9)
  normaliseInto(target, 2, Uint8Array.of(0, 50, 100), 1, 2, { method: 'percentile', low: 0, high: 100 })
  expect([...target]).toEqual([9, 9, 0, 1, 9])
})

test('in place, as the patches do it', () => {
  const values = Float32Array.of(0, 50, Number.NaN)
  normaliseInto(values, 0, values, 0, 3, { method: 'percentile', low: 0, high: 100 })
  expect([...values]).toEqual([-1, 0, -1])
})

test('lack of memory is told by the words of TensorFlow and of the system', () => {
  for (const text of [
    outOfMemoryText,
    'Invalid TF_Status: 8\nMessage: failed to allocate memory',
    'RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1073741824 bytes.',
    'std::bad_alloc',
  ])
    expect(isOutOfMemory(new Error(text)), text).toBe(true)
  for (const text of [
    'ConcatOp : Dimension 2 in both shapes must be equal',
    'zoom level',
    'ENOSPC: no space left',
  ])
    expect(isOutOfMemory(new Error(text)), text).toBe(false)
})

import { badInput } from '../../../shared/errors.ts'
import type { TypedArray } from '../../../shared/volume.ts'

/** How often each file value occurs in one slice; values ascending, both arrays of the same length. */
export interface ValueCounts {
  values: Float64Array
  counts: Float64Array
}

/** Lowest and highest file value that a material may have (what 32-bit integers hold). */
const lowestValue = -2147483648
const highestValue = 4294967295

/** More distinct values in one slice than this cannot be labels; counting stops, so that a grey image stays cheap. */
export const maxDistinctValues = 4096

/**
 * Counts the file values of a slice (any shape, any dtype; floats must hold integers). The input is kept.
 * Throws `BadInput` naming `place` on a fraction, NaN or infinity, a value beyond 32 bits, or more than
 * {@link maxDistinctValues} distinct values.
 */
export function countValues(slice: TypedArray, place: string): ValueCounts {
  const counts = tableSize(slice) === 0 ? countSparsely(slice, place) : countByTable(slice)
  const values = [...counts.keys()].sort((a, b) => a - b)
  if (values.length > maxDistinctValues) throw tooManyValues(place, values.length)
  return {
    values: Float64Array.from(values),
    counts: Float64Array.from(values, (value) => counts.get(value)!),
  }
}

/** The slice looks like a grey image. */
export function tooManyValues(place: string, distinct: number): Error {
  return badInput(
    place,
    'labels, with at most 255 materials',
    `${distinct > maxDistinctValues ? `more than ${maxDistinctValues}` : distinct} different values: is this a grey image?`,
  )
}

/** Number of values that the element type can hold, or 0 when too many for a table. */
function tableSize(slice: TypedArray): number {
  if (slice instanceof Uint8Array || slice instanceof Int8Array) return 0x100
  if (slice instanceof Uint16Array || slice instanceof Int16Array) return 0x10000
  return 0
}

function countByTable(slice: TypedArray): Map<number, number> {
  const size = tableSize(slice)
  const table = new Float64Array(size)
  const mask = size - 1
  for (let i = 0; i < slice.length; i++) table[slice[i] & mask]++
  const signed = slice instanceof Int8Array || slice instanceof Int16Array
  const counts = new Map<number, number>()
  for (let slot = 0; slot < size; slot++)
    if (table[slot] > 0) counts.set(signed && slot >= size / 2 ? slot - size : slot, table[slot])
  return counts
}

function countSparsely(slice: TypedArray, place: string): Map<number, number> {
  const counts = new Map<number, number>()
  // Labels come in runs: the map is asked once per run.
  for (let i = 0; i < slice.length;) {
    const value = slice[i]
    const start = i
    do i++
    while (i < slice.length && slice[i] === value)
    checkValue(value, place)
    counts.set(value, (counts.get(value) ?? 0) + i - start)
    if (counts.size > maxDistinctValues) break
  }
  return counts
}

/** Throws `BadInput` naming `place` when a slice of floats holds anything but whole numbers. The input is kept. */
export function requireWholeNumbers(slice: TypedArray, place: string): void {
  if (!(slice instanceof Float32Array || slice instanceof Float64Array)) return
  for (let i = 0; i < slice.length; i++) if (!Number.isInteger(slice[i])) checkValue(slice[i], place)
}

function checkValue(value: number, place: string): void {
  if (!Number.isInteger(value)) throw badInput(place, 'whole numbers as label values', String(value))
  if (value < lowestValue || value > highestValue)
    throw badInput(place, `label values from ${lowestValue} to ${highestValue}`, String(value))
}

/** Translates slices of file values into indices 0…255. Values that `indexOf` lacks become `fallback`. */
export class ValueLookup {
  private readonly indexOf: ReadonlyMap<number, number>
  private readonly fallback: number
  private readonly tables = new Map<number, Uint8Array>()

  /** @param indexOf file value → index; @param fallback index of all other values */
  constructor(indexOf: ReadonlyMap<number, number>, fallback: number) {
    this.indexOf = indexOf
    this.fallback = fallback
  }

  /** Indices of a slice, of the same length; the input is kept. */
  translate(slice: TypedArray): Uint8Array {
    const size = tableSize(slice)
    const result = new Uint8Array(slice.length)
    if (size === 0) {
      let lastValue = Number.NaN
      let lastIndex = this.fallback
      for (let i = 0; i < slice.length; i++) {
        const value = slice[i]
        if (value !== lastValue) {
          lastIndex = this.indexOf.get(value) ?? this.fallback
          lastValue = value
        }
        result[i] = lastIndex
      }
      return result
    }
    // One table serves both signs of a width only if the volume keeps its dtype, hence the signed key.
    const signed = slice instanceof Int8Array || slice instanceof Int16Array
    const key = signed ? -size : size
    let table = this.tables.get(key)
    if (table === undefined) {
      table = new Uint8Array(size).fill(this.fallback)
      for (const [value, index] of this.indexOf) {
        const slot = signed && value < 0 ? value + size : value
        const fits = signed ? value >= -size / 2 && value < size / 2 : value >= 0 && value < size
        if (fits) table[slot] = index
      }
      this.tables.set(key, table)
    }
    const mask = size - 1
    for (let i = 0; i < slice.length; i++) result[i] = table[slice[i] & mask]!
    return result
  }
}

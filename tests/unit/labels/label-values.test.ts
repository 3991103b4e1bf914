import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countValues, ValueLookup } from '../../../src/main/engine/labels/label-values.ts'
import { readInOrder } from '../../../src/main/engine/labels/read-in-order.ts'
import { createTypedArray, dtypes, type TypedArray } from '../../../src/shared/volume.ts'

/** A slice of whole numbers of any dtype, with few different values, as labels have. */
const slices = fc
  .tuple(
    fc.constantFrom(...dtypes),
    fc.array(fc.constantFrom(0, 1, 2, 7, 127, -1, -128, 255, 32767, -32768, 65535, 70000, -2147483648), {
      maxLength: 60,
    }),
  )
  .map(([dtype, values]) => {
    const slice = createTypedArray(dtype, values.length)
    slice.set(values)
    return slice
  })

function naiveCounts(slice: TypedArray): [number, number][] {
  const counts = new Map<number, number>()
  for (const value of slice) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => a - b)
}

describe('label values', () => {
  it('are counted the same in every dtype', () => {
    fc.assert(
      fc.property(slices, (slice) => {
        const { values, counts } = countValues(slice, 'slice')
        expect([...values].map((value, i) => [value, counts[i]])).toEqual(naiveCounts(slice))
      }),
      { numRuns: 400 },
    )
  })

  it('are translated the same in every dtype, one lookup serving all', () => {
    const indexOf = new Map([
      [0, 1],
      [7, 2],
      [-1, 3],
      [255, 4],
      [-128, 5],
      [65535, 6],
      [70000, 7],
      [-2147483648, 255],
    ])
    const lookup = new ValueLookup(indexOf, 9)
    fc.assert(
      fc.property(slices, (slice) => {
        const kept = slice.slice()
        expect([...lookup.translate(slice)]).toEqual(Array.from(slice, (value) => indexOf.get(value) ?? 9))
        expect(slice).toEqual(kept)
      }),
      { numRuns: 400 },
    )
  })
})

describe('reading in order', () => {
  it('keeps the order, keeps few reads under way, and throws a failure at its turn', async () => {
    let underWay = 0
    let most = 0
    const read = async (index: number) => {
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setTimeout(resolve, (7 * index) % 5))
      underWay--
      if (index === 8) throw new Error('read 8 failed')
      return index
    }
    const seen: number[] = []
    const consume = async () => {
      for await (const index of readInOrder(12, 3, read)) seen.push(index)
    }
    await expect(consume()).rejects.toThrow('read 8 failed')
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(most).toBeLessThanOrEqual(4)
    expect(underWay).toBe(0)
  })
})

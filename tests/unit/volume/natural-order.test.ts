import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareNaturally, findNumberingGaps } from '../../../src/main/engine/volume/natural-order.ts'

describe('natural order', () => {
  test('numbers count as numbers', () => {
    const names = ['s_10', 's_2', 'S_1', 's_002', 's_1b', 't_0', 's_9']
    expect(names.sort(compareNaturally)).toEqual(['S_1', 's_1b', 's_002', 's_2', 's_9', 's_10', 't_0'])
  })

  test('is a total order', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'B', '0', '1', '9', '_'), maxLength: 6 })
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compareNaturally(a, b))).toBe(-Math.sign(compareNaturally(b, a)) + 0)
        if (compareNaturally(a, b) === 0) expect(a).toBe(b)
        if (compareNaturally(a, b) <= 0 && compareNaturally(b, c) <= 0) {
          expect(compareNaturally(a, c)).toBeLessThanOrEqual(0)
        }
      }),
    )
  })
})

describe('numbering', () => {
  const series = (numbers: number[]) =>
    numbers.map((number) => `scan2_${String(number).padStart(4, '0')}_rec8`)

  test('without gaps', () => {
    expect(findNumberingGaps(series([7, 8, 9, 10]))).toEqual({ gaps: [], step: 1 })
  })

  test('every jump is a gap', () => {
    expect(findNumberingGaps(series([1, 2, 5, 6, 9])).gaps).toEqual([2, 4])
    expect(findNumberingGaps(series([1, 200, 400])).gaps).toEqual([1, 2])
  })

  test('a long series in equal steps is evenly spaced, but for its own jumps', () => {
    const numbers = [0, 10, 20, 30, 40, 60, 70, 80, 90]
    expect(findNumberingGaps(series(numbers))).toEqual({ gaps: [5], step: 10 })
  })

  test('names that differ in more than one number are no neighbours', () => {
    expect(findNumberingGaps(['spot3_0d_3', 'spot3_180d_2', 'spot3_180d_3']).gaps).toEqual([1])
  })

  test('names without numbers say nothing', () => {
    expect(findNumberingGaps(['bottom', 'middle', 'top'])).toEqual({ gaps: [], step: null })
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPhasemarkError } from '../../../src/shared/errors.ts'
import { formatSlices, parseSliceRanges } from '../../../src/shared/slice-ranges.ts'
import { splitSlices } from '../../../src/main/engine/learning/training/split-slices.ts'
import { sliceNeighbours } from '../../../src/main/engine/volume/slice-neighbours.ts'

const range = fc
  .tuple(fc.nat(9_999_999), fc.nat(9_999_999))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))

describe('slice ranges', () => {
  test('what people write', () => {
    expect(parseSliceRanges('0-9,20-29', '--slices')).toEqual([
      { first: 0, last: 9 },
      { first: 20, last: 29 },
    ])
    expect(parseSliceRanges(' 12 , 3-3', '--slices')).toEqual([
      { first: 12, last: 12 },
      { first: 3, last: 3 },
    ])
  })

  test('every list of ranges is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 6 }), (ranges) => {
        const text = ranges
          .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
          .join(',')
        expect(parseSliceRanges(text, '--slices')).toEqual(ranges)
      }),
    )
  })

  test.each([
    '',
    ',',
    '1,',
    '9-3',
    '-3',
    '3-',
    '1-2-3',
    '1.5',
    '1e3',
    '0x10',
    'a',
    '12345678',
    '1 2',
    '٣',
    '1–3',
  ])('%o is wrong usage that names the option', (text) => {
    expect(() => parseSliceRanges(text, '--train-slices')).toThrow(
      expect.objectContaining({ _tag: 'WrongUsage', fields: { argument: '--train-slices' } }),
    )
  })

  test('any text is read or refused, and what is read makes sense', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9, -]{0,20}$/))
    fc.assert(
      fc.property(text, (given) => {
        try {
          for (const { first, last } of parseSliceRanges(given, '--slices')) {
            expect(Number.isInteger(first) && Number.isInteger(last)).toBe(true)
            expect(first >= 0 && first <= last).toBe(true)
          }
        } catch (error) {
          if (!isPhasemarkError(error)) throw error
          expect(error._tag).toBe('WrongUsage')
        }
      }),
      { numRuns: 500 },
    )
  })

  test('formatting says the same slices, in the fewest parts', () => {
    expect(formatSlices([])).toBe('')
    expect(formatSlices([0, 1, 2, 5, 7, 8])).toBe('0–2, 5, 7–8')
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), (numbers) => {
        const slices = numbers.sort((a, b) => a - b)
        const text = formatSlices(slices)
        const parts = slices.length === 0 ? [] : parseSliceRanges(text.replaceAll('–', '-'), 'x')
        const back = parts.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        )
        expect(back).toEqual(slices)
        parts.slice(1).forEach(({ first }, i) => expect(first).toBeGreaterThan(parts[i].last + 1))
      }),
    )
  })
})

describe('neighbouring slices', () => {
  const around = (z: number, count: number, gaps: number[] = []) =>
    sliceNeighbours({ shape: [10, 4, 4], gaps }, z, count)

  test('by hand', () => {
    expect(around(5, 0)).toEqual([5])
    expect(around(5, 2)).toEqual([3, 4, 5, 6, 7])
    expect(around(0, 2)).toEqual([0, 0, 0, 1, 2])
    expect(around(9, 1)).toEqual([8, 9, 9])
    // A gap between 4 and 5.
    expect(around(4, 2, [5])).toEqual([2, 3, 4, 4, 4])
    expect(around(5, 2, [5])).toEqual([5, 5, 5, 6, 7])
    // A slice alone between two gaps.
    expect(around(5, 1, [5, 6])).toEqual([5, 5, 5])
  })

  test('never leave the volume or cross a gap, and stay as near as possible', () => {
    const volume = fc.record({
      depth: fc.integer({ min: 1, max: 30 }),
      at: fc.nat(29),
      count: fc.nat(5),
      gaps: fc.uniqueArray(fc.integer({ min: 1, max: 29 }), { maxLength: 6 }),
    })
    fc.assert(
      fc.property(volume, ({ depth, at, count, gaps }) => {
        const z = at % depth
        const inside = gaps.filter((gap) => gap < depth)
        const neighbours = sliceNeighbours({ shape: [depth, 1, 1], gaps: inside }, z, count)
        expect(neighbours).toHaveLength(2 * count + 1)
        neighbours.forEach((neighbour, index) => {
          // Walk from z towards the wanted place until something is in the way.
          const wanted = z + index - count
          const step = Math.sign(wanted - z)
          let reached = z
          while (reached !== wanted) {
            const next = reached + step
            if (next < 0 || next >= depth || inside.includes(Math.max(reached, next))) break
            reached = next
          }
          expect(neighbour).toBe(reached)
        })
      }),
    )
  })
})

describe('which slices train and which validate', () => {
  const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

  test('fewer than ten labelled slices all train', () => {
    expect(splitSlices([upTo(9)], {})).toEqual([{ training: upTo(9), validation: [], gap: [] }])
    expect(splitSlices([upTo(4), upTo(5)], {}).every(({ validation }) => validation.length === 0)).toBe(true)
  })

  test('of ten and more the last validate, behind a gap', () => {
    // 15 % of 20 are 3; a gap of up to 5 slices, but of a tenth of the labels at most.
    expect(splitSlices([upTo(20)], {})).toEqual([
      { training: upTo(15), validation: [17, 18, 19], gap: [15, 16] },
    ])
    expect(splitSlices([upTo(100)], {})).toEqual([
      { training: upTo(80), validation: upTo(15, 85), gap: upTo(5, 80) },
    ])
    // Labels far apart need no gap.
    const sparse = upTo(12).map((i) => i * 40)
    expect(splitSlices([sparse], {})).toEqual([
      { training: sparse.slice(0, 10), validation: sparse.slice(10), gap: [] },
    ])
  })

  test('of several volumes each gives its own slab, but not one with few labels', () => {
    const splits = splitSlices([upTo(20), upTo(4)], {})
    expect(splits[0].validation).toEqual([17, 18, 19])
    expect(splits[1]).toEqual({ training: upTo(4), validation: [], gap: [] })
  })

  test('what the user says is done', () => {
    const validationSlices = [{ first: 5, last: 7 }]
    expect(splitSlices([upTo(10)], { validationSlices })).toEqual([
      { training: [0, 1, 2, 3, 4, 8, 9], validation: [5, 6, 7], gap: [] },
    ])
    const trainSlices = [
      { first: 0, last: 1 },
      { first: 9, last: 50 },
    ]
    expect(splitSlices([upTo(12)], { trainSlices, validationSlices })).toEqual([
      { training: [0, 1, 9, 10, 11], validation: [5, 6, 7], gap: [] },
    ])
    expect(splitSlices([upTo(30)], { trainSlices })[0].validation).toEqual([])
    // Per volume: one may have none of them.
    expect(splitSlices([upTo(3), upTo(10)], { validationSlices })[0]).toEqual({
      training: [0, 1, 2],
      validation: [],
      gap: [],
    })
  })

  test.each([
    ['slices in both', { trainSlices: [{ first: 0, last: 5 }], validationSlices: [{ first: 5, last: 6 }] }],
    ['nothing to train on', { trainSlices: [{ first: 50, last: 60 }] }],
    ['nothing to validate on', { validationSlices: [{ first: 50, last: 60 }] }],
    ['everything validates', { validationSlices: [{ first: 0, last: 60 }] }],
  ])('%s is wrong usage', (_, options) => {
    expect(() => splitSlices([upTo(10)], options)).toThrow(expect.objectContaining({ _tag: 'WrongUsage' }))
  })

  test('every labelled slice is used once, none is near both sides', () => {
    const labelled = fc.array(
      fc.uniqueArray(fc.nat(200), { minLength: 1, maxLength: 60 }).map((list) => list.sort((a, b) => a - b)),
      { minLength: 1, maxLength: 3 },
    )
    fc.assert(
      fc.property(labelled, (volumes) => {
        const splits = splitSlices(volumes, {})
        const total = volumes.flat().length
        splits.forEach(({ training, validation, gap }, index) => {
          const all = [...training, ...gap, ...validation]
          expect(all.sort((a, b) => a - b)).toEqual(volumes[index])
          expect(training.length).toBeGreaterThan(0)
          if (validation.length === 0) expect(gap).toEqual([])
          else {
            expect(Math.max(...training)).toBeLessThan(Math.min(...gap, ...validation))
            expect(gap.length).toBeLessThanOrEqual(Math.max(1, volumes[index].length / 10))
            // A neighbour of the slab is never trained on.
            expect(validation[0] - Math.max(...training)).toBeGreaterThan(1)
          }
        })
        const validated = splits.some(({ validation }) => validation.length > 0)
        expect(validated).toBe(total >= 10 && volumes.some((slices) => slices.length >= 5))
      }),
    )
  })
})

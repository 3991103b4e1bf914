import { describe, expect, it } from 'vitest'
import { numberMaterials } from '../../../src/shared/materials.ts'
import { EvaluationTally } from '../../../src/shared/metrics/evaluation-tally.ts'
import { SliceScorer } from '../../../src/shared/metrics/slice-score.ts'

const materials = numberMaterials([
  { value: 1, name: 'pore' },
  { value: 2, name: 'solid' },
])

/** A tally of slices 1 voxel high, given as digits. */
function tallyOf(slices: readonly { truth: string; predicted: string }[]): EvaluationTally {
  const tally = new EvaluationTally(materials, 1)
  for (const { truth, predicted } of slices) {
    const scorer = new SliceScorer(1, truth.length, materials.length, 1)
    tally.add(scorer.score(Uint8Array.from(truth, Number), Uint8Array.from(predicted, Number)))
  }
  return tally
}

describe('EvaluationTally, pairwise', () => {
  it('scores single slices', () => {
    // By hand. First: F1 of pore 2·1/(2+1), of solid 2·2/(2+3). Second has pore only: 2·2/(4+2).
    const [first, second] = tallyOf([
      { truth: '1122', predicted: '1222' },
      { truth: '1111', predicted: '1122' },
    ]).sliceScores()
    expect(first.macroF1).toBeCloseTo((2 / 3 + 4 / 5) / 2, 12)
    expect(second.macroF1).toBeCloseTo(2 / 3, 12)
    expect(second.accuracy).toBe(0.5)
    // No boundary without a second material.
    expect(second.macroBoundaryF1).toBeNull()
  })

  it('gives an interval of zero width where both models differ by the same on every slice', () => {
    const slices = ['1122', '1221', '2211']
    const right = tallyOf(slices.map((truth) => ({ truth, predicted: truth })))
    const intervals = right.differenceIntervals(right, 1)
    expect(intervals.macroF1).toEqual([0, 0])
    expect(intervals.perMaterial.map(({ f1 }) => f1)).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('is narrower than unpaired intervals, and mirrors when the models change places', () => {
    // A hard slice is hard for both: unpaired, the spread between slices covers the difference.
    const a = tallyOf([
      { truth: '11112222', predicted: '11112222' },
      { truth: '11112222', predicted: '12122121' },
      { truth: '11112222', predicted: '11122222' },
    ])
    const b = tallyOf([
      { truth: '11112222', predicted: '11122222' },
      { truth: '11112222', predicted: '22122121' },
      { truth: '11112222', predicted: '11222222' },
    ])
    const [low, high] = a.differenceIntervals(b, 7).macroF1!
    expect(low).toBeGreaterThan(0)
    const [ownLow, ownHigh] = a.scores(null, 7).confidence.macroF1!
    expect(high - low).toBeLessThan(ownHigh - ownLow)
    expect(b.differenceIntervals(a, 7).macroF1).toEqual([-high, -low])
  })

  it('refuses tallies of different slices', () => {
    const one = tallyOf([{ truth: '12', predicted: '12' }])
    const two = tallyOf([
      { truth: '12', predicted: '12' },
      { truth: '12', predicted: '12' },
    ])
    expect(() => one.differenceIntervals(two, 1)).toThrow(RangeError)
  })
})

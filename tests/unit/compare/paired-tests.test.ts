import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { signFlipTest, wilcoxonTest } from '../../../src/shared/metrics/paired-tests.ts'

/** Made by tests/golden/paired-tests.py with SciPy. */
const { cases } = JSON.parse(
  readFileSync(new URL('../../golden/paired-tests.json', import.meta.url), 'utf8'),
) as {
  cases: { differences: number[]; signFlip: number; wilcoxon: number; wilcoxonMethod: string }[]
}

describe('paired tests against SciPy', () => {
  it.each(cases.map((item) => [item.differences.length, item] as const))(
    'agrees on %i differences',
    (count, { differences, signFlip, wilcoxon, wilcoxonMethod }) => {
      const flips = signFlipTest(differences, 3)
      if (count <= 16) {
        expect(flips.method).toBe('exact')
        expect(flips.pValue).toBeCloseTo(signFlip, 12)
      } else {
        // Both are drawn: within five standard errors of ours (10 000 patterns).
        expect(flips.method).toBe('monte-carlo')
        const error = Math.sqrt((signFlip * (1 - signFlip)) / 10_000)
        expect(Math.abs(flips.pValue! - signFlip)).toBeLessThan(5 * error)
      }
      const ranks = wilcoxonTest(differences)
      expect(ranks.method).toBe(wilcoxonMethod)
      expect(ranks.pValue).toBeCloseTo(wilcoxon, 10)
    },
  )
})

describe('paired tests at their ends', () => {
  it('finds no difference between a model and itself', () => {
    for (const result of [signFlipTest([0, 0, 0], 1), wilcoxonTest([0, 0, 0])]) {
      expect(result).toMatchObject({ mean: 0, pValue: 1, method: 'no-differences' })
    }
  })
  it('says nothing without slices', () => {
    expect(signFlipTest([], 1).pValue).toBeNull()
    expect(wilcoxonTest([]).pValue).toBeNull()
  })
  it('cannot be more certain than the number of slices allows', () => {
    // Four slices, all better: 2 of 16 sign patterns are as extreme.
    expect(signFlipTest([0.1, 0.2, 0.3, 0.4], 1).pValue).toBe(2 / 16)
  })
  it('draws the same patterns for the same seed', () => {
    const differences = Array.from({ length: 30 }, (_, i) => Math.sin(i) + 0.2)
    expect(signFlipTest(differences, 5)).toEqual(signFlipTest(differences, 5))
    expect(signFlipTest(differences, 5).pValue).not.toBe(signFlipTest(differences, 6).pValue)
  })
  it('does not mind the order of the slices or which model is A', () => {
    const differences = [0.1, -0.05, 0.2, 0.04, -0.01]
    const p = signFlipTest(differences, 1).pValue!
    expect(signFlipTest(differences.toReversed(), 1).pValue).toBe(p)
    expect(
      signFlipTest(
        differences.map((difference) => -difference),
        1,
      ).pValue,
    ).toBe(p)
  })
})

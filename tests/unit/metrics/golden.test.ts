import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { numberMaterials } from '../../../src/shared/materials.ts'
import { bootstrapIntervals } from '../../../src/shared/metrics/bootstrap.ts'
import { scoreOverall, talliesOf } from '../../../src/shared/metrics/confusion.ts'
import { DistanceHistogram } from '../../../src/shared/metrics/distance-histogram.ts'
import { EvaluationTally } from '../../../src/shared/metrics/evaluation-tally.ts'
import { SliceScorer } from '../../../src/shared/metrics/slice-score.ts'

/** Made by tests/golden/metrics.py with NumPy, SciPy, scikit-learn and scikit-image. */
const golden = JSON.parse(
  readFileSync(new URL('../../golden/metrics.json', import.meta.url), 'utf8'),
) as Golden

interface Golden {
  cases: GoldenCase[]
  bootstrap: { matrices: number[][][]; macroF1: [number, number] }
  quantiles: { squared: number[]; quantiles: [number, number][] }
}

interface GoldenCase {
  name: string
  materials: number
  tolerance: number
  slices: { truth: string[]; predicted: string[] }[]
  perMaterial: ({ volumeFraction: { truth: number; predicted: number }; support: number } & Record<
    | 'precision'
    | 'recall'
    | 'f1'
    | 'iou'
    | 'boundaryPrecision'
    | 'boundaryRecall'
    | 'boundaryF1'
    | 'assd'
    | 'hd95',
    number | null
  >)[]
  macroF1: number
  weightedF1: number
  meanIoU: number
  accuracy: number
  /** Column 0 is outside. */
  confusion: number[][]
}

const scoreNames = [
  'precision',
  'recall',
  'f1',
  'iou',
  'boundaryPrecision',
  'boundaryRecall',
  'boundaryF1',
  'assd',
  'hd95',
] as const

function voxels(rows: string[]): Uint8Array {
  return Uint8Array.from(rows.join(''), Number)
}

function evaluate({ materials, tolerance, slices }: GoldenCase) {
  const tally = new EvaluationTally(
    numberMaterials(Array.from({ length: materials }, (_, k) => ({ value: k + 1, name: `m${k + 1}` }))),
    tolerance,
  )
  for (const { truth, predicted } of slices) {
    const scorer = new SliceScorer(truth.length, truth[0].length, materials, tolerance)
    tally.add(scorer.score(voxels(truth), voxels(predicted)))
  }
  return tally.scores(0.5, 1)
}

describe.each(golden.cases)('scores agree with the reference: $name', (expected) => {
  const result = evaluate(expected)

  it('overall', () => {
    for (const score of ['macroF1', 'weightedF1', 'meanIoU', 'accuracy'] as const)
      expect(result[score], score).toBeCloseTo(expected[score], 12)
  })

  it('confusion matrix', () => {
    const outside = expected.confusion.some((row) => row[0] > 0)
    expect(result.confusion).toEqual(
      expected.confusion.map(([none, ...known]) => (outside ? [...known, none] : known)),
    )
    const values = expected.confusion.map((_, k) => k + 1)
    expect(result.confusionRows).toEqual(values)
    expect(result.confusionColumns).toEqual(outside ? [...values, 'outside'] : values)
  })

  it.each(expected.perMaterial.map((material, k) => ({ material, k })))('material $k', ({ material, k }) => {
    const found = result.perMaterial[k]
    for (const score of scoreNames)
      if (material[score] === null) expect(found[score], score).toBeNull()
      else expect(found[score], score).toBeCloseTo(material[score], 10)
    expect(found.support).toBe(material.support)
    expect(found.volumeFraction?.truth).toBeCloseTo(material.volumeFraction.truth, 12)
    expect(found.volumeFraction?.predicted).toBeCloseTo(material.volumeFraction.predicted, 12)
    expect(found.assdUm).toBe(found.assd === null ? null : found.assd * 0.5)
    expect(found.hd95Um).toBe(found.hd95 === null ? null : found.hd95 * 0.5)
  })
})

it('quantiles of distances agree with NumPy', () => {
  const histogram = new DistanceHistogram()
  histogram.add(Float64Array.from(golden.quantiles.squared), 0)
  for (const [fraction, value] of golden.quantiles.quantiles)
    expect(histogram.quantile(fraction)).toBeCloseTo(value, 12)
})

it('bootstrap intervals agree with SciPy up to the noise of resampling', () => {
  const slices = golden.bootstrap.matrices.map((matrix) => {
    // Our matrices carry a column for predictions outside the materials in front.
    const counts = Float64Array.from(matrix.flatMap((row) => [0, ...row]))
    const { hits, truth, predicted } = talliesOf({ materials: 3, counts })
    return Float64Array.from([...hits, ...truth, ...predicted])
  })
  const [interval] = bootstrapIntervals(
    slices,
    (sum) => [
      scoreOverall({ hits: sum.subarray(0, 3), truth: sum.subarray(3, 6), predicted: sum.subarray(6, 9) })
        .macroF1,
    ],
    5,
  )
  const [low, high] = golden.bootstrap.macroF1
  // 1000 resamples place an end of a 95 % interval within some 6 % of its width (standard error of a quantile).
  const slack = 0.12 * (high - low)
  expect(Math.abs(interval![0] - low)).toBeLessThan(slack)
  expect(Math.abs(interval![1] - high)).toBeLessThan(slack)
})

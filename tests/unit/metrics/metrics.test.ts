import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numberMaterials } from '../../../src/shared/materials.ts'
import { predictedBoundaries, truthBoundaries } from '../../../src/shared/metrics/boundaries.ts'
import { bootstrapIntervals } from '../../../src/shared/metrics/bootstrap.ts'
import { confusionOf, scoreMaterial, scoreOverall, talliesOf } from '../../../src/shared/metrics/confusion.ts'
import { DistanceHistogram } from '../../../src/shared/metrics/distance-histogram.ts'
import { EvaluationTally } from '../../../src/shared/metrics/evaluation-tally.ts'
import { worstFirst } from '../../../src/shared/metrics/evaluation.ts'
import { NearestDistance } from '../../../src/shared/metrics/nearest-distance.ts'
import { SliceScorer } from '../../../src/shared/metrics/slice-score.ts'

/** Truth without unlabelled voxels and prediction of the same size, three materials. */
const labelledPair = fc
  .record({ height: fc.integer({ min: 1, max: 12 }), width: fc.integer({ min: 1, max: 12 }) })
  .chain(({ height, width }) => {
    const map = fc
      .array(fc.integer({ min: 1, max: 3 }), { minLength: height * width, maxLength: height * width })
      .map((values) => Uint8Array.from(values))
    return fc.record({ height: fc.constant(height), width: fc.constant(width), truth: map, predicted: map })
  })

function score(height: number, width: number, truth: Uint8Array, predicted: Uint8Array, tolerance = 1) {
  const materials = numberMaterials([1, 2, 3].map((value) => ({ value, name: `m${value}` })))
  const tally = new EvaluationTally(materials, tolerance)
  tally.add(new SliceScorer(height, width, 3, tolerance).score(truth, predicted))
  return tally.scores(null, 0)
}

describe('counting scores', () => {
  it('worked by hand: 5 voxels, one unlabelled, one predicted outside', () => {
    // Truth 1 1 2 2 -, predicted 1 2 2 outside 1: hits 1 and 1; predicted as 1: 1, as 2: 2.
    const confusion = confusionOf(Uint8Array.of(1, 1, 2, 2, 0), Uint8Array.of(1, 2, 2, 0, 1), 2)
    expect([...confusion.counts]).toEqual([0, 1, 1, 1, 0, 1])
    const tallies = talliesOf(confusion)
    expect([...tallies.hits]).toEqual([1, 1])
    expect([...tallies.truth]).toEqual([2, 2])
    expect([...tallies.predicted]).toEqual([1, 2])
    expect(scoreMaterial(1, 2, 1)).toMatchObject({ precision: 1, recall: 0.5, f1: 2 / 3, iou: 0.5 })
    const overall = scoreOverall(tallies)
    expect(overall.accuracy).toBe(0.5)
    expect(overall.macroF1).toBeCloseTo((2 / 3 + 1 / 2) / 2, 15)
    expect(overall.meanIoU).toBeCloseTo((1 / 2 + 1 / 3) / 2, 15)
  })

  it('no labelled voxel: nothing is defined, nothing is zero', () => {
    const tallies = talliesOf(confusionOf(new Uint8Array(4), Uint8Array.of(1, 1, 0, 2), 2))
    expect(scoreOverall(tallies)).toEqual({
      macroF1: null,
      weightedF1: null,
      meanIoU: null,
      accuracy: null,
    })
    expect(scoreMaterial(0, 0, 0)).toMatchObject({ precision: null, recall: null, f1: null, iou: null })
  })

  it('F1 and IoU do not change when truth and prediction swap, precision and recall do', () => {
    fc.assert(
      fc.property(labelledPair, ({ truth, predicted }) => {
        const there = talliesOf(confusionOf(truth, predicted, 3))
        const back = talliesOf(confusionOf(predicted, truth, 3))
        for (let k = 0; k < 3; k++) {
          if (there.truth[k] === 0 || back.truth[k] === 0) continue
          const a = scoreMaterial(there.hits[k], there.truth[k], there.predicted[k])
          const b = scoreMaterial(back.hits[k], back.truth[k], back.predicted[k])
          expect(a.f1).toBe(b.f1)
          expect(a.iou).toBe(b.iou)
          expect(a.precision).toBe(b.recall)
        }
      }),
    )
  })

  it('IoU = F1 / (2 - F1), and F1 is the harmonic mean of precision and recall', () => {
    fc.assert(
      fc.property(labelledPair, ({ height, width, truth, predicted }) => {
        for (const { f1, iou, precision, recall } of score(height, width, truth, predicted).perMaterial) {
          if (f1 === null || iou === null) continue
          expect(iou).toBeCloseTo(f1 / (2 - f1), 12)
          if (f1 > 0) expect(f1).toBeCloseTo((2 * precision! * recall!) / (precision! + recall!), 12)
        }
      }),
    )
  })
})

describe('all scores', () => {
  it('a perfect prediction scores 1 everywhere and has distance 0', () => {
    fc.assert(
      fc.property(labelledPair, ({ height, width, truth }) => {
        const result = score(height, width, truth, truth, 0)
        expect(result).toMatchObject({ macroF1: 1, weightedF1: 1, meanIoU: 1, accuracy: 1 })
        for (const material of result.perMaterial) {
          if (material.support === 0) continue
          expect(material).toMatchObject({ precision: 1, recall: 1, f1: 1, iou: 1 })
          expect([1, null]).toContain(material.boundaryF1)
          expect([0, null]).toContain(material.assd)
          expect([0, null]).toContain(material.hd95)
          expect(material.volumeFraction?.error).toBe(0)
        }
      }),
    )
  })

  it('every score lies in 0…1, and more tolerance never lowers the boundary F1', () => {
    fc.assert(
      fc.property(labelledPair, ({ height, width, truth, predicted }) => {
        let before = score(height, width, truth, predicted, 0)
        for (const tolerance of [1, 1.5, 3]) {
          const result = score(height, width, truth, predicted, tolerance)
          for (const [k, material] of result.perMaterial.entries()) {
            for (const value of [material.f1, material.iou, material.boundaryF1])
              if (value !== null) {
                expect(value).toBeGreaterThanOrEqual(0)
                expect(value).toBeLessThanOrEqual(1)
              }
            if (material.boundaryF1 !== null)
              expect(material.boundaryF1).toBeGreaterThanOrEqual(before.perMaterial[k].boundaryF1!)
          }
          before = result
        }
      }),
    )
  })

  it('what is predicted on unlabelled voxels does not matter to counts', () => {
    fc.assert(
      fc.property(
        labelledPair,
        fc.integer({ min: 0, max: 3 }),
        ({ height, width, truth, predicted }, other) => {
          const masked = truth.map((material, i) => (i % 3 === 0 ? 0 : material))
          const changed = predicted.map((material, i) => (i % 3 === 0 ? other : material))
          const a = score(height, width, masked, predicted)
          const b = score(height, width, masked, changed)
          expect(a.confusion).toEqual(b.confusion)
          expect(a.macroF1).toBe(b.macroF1)
        },
      ),
    )
  })

  it('the worst material comes first, materials without a score last', () => {
    const result = score(1, 4, Uint8Array.of(1, 1, 3, 3), Uint8Array.of(1, 1, 1, 3))
    expect(worstFirst(result.perMaterial).map(({ id }) => id)).toEqual([3, 1, 2])
  })
})

describe('boundaries', () => {
  // 1 1 2
  // 1 0 2
  // 1 1 1
  const map = Uint8Array.of(1, 1, 2, 1, 0, 2, 1, 1, 1)

  it('truth: unlabelled neighbours and the rim of the slice are no boundary', () => {
    const [one, two] = truthBoundaries(map, 3, 2)
    expect([...one]).toEqual([1, 8])
    expect([...two]).toEqual([2, 5])
  })

  it('prediction: voxels outside the materials are another thing, the rim of the slice is not', () => {
    const [one, two] = predictedBoundaries(map, 3, 2)
    expect([...one]).toEqual([1, 3, 7, 8])
    expect([...two]).toEqual([2, 5])
  })

  it('boundary voxels up to tolerance + 1 from an unlabelled voxel are not scored', () => {
    // One row: unlabelled at 0, boundary of truth and prediction between 3 and 4.
    const truth = Uint8Array.of(0, 1, 1, 1, 2, 2, 2)
    const predicted = Uint8Array.of(1, 1, 1, 1, 2, 2, 2)
    const at = (tolerance: number) =>
      new SliceScorer(1, 7, 2, tolerance)
        .score(truth, predicted)
        .boundaries.map(({ fromTruth }) => fromTruth.length)
    expect(at(1)).toEqual([1, 1])
    expect(at(2)).toEqual([0, 1])
    expect(at(3)).toEqual([0, 0])
  })

  it('a boundary that the other side lacks in a slice never matches and counts as the diagonal', () => {
    const truth = Uint8Array.of(1, 2, 1, 2)
    const tally = new EvaluationTally(
      numberMaterials([1, 2, 3].map((value) => ({ value, name: `m${value}` }))),
      9,
    )
    const scorer = new SliceScorer(2, 2, 3, 9)
    tally.add(scorer.score(truth, truth))
    tally.add(scorer.score(truth, Uint8Array.of(1, 1, 1, 1)))
    const [, two] = tally.scores(null, 0).perMaterial
    expect(two.boundaryRecall).toBe(0.5)
    // Two voxels at 0 and two at √2 one way, two at 0 the other way.
    expect(two.assd).toBeCloseTo((2 * Math.SQRT2) / 6, 12)
    expect(two.hd95).toBeCloseTo(Math.SQRT2, 12)
  })
})

describe('nearest distance', () => {
  it('equals the smallest of all distances', () => {
    const search = new NearestDistance()
    fc.assert(
      fc.property(
        fc
          .record({ height: fc.integer({ min: 1, max: 20 }), width: fc.integer({ min: 1, max: 20 }) })
          .chain(({ height, width }) => {
            const positions = fc
              .uniqueArray(fc.integer({ min: 0, max: height * width - 1 }), { maxLength: 60 })
              .map((values) => Int32Array.from(values.sort((a, b) => a - b)))
            return fc.record({ width: fc.constant(width), targets: positions, queries: positions })
          }),
        ({ width, targets, queries }) => {
          const expected = Array.from(queries, (query) =>
            Array.from(targets).reduce((least, target) => {
              const dy = Math.floor(target / width) - Math.floor(query / width)
              const dx = (target % width) - (query % width)
              const squared = dy * dy + dx * dx
              return least < 0 ? squared : Math.min(least, squared)
            }, -1),
          )
          expect([...search.squared(targets, queries, width)]).toEqual(expected)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('stays exact in rows with many far queries, where the search gives way to the envelope', () => {
    const width = 40
    const targets = Int32Array.of(3, 17, 18, 30, 2 * width + 25)
    const queries = Int32Array.from({ length: width }, (_, x) => 400 * width + x)
    const expected = Array.from(queries, (query) =>
      Math.min(
        ...Array.from(targets, (target) => {
          const dy = 400 - Math.floor(target / width)
          return dy * dy + ((target % width) - (query % width)) ** 2
        }),
      ),
    )
    expect([...new NearestDistance().squared(targets, queries, width)]).toEqual(expected)
  })

  it('is exact across a whole large slice', () => {
    const width = 3000
    const target = 2999 * width + 1
    const [squared] = new NearestDistance().squared(Int32Array.of(target), Int32Array.of(2998), width)
    expect(squared).toBe(2999 ** 2 + 2997 ** 2)
  })
})

describe('distance histogram', () => {
  it('counts what is missing as the given distance and keeps far distances within 1/32 voxel', () => {
    const histogram = new DistanceHistogram()
    histogram.add(Float64Array.of(9, -1, 1_000_003), 16)
    expect(histogram.count).toBe(3)
    expect(histogram.sum).toBeCloseTo(3 + 4 + Math.sqrt(1_000_003), 12)
    expect(histogram.quantile(0)).toBe(3)
    expect(histogram.quantile(0.5)).toBe(4)
    expect(Math.abs(histogram.quantile(1)! - Math.sqrt(1_000_003))).toBeLessThanOrEqual(1 / 32)
  })
})

describe('bootstrap', () => {
  const slices = Array.from({ length: 9 }, (_, z) => Float64Array.of(1 + Math.sqrt(z), 4))
  const mean = (counts: Float64Array) => [counts[1] > 0 ? counts[0] / counts[1] : null]

  it('is the same for the same seed and encloses the pooled score', () => {
    const [first] = bootstrapIntervals(slices, mean, 3)
    expect(bootstrapIntervals(slices, mean, 3)).toEqual([first])
    expect(bootstrapIntervals(slices, mean, 4)).not.toEqual([first])
    const pooled = slices.reduce((sum, [hits]) => sum + hits, 0) / 36
    expect(first![0]).toBeLessThan(pooled)
    expect(first![1]).toBeGreaterThan(pooled)
  })

  it('has no width when all slices are alike, and none exists for one slice', () => {
    expect(bootstrapIntervals([slices[1], slices[1], slices[1]], mean, 0)).toEqual([[0.5, 0.5]])
    expect(bootstrapIntervals([slices[1]], mean, 0)).toEqual([null])
    expect(bootstrapIntervals([], mean, 0)).toEqual([null])
  })
})

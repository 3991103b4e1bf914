import type { Material } from '../materials.ts'
import { bootstrapIntervals, bootstrapResamples, confidenceLevel, type Interval } from './bootstrap.ts'
import {
  addConfusion,
  emptyConfusion,
  scoreMaterial,
  scoreOverall,
  talliesOf,
  volumeFraction,
  type ConfusionMatrix,
  type MaterialTallies,
} from './confusion.ts'
import { DistanceHistogram } from './distance-histogram.ts'
import type { EvaluationResult, MaterialEvaluation } from './evaluation.ts'
import type { SliceScore } from './slice-score.ts'

/** Counts of boundary voxels, per material. */
interface BoundaryTallies {
  truth: Float64Array
  truthMatched: Float64Array
  predicted: Float64Array
  predictedMatched: Float64Array
}

/** Vectors of length K that one slice contributes to the bootstrap, in this order. */
const partsPerSlice = 7

/** The part of an {@link EvaluationResult} that follows from the voxels. */
export type TalliedScores = Omit<EvaluationResult, 'unlabelled' | 'pairs' | 'warnings'>

/** Scores of one slice; `null` where its truth does not define them. */
export interface SliceMeans {
  macroF1: number | null
  accuracy: number | null
  macroBoundaryF1: number | null
}

type OverallName = 'macroF1' | 'weightedF1' | 'meanIoU' | 'accuracy' | 'macroBoundaryF1'

/** Intervals of score differences; materials in the order of the tally. */
export interface DifferenceIntervals extends Record<OverallName, Interval | null> {
  perMaterial: Record<'f1' | 'iou' | 'boundaryF1', Interval | null>[]
}

/**
 * Pools slices and turns them into scores. Memory grows by some numbers per slice and material, not with the voxels.
 */
export class EvaluationTally {
  private readonly materials: readonly Material[]
  private readonly tolerance: number
  private readonly confusion: ConfusionMatrix
  private readonly fromTruth: DistanceHistogram[]
  private readonly fromPredicted: DistanceHistogram[]
  private readonly slices: Float64Array[] = []

  /** @param tolerance of the boundary F1, in voxels */
  constructor(materials: readonly Material[], tolerance: number) {
    this.materials = materials
    this.tolerance = tolerance
    this.confusion = emptyConfusion(materials.length)
    this.fromTruth = materials.map(() => new DistanceHistogram())
    this.fromPredicted = materials.map(() => new DistanceHistogram())
  }

  add(score: SliceScore): void {
    const count = this.materials.length
    addConfusion(this.confusion, score.confusion)
    const tallies = talliesOf(score.confusion)
    const vector = new Float64Array(count * partsPerSlice)
    vector.set(tallies.hits, 0)
    vector.set(tallies.truth, count)
    vector.set(tallies.predicted, 2 * count)
    for (const [k, { fromTruth, fromPredicted }] of score.boundaries.entries()) {
      this.fromTruth[k].add(fromTruth, score.diagonalSquared)
      this.fromPredicted[k].add(fromPredicted, score.diagonalSquared)
      vector[3 * count + k] = fromTruth.length
      vector[4 * count + k] = countWithin(fromTruth, this.tolerance)
      vector[5 * count + k] = fromPredicted.length
      vector[6 * count + k] = countWithin(fromPredicted, this.tolerance)
    }
    this.slices.push(vector)
  }

  /**
   * Scores of everything added so far.
   *
   * @param pixelUm edge of a voxel within the slice, or `null` when unknown
   * @param seed of the confidence intervals
   */
  scores(pixelUm: number | null, seed: number): TalliedScores {
    const count = this.materials.length
    const total = new Float64Array(count * partsPerSlice)
    for (const vector of this.slices) for (let i = 0; i < total.length; i++) total[i] += vector[i]
    const { tallies, boundaries } = this.split(total)
    const boundaryF1s = boundaryF1(boundaries)
    const labelledVoxels = tallies.truth.reduce((sum, voxels) => sum + voxels, 0)

    const intervals = bootstrapIntervals(this.slices, (counts) => this.resampledScores(counts), seed)
    const overall = scoreOverall(tallies)
    const perMaterial = this.materials.map((material, k): MaterialEvaluation => {
      const { assd, hd95 } = this.surfaceDistances(k)
      return {
        id: material.value,
        name: material.name,
        colour: material.colour,
        ...scoreMaterial(tallies.hits[k], tallies.truth[k], tallies.predicted[k]),
        boundaryPrecision: ratio(boundaries.predictedMatched[k], boundaries.predicted[k]),
        boundaryRecall: ratio(boundaries.truthMatched[k], boundaries.truth[k]),
        boundaryF1: boundaryF1s[k],
        assd,
        assdUm: scale(assd, pixelUm),
        hd95,
        hd95Um: scale(hd95, pixelUm),
        volumeFraction: volumeFraction(tallies.truth[k], tallies.predicted[k], labelledVoxels),
        confidence: {
          f1: intervals[overallScores + k],
          iou: intervals[overallScores + count + k],
          boundaryF1: intervals[overallScores + 2 * count + k],
        },
      }
    })
    return {
      ...overall,
      macroBoundaryF1: meanOfDefined(boundaryF1s),
      perMaterial,
      ...this.namedConfusion(),
      confidence: {
        level: confidenceLevel,
        resamples: bootstrapResamples,
        seed,
        slices: this.slices.length,
        ...overallIntervals(intervals),
      },
      tolerance: this.tolerance,
      labelledVoxels,
    }
  }

  /**
   * Scores of every slice on its own, in the order in which they were added. Means are over the materials that the truth of
   * that slice has.
   */
  sliceScores(): SliceMeans[] {
    return this.slices.map((vector) => {
      const { tallies, boundaries } = this.split(vector)
      const { macroF1, accuracy } = scoreOverall(tallies)
      return { macroF1, accuracy, macroBoundaryF1: meanOfDefined(boundaryF1(boundaries)) }
    })
  }

  /**
   * Confidence intervals of the differences between the pooled scores of this and another tally of the same slices and
   * materials: both sides of a pair are drawn together, so that what makes a slice hard for both cancels.
   */
  differenceIntervals(other: EvaluationTally, seed: number): DifferenceIntervals {
    const count = this.materials.length
    const width = count * partsPerSlice
    if (other.slices.length !== this.slices.length || other.materials.length !== count)
      throw new RangeError(
        `expected two tallies of the same slices and materials, found ${this.slices.length} and ${other.slices.length} slices`,
      )
    const joined = this.slices.map((vector, i) => {
      const both = new Float64Array(2 * width)
      both.set(vector)
      both.set(other.slices[i], width)
      return both
    })
    const intervals = bootstrapIntervals(
      joined,
      (counts) => {
        const mine = this.resampledScores(counts.subarray(0, width))
        const theirs = this.resampledScores(counts.subarray(width))
        return mine.map((score, i) => difference(score, theirs[i]))
      },
      seed,
    )
    return {
      ...overallIntervals(intervals),
      perMaterial: this.materials.map((_, k) => ({
        f1: intervals[overallScores + k],
        iou: intervals[overallScores + count + k],
        boundaryF1: intervals[overallScores + 2 * count + k],
      })),
    }
  }

  private split(vector: Float64Array): { tallies: MaterialTallies; boundaries: BoundaryTallies } {
    const count = this.materials.length
    const part = (index: number) => vector.subarray(index * count, (index + 1) * count)
    return {
      tallies: { hits: part(0), truth: part(1), predicted: part(2) },
      boundaries: {
        truth: part(3),
        truthMatched: part(4),
        predicted: part(5),
        predictedMatched: part(6),
      },
    }
  }

  /** First the {@link overallScores} overall scores, then F1, IoU and boundary F1 of each material. */
  private resampledScores(counts: Float64Array): (number | null)[] {
    const { tallies, boundaries } = this.split(counts)
    const overall = scoreOverall(tallies)
    const boundary = boundaryF1(boundaries)
    const perMaterial = this.materials.map((_, k) =>
      scoreMaterial(tallies.hits[k], tallies.truth[k], tallies.predicted[k]),
    )
    return [
      overall.macroF1,
      overall.weightedF1,
      overall.meanIoU,
      overall.accuracy,
      meanOfDefined(boundary),
      ...perMaterial.map(({ f1 }) => f1),
      ...perMaterial.map(({ iou }) => iou),
      ...boundary,
    ]
  }

  private surfaceDistances(k: number): { assd: number | null; hd95: number | null } {
    const [truth, predicted] = [this.fromTruth[k], this.fromPredicted[k]]
    const fromTruth = truth.quantile(0.95)
    const fromPredicted = predicted.quantile(0.95)
    // One side without a single boundary voxel in all slices has no surface to measure to.
    if (fromTruth === null || fromPredicted === null) return { assd: null, hd95: null }
    return {
      assd: (truth.sum + predicted.sum) / (truth.count + predicted.count),
      hd95: Math.max(fromTruth, fromPredicted),
    }
  }

  private namedConfusion(): Pick<EvaluationResult, 'confusion' | 'confusionRows' | 'confusionColumns'> {
    const count = this.materials.length
    const values = this.materials.map(({ value }) => value)
    const width = count + 1
    const outside = values.map((_, row) => this.confusion.counts[row * width])
    const anyOutside = outside.some((voxels) => voxels > 0)
    const confusion = values.map((_, row) => [
      ...this.confusion.counts.subarray(row * width + 1, (row + 1) * width),
      ...(anyOutside ? [outside[row]] : []),
    ])
    return {
      confusion,
      confusionRows: values,
      confusionColumns: anyOutside ? [...values, 'outside'] : values,
    }
  }
}

/** Number of overall scores at the front of the resampled ones. */
const overallScores = 5

function overallIntervals(intervals: readonly (Interval | null)[]) {
  const [macroF1, weightedF1, meanIoU, accuracy, macroBoundaryF1] = intervals
  return { macroF1, weightedF1, meanIoU, accuracy, macroBoundaryF1 }
}

/**
 * Boundary F1 per material: harmonic mean of the fractions of boundary voxels, on either side, that lie within the tolerance
 * of the other side. `null` where the truth has no boundary to find; 0 where the prediction has none.
 */
function boundaryF1({
  truth,
  truthMatched,
  predicted,
  predictedMatched,
}: BoundaryTallies): (number | null)[] {
  return Array.from(truth, (voxels, k) => {
    if (voxels === 0) return null
    const recall = truthMatched[k] / voxels
    const precision = predicted[k] > 0 ? predictedMatched[k] / predicted[k] : 0
    return precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0
  })
}

function countWithin(squared: Float64Array, tolerance: number): number {
  const limit = tolerance * tolerance
  let within = 0
  for (let i = 0; i < squared.length; i++) if (squared[i] >= 0 && squared[i] <= limit) within++
  return within
}

function difference(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b
}

function ratio(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null
}

function scale(value: number | null, factor: number | null): number | null {
  return value === null || factor === null ? null : value * factor
}

function meanOfDefined(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null)
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length
}

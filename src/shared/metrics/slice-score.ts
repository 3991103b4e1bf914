import { BoundaryMeter, type BoundaryDistances } from './boundaries.ts'
import { confusionOf, type ConfusionMatrix } from './confusion.ts'

/** Everything that scoring needs to know of one slice. */
export interface SliceScore {
  confusion: ConfusionMatrix
  /** Entry k-1 for material k. */
  boundaries: BoundaryDistances[]
  /** Square of the longest distance within the slice, in voxels: stands for a boundary that the other side lacks. */
  diagonalSquared: number
}

/** Scores slices of one size; keeps work arrays between slices. */
export class SliceScorer {
  private readonly meter: BoundaryMeter
  private readonly materials: number
  private readonly diagonalSquared: number

  constructor(height: number, width: number, materials: number, tolerance: number) {
    this.meter = new BoundaryMeter(width, tolerance)
    this.materials = materials
    this.diagonalSquared = (height - 1) ** 2 + (width - 1) ** 2
  }

  /**
   * @param truth C order (y, x), 0 = unlabelled, 1…materials; kept
   * @param predicted C order (y, x), 0 = outside, 1…materials; kept
   */
  score(truth: Uint8Array, predicted: Uint8Array): SliceScore {
    return {
      confusion: confusionOf(truth, predicted, this.materials),
      boundaries: this.meter.measure(truth, predicted, this.materials),
      diagonalSquared: this.diagonalSquared,
    }
  }
}

import { NearestDistance } from './nearest-distance.ts'

/**
 * Boundary voxels per material of one slice: positions y × width + x, ascending. Entry k-1 belongs to material k.
 */
export type BoundaryPositions = readonly Int32Array[]

/**
 * Boundary voxels of the truth: voxels of a material that share an edge, within the slice, with a labelled voxel of another
 * material. The rim of the slice and the rim of the unlabelled region are no boundary: nothing is known beyond them.
 *
 * @param truth C order (y, x), 0 = unlabelled, 1…materials; kept
 */
export function truthBoundaries(truth: Uint8Array, width: number, materials: number): BoundaryPositions {
  return boundaries(truth, width, materials, true)
}

/**
 * Boundary voxels of a segmentation: voxels of a material that share an edge, within the slice, with a voxel that is not.
 *
 * @param predicted C order (y, x), 0 = outside (itself no material), 1…materials; kept
 */
export function predictedBoundaries(
  predicted: Uint8Array,
  width: number,
  materials: number,
): BoundaryPositions {
  return boundaries(predicted, width, materials, false)
}

function boundaries(
  map: Uint8Array,
  width: number,
  materials: number,
  zeroIsUnknown: boolean,
): BoundaryPositions {
  const height = map.length / width
  const isBoundary = new Uint8Array(map.length)
  const counts = new Uint32Array(materials + 1)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x
      const material = map[i]
      if (material === 0) continue
      const up = y > 0 ? map[i - width] : material
      const down = y + 1 < height ? map[i + width] : material
      const before = x > 0 ? map[i - 1] : material
      const after = x + 1 < width ? map[i + 1] : material
      const differs = zeroIsUnknown
        ? (up !== material && up !== 0) ||
          (down !== material && down !== 0) ||
          (before !== material && before !== 0) ||
          (after !== material && after !== 0)
        : up !== material || down !== material || before !== material || after !== material
      if (differs) {
        isBoundary[i] = 1
        counts[material]++
      }
    }
  }
  const positions = Array.from({ length: materials }, (_, k) => new Int32Array(counts[k + 1]))
  const filled = new Uint32Array(materials + 1)
  for (let i = 0; i < map.length; i++) if (isBoundary[i] === 1) positions[map[i] - 1][filled[map[i]]++] = i
  return positions
}

/**
 * What one slice says about the boundaries of one material. Distances are squared, in voxels; all of a list are -1 when the
 * other side has no boundary of the material in the slice.
 */
export interface BoundaryDistances {
  /** From each scored boundary voxel of the truth to the nearest boundary voxel of the prediction. */
  fromTruth: Float64Array
  /** From each scored boundary voxel of the prediction to the nearest boundary voxel of the truth. */
  fromPredicted: Float64Array
}

/** Measures the slices of one volume; keeps work arrays between slices. */
export class BoundaryMeter {
  private readonly nearest = new NearestDistance()
  private readonly width: number
  private readonly clearance: number

  /** @param tolerance in voxels; boundary voxels up to tolerance + 1 from an unlabelled voxel are not scored */
  constructor(width: number, tolerance: number) {
    this.width = width
    this.clearance = tolerance + 1
  }

  /**
   * Distances for each material between its boundary in truth and prediction of one slice.
   *
   * A boundary voxel in or near the unlabelled region is not scored, because a boundary that would match it may be hidden
   * there: a hidden boundary within the tolerance is unlabelled itself or touches an unlabelled voxel, which then lies
   * within tolerance + 1. Voxels that are not scored still serve as partners of others.
   *
   * @param truth C order (y, x), 0 = unlabelled, 1…materials; kept
   * @param predicted C order (y, x), 0 = outside, 1…materials; kept
   */
  measure(truth: Uint8Array, predicted: Uint8Array, materials: number): BoundaryDistances[] {
    const truthSide = truthBoundaries(truth, this.width, materials)
    const predictedSide = predictedBoundaries(predicted, this.width, materials)
    const isHidden = this.nearUnlabelled(truth, [...truthSide, ...predictedSide])
    const scored = (positions: Int32Array) =>
      isHidden === null ? positions : positions.filter((position) => isHidden[position] === 0)
    return truthSide.map((truthPositions, k) => ({
      fromTruth: this.nearest.squared(predictedSide[k], scored(truthPositions), this.width),
      fromPredicted: this.nearest.squared(truthPositions, scored(predictedSide[k]), this.width),
    }))
  }

  /** 1 at each of the positions that lies in the unlabelled region or too near to it; `null` when all is labelled. */
  private nearUnlabelled(truth: Uint8Array, sides: readonly Int32Array[]): Uint8Array | null {
    const unlabelled = positionsOf(truth, 0)
    if (unlabelled.length === 0) return null
    const marks = new Uint8Array(truth.length)
    for (const side of sides) for (let i = 0; i < side.length; i++) marks[side[i]] = 1
    const queries = positionsOf(marks, 1)
    const squared = this.nearest.squared(unlabelled, queries, this.width)
    const limit = this.clearance ** 2
    for (let i = 0; i < queries.length; i++) if (squared[i] > limit) marks[queries[i]] = 0
    return marks
  }
}

function positionsOf(map: Uint8Array, value: number): Int32Array {
  let count = 0
  for (let i = 0; i < map.length; i++) if (map[i] === value) count++
  const positions = new Int32Array(count)
  if (count === 0) return positions
  for (let i = 0, filled = 0; i < map.length; i++) if (map[i] === value) positions[filled++] = i
  return positions
}

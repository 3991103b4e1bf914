/**
 * Scores that count voxels: confusion matrix, precision, recall, F1, IoU, means. Materials are indices 1…K inside the
 * program; truth index 0 is unlabelled and not scored; predicted index 0 is "outside": a prediction that is none of the
 * known materials, which counts as an error.
 */

/** Truth × predicted, counts of voxels. Row k-1 is truth material k; column 0 is outside, column k material k. */
export interface ConfusionMatrix {
  materials: number
  /** Length materials × (materials + 1), row-major. */
  counts: Float64Array
}

export function emptyConfusion(materials: number): ConfusionMatrix {
  return { materials, counts: new Float64Array(materials * (materials + 1)) }
}

/**
 * Confusion matrix of one slice (or any run of voxels). `truth` and `predicted` have the same length, hold indices
 * 0…materials, and are kept.
 */
export function confusionOf(truth: Uint8Array, predicted: Uint8Array, materials: number): ConfusionMatrix {
  // Row 0 collects the unlabelled voxels, so that the loop has no branch; it is left out at the end.
  const width = materials + 1
  const table = new Uint32Array(width * width)
  for (let i = 0; i < truth.length; i++) table[truth[i] * width + predicted[i]]++
  return { materials, counts: Float64Array.from(table.subarray(width)) }
}

/** Adds `part` to `total` in place. */
export function addConfusion(total: ConfusionMatrix, part: ConfusionMatrix): void {
  for (let i = 0; i < total.counts.length; i++) total.counts[i] += part.counts[i]
}

/**
 * What F1, IoU and accuracy need, per material; a matrix per slice would grow with the square of the number of materials.
 * Each array has length K, entry k-1 for material k.
 */
export interface MaterialTallies {
  /** Voxels of the material that were predicted as such. */
  hits: Float64Array
  /** Voxels of the material in the truth. */
  truth: Float64Array
  /** Labelled voxels predicted as the material. */
  predicted: Float64Array
}

export function emptyTallies(materials: number): MaterialTallies {
  return {
    hits: new Float64Array(materials),
    truth: new Float64Array(materials),
    predicted: new Float64Array(materials),
  }
}

/** Diagonal, row sums and column sums of a confusion matrix. */
export function talliesOf({ materials, counts }: ConfusionMatrix): MaterialTallies {
  const tallies = emptyTallies(materials)
  const width = materials + 1
  for (let row = 0; row < materials; row++) {
    tallies.hits[row] = counts[row * width + row + 1]
    for (let column = 0; column < width; column++) {
      const count = counts[row * width + column]
      tallies.truth[row] += count
      if (column > 0) tallies.predicted[column - 1] += count
    }
  }
  return tallies
}

/** Scores of one material; `null` where the score is not defined (0/0). */
export interface MaterialScores {
  /** hits / predicted; `null` when the material is never predicted. */
  precision: number | null
  /** hits / truth; `null` when the truth has none. */
  recall: number | null
  /** 2 hits / (truth + predicted), the Dice coefficient; `null` when the truth has none. */
  f1: number | null
  /** hits / (truth + predicted - hits), the Jaccard index; `null` when the truth has none. */
  iou: number | null
  /** Voxels of the material in the truth. */
  support: number
  /** Labelled voxels predicted as the material. */
  predictedVoxels: number
}

export function scoreMaterial(hits: number, truth: number, predicted: number): MaterialScores {
  return {
    precision: predicted > 0 ? hits / predicted : null,
    recall: truth > 0 ? hits / truth : null,
    f1: truth > 0 ? (2 * hits) / (truth + predicted) : null,
    iou: truth > 0 ? hits / (truth + predicted - hits) : null,
    support: truth,
    predictedVoxels: predicted,
  }
}

/** Scores of all materials; `null` when not a single voxel is labelled. */
export interface OverallScores {
  /** Mean of F1 over the materials that the truth has. */
  macroF1: number | null
  /** Mean of F1 weighted with support. */
  weightedF1: number | null
  /** Mean of IoU over the materials that the truth has. */
  meanIoU: number | null
  /** Labelled voxels predicted right / labelled voxels. */
  accuracy: number | null
}

/**
 * Means over materials. Materials without a voxel in the truth are left out, whether or not something else was taken for
 * them (that error is in the recall of what it was), so that a list of names can never change a score. This is
 * scikit-learn's `f1_score(…, labels=numpy.unique(truth))`.
 */
export function scoreOverall({ hits, truth, predicted }: MaterialTallies): OverallScores {
  let present = 0
  let f1Sum = 0
  let weightedSum = 0
  let iouSum = 0
  let hitSum = 0
  let truthSum = 0
  for (let k = 0; k < truth.length; k++) {
    if (truth[k] === 0) continue
    const f1 = (2 * hits[k]) / (truth[k] + predicted[k])
    present++
    f1Sum += f1
    weightedSum += f1 * truth[k]
    iouSum += hits[k] / (truth[k] + predicted[k] - hits[k])
    hitSum += hits[k]
    truthSum += truth[k]
  }
  if (present === 0) return { macroF1: null, weightedF1: null, meanIoU: null, accuracy: null }
  return {
    macroF1: f1Sum / present,
    weightedF1: weightedSum / truthSum,
    meanIoU: iouSum / present,
    accuracy: hitSum / truthSum,
  }
}

/** Volume fraction of a material among the labelled voxels, in truth and prediction. */
export interface VolumeFraction {
  truth: number
  predicted: number
  /** predicted - truth; positive: too much of it. */
  error: number
  /** error / truth; `null` when the truth has none. */
  relativeError: number | null
}

/** `labelled` is the number of labelled voxels; `null` when there are none. */
export function volumeFraction(
  truthVoxels: number,
  predictedVoxels: number,
  labelled: number,
): VolumeFraction | null {
  if (labelled === 0) return null
  const truth = truthVoxels / labelled
  const predicted = predictedVoxels / labelled
  return {
    truth,
    predicted,
    error: predicted - truth,
    relativeError: truthVoxels > 0 ? (predictedVoxels - truthVoxels) / truthVoxels : null,
  }
}

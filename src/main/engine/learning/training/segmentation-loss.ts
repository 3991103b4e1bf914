import type { Arithmetic } from '../graph/arithmetic.ts'
import type { GraphTensor } from '../graph/graph-builder.ts'

export interface LossOptions {
  materials: number
  /** Weight of the soft Dice term beside the cross-entropy. */
  diceWeight: number
  /** Scalar: labelled voxels of the whole batch, of which this may be a part: makes sums over parts exact. */
  batchLabelledVoxels: GraphTensor
}

export interface LossNodes {
  /** Share of this part in the batch's loss, scalars. */
  crossEntropy: GraphTensor
  dice: GraphTensor
  /** Gradient with respect to the logits, `[voxel, material]`. */
  gradient: GraphTensor
}

/** Keeps the Dice coefficient of a material with few voxels steady; in voxels. */
const smooth = 1

/**
 * Adds masked cross-entropy plus soft Dice over labelled voxels, with its gradient, to a graph.
 *
 * Cross-entropy: mean over labelled voxels of −log p(truth). Soft Dice (Milletari, Navab and Ahmadi 2016, doi
 * 10.1109/3DV.2016.79, with plain sums in the denominator as in Sudre et al. 2017): 1 − mean over materials of
 * 2 Σ p·g / (Σ p + Σ g), sums over all labelled voxels of the batch. Materials that the batch's labels do not contain
 * do not enter the Dice mean: for them it would only punish any doubt.
 *
 * @param logits `[voxel, material]`
 * @param rows what {@link labelRows} makes of the labels, uint8 `[voxel]`
 */
export function segmentationLoss(
  math: Arithmetic,
  logits: GraphTensor,
  rows: GraphTensor,
  { materials, diceWeight, batchLabelledVoxels }: LossOptions,
): LossNodes {
  const { add, subtract, multiply, divide, maximum, sum } = math
  const labelled = maximum(batchLabelledVoxels, 1)
  const scale = divide(1, labelled)
  const truth = math.oneHot(rows, materials)
  const beyond = maximum(subtract(math.toReal(rows), unlabelledRow - 1), 0)
  const mask = math.reshape(subtract(1, beyond), [-1, 1])
  const logProbabilities = math.logSoftmax(logits)
  const crossEntropy = multiply(math.negative(sum(multiply(truth, logProbabilities), [0, 1])), scale)
  const probabilities = multiply(math.exponential(logProbabilities), mask)

  const counts = sum(truth, [0], true)
  const present = math.minimum(counts, 1)
  const share = divide(
    multiply(multiply(sum(counts, [0, 1]), scale), diceWeight),
    maximum(sum(present, [0, 1]), 1),
  )
  const weight = multiply(present, share)
  const hits = multiply(probabilities, truth)
  const denominator = add(add(sum(probabilities, [0], true), counts), smooth)
  const coefficient = divide(add(multiply(sum(hits, [0], true), 2), smooth), denominator)
  const dice = sum(subtract(weight, multiply(weight, coefficient)), [0, 1])

  // d(dice)/dp = −weight · (2 g − coefficient) / denominator, then through the softmax.
  const towards = divide(weight, denominator)
  const inner = subtract(
    multiply(probabilities, multiply(coefficient, towards)),
    multiply(hits, multiply(towards, 2)),
  )
  const diceGradient = subtract(inner, multiply(probabilities, sum(inner, [1], true)))
  const gradient = add(multiply(subtract(probabilities, truth), scale), diceGradient)
  return { crossEntropy, dice, gradient }
}

/** Materials are at most 255, so that the row of none is free. */
const unlabelledRow = 255

/**
 * Labels as the graph takes them: material 1 becomes row 0 and so on, unlabelled row 255, which no material has.
 *
 * @param labels material index per voxel, 0 = unlabelled; kept
 */
export function labelRows(labels: Uint8Array): { rows: Uint8Array; labelledVoxels: number } {
  const rows = new Uint8Array(labels.length)
  let labelledVoxels = 0
  for (let i = 0; i < labels.length; i++) {
    // Wraps from 0 to 255.
    rows[i] = labels[i] - 1
    if (labels[i] !== 0) labelledVoxels++
  }
  return { rows, labelledVoxels }
}

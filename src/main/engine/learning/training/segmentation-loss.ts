import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'

export interface LossOptions {
  /** Weight of the soft Dice term beside the cross-entropy. */
  diceWeight: number
  /** Labelled voxels of the whole batch, of which this may be a part: makes sums over parts exact. */
  batchLabelledVoxels: number
}

export type LossResult = {
  /** Share of this part in the batch's loss, a scalar on the device. */
  crossEntropy: Tensor
  dice: Tensor
  /** Gradient with respect to the logits, `[batch, y, x, material]`. */
  gradient: Tensor4D
}

/**
 * Masked cross-entropy plus soft Dice over labelled voxels, with its gradient.
 *
 * Cross-entropy: mean over labelled voxels of −log p(truth). Soft Dice (Milletari, Navab and Ahmadi 2016, doi
 * 10.1109/3DV.2016.79, with plain sums in the denominator as in Sudre et al. 2017): 1 − mean over materials of
 * 2 Σ p·g / (Σ p + Σ g), sums over all labelled voxels of the batch. Materials that the batch's labels do not contain
 * do not enter the Dice mean: for them it would only punish any doubt.
 *
 * To be called inside `tf.tidy`.
 *
 * @param logits `[batch, y, x, material]`
 * @param labels material index per voxel as float32, 0 = unlabelled, `[batch × y × x]` in C order
 */
export function segmentationLoss(
  { tf }: ComputeRuntime,
  logits: Tensor4D,
  labels: Uint8Array,
  { diceWeight, batchLabelledVoxels }: LossOptions,
): LossResult {
  const materials = logits.shape[3]
  const smooth = 1
  const flat = logits.reshape<Tensor2D>([-1, materials])
  // An index of −1 makes a row of zeros: unlabelled voxels drop out of every sum below.
  const truth = tf.oneHot(tf.tensor1d(labels, 'int32').sub(tf.scalar(1, 'int32')), materials).toFloat()
  const mask = truth.sum(1, true)
  const logProbabilities = tf.logSoftmax(flat)
  const probabilities = tf.exp(logProbabilities)
  const scale = 1 / Math.max(1, batchLabelledVoxels)

  const crossEntropy = tf.mul(truth, logProbabilities).sum().mul(-scale)
  let gradient = tf.sub(tf.mul(probabilities, mask), truth).mul(scale)

  const counted = tf.mul(probabilities, mask)
  const overlap = tf.mul(counted, truth).sum(0, true)
  const truthSum = truth.sum(0, true)
  const denominator = tf.add(counted.sum(0, true), truthSum).add(smooth)
  const present = truthSum.greater(0).toFloat()
  const presentCount = tf.maximum(present.sum(), 1)
  const share = countLabelled(labels) * scale
  const weight = present.div(presentCount).mul(diceWeight * share)
  const coefficient = overlap.mul(2).add(smooth).div(denominator)
  const dice = tf.sub(weight.sum(), tf.mul(weight, coefficient).sum())

  // d(dice)/dp = −weight · (2 g − coefficient) / denominator on labelled voxels, then through the softmax.
  const toProbabilities = tf.sub(coefficient, truth.mul(2)).mul(weight.div(denominator)).mul(mask)
  const inner = tf.mul(toProbabilities, probabilities)
  gradient = gradient.add(inner.sub(tf.mul(probabilities, inner.sum(1, true))))
  return { crossEntropy, dice, gradient: gradient.reshape(logits.shape) }
}

/** Number of labelled voxels. */
export function countLabelled(labels: Uint8Array): number {
  let count = 0
  for (const label of labels) if (label !== 0) count++
  return count
}

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
 * The gradient is written out (docs/adr/0003); sums that depend on the labels alone are made while counting them.
 *
 * To be called inside `tf.tidy`.
 *
 * @param logits `[batch, y, x, material]`
 * @param labels material index per voxel, 0 = unlabelled, `[batch × y × x]` in C order; kept
 */
export function segmentationLoss(
  runtime: ComputeRuntime,
  logits: Tensor4D,
  labels: Uint8Array,
  { diceWeight, batchLabelledVoxels }: LossOptions,
): LossResult {
  const { tf } = runtime
  const materials = logits.shape[3]
  const flat = logits.reshape<Tensor2D>([-1, materials])
  const { rows, mask, counts } = prepareLabels(labels, materials)
  const scale = 1 / Math.max(1, batchLabelledVoxels)
  const maskTensor = mask === null ? null : tf.tensor2d(mask, [mask.length, 1])

  const truth = tf.oneHot(tf.tensor1d(rows, 'int32'), materials, 1, 0, 'float32')
  const logProbabilities = logSoftmax(runtime, flat)
  const probabilities = logProbabilities.exp()
  const hits = tf.mul(probabilities, truth)
  const crossEntropy = tf.mul(truth, logProbabilities).sum().mul(-scale)
  const predictedSum =
    maskTensor === null ? probabilities.sum(0, true) : tf.matMul(maskTensor, probabilities, true, false)
  const present = counts.filter((count) => count > 0).length
  const labelled = counts.reduce((sum, count) => sum + count, 0)
  const share = (diceWeight * labelled * scale) / Math.max(1, present)
  const weight = tf.tensor2d(
    counts.map((count) => (count > 0 ? share : 0)),
    [1, materials],
  )
  const denominator = predictedSum.add(tf.tensor2d(counts, [1, materials])).add(smooth)
  const coefficient = hits.sum(0, true).mul(2).add(smooth).div(denominator)
  const dice = tf.sub(weight.sum(), tf.mul(weight, coefficient).sum())

  // d(dice)/dp = −weight · (2 g − coefficient) / denominator, then through the softmax.
  const towards = weight.div(denominator)
  const inner = tf.sub(probabilities.mul(coefficient.mul(towards)), hits.mul(towards.mul(2)))
  const diceGradient = inner.sub(tf.mul(probabilities, inner.sum(1, true)))
  const gradient = tf.sub(probabilities, truth).mul(scale).add(diceGradient)
  return {
    crossEntropy,
    dice,
    gradient: (maskTensor === null ? gradient : gradient.mul(maskTensor)).reshape(logits.shape),
  }
}

/** Keeps the Dice coefficient of a material with few voxels steady; in voxels. */
const smooth = 1

/** Number of labelled voxels. */
export function countLabelled(labels: Uint8Array): number {
  let count = 0
  for (const label of labels) if (label !== 0) count++
  return count
}

interface PreparedLabels {
  /** Class per voxel, 0…K−1; −1 for unlabelled voxels makes a one-hot row of zeros. */
  rows: Int32Array
  /** 1 for labelled voxels, else 0; `null` when all are labelled. */
  mask: Float32Array | null
  /** Voxels per class. */
  counts: number[]
}

function prepareLabels(labels: Uint8Array, materials: number): PreparedLabels {
  const rows = new Int32Array(labels.length)
  const mask = new Float32Array(labels.length)
  const counts = new Array<number>(materials + 1).fill(0)
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]
    counts[label]++
    rows[i] = label - 1
    if (label !== 0) mask[i] = 1
  }
  return { rows, mask: counts[0] === 0 ? null : mask, counts: counts.slice(1) }
}

/** TensorFlow's own, in one operation; that of TensorFlow.js is put together of six. */
function logSoftmax({ backend }: ComputeRuntime, logits: Tensor2D): Tensor2D {
  const { TF_ATTR_TYPE, TF_FLOAT } = backend.binding
  const type = { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }
  return backend.executeSingleOutput('LogSoftmax', [type], [logits]) as Tensor2D
}

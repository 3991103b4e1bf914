import type { Tensor1D } from '@tensorflow/tfjs'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'

export interface OptimiserOptions {
  beta1: number
  beta2: number
  epsilon: number
  /** Decoupled weight decay per unit of learning rate, on kernels only. */
  weightDecay: number
  /** Gradients are scaled down to this Euclidean norm. */
  maxGradientNorm: number
}

export interface OptimiserState {
  parameters: Tensor1D
  firstMoment: Tensor1D
  secondMoment: Tensor1D
}

/**
 * One step of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with gradient clipping by global norm, on flat
 * vectors. Returns the next state and the norm before clipping; the state given is kept. To be called inside `tf.tidy`.
 *
 * @param step number of this step, from 1
 * @param decayMask 1 where weights decay, as long as the parameters
 */
export function adamWStep(
  { tf }: ComputeRuntime,
  state: OptimiserState,
  gradient: Tensor1D,
  decayMask: Tensor1D,
  learningRate: number,
  step: number,
  options: OptimiserOptions,
): { state: OptimiserState; gradientNorm: Tensor1D } {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = options
  // Every pass over the parameters costs; scalars are joined first, and the squares serve norm and moment.
  const squares = gradient.square()
  const gradientNorm = squares.sum().sqrt()
  const clip = tf.minimum(1, tf.div(maxGradientNorm, gradientNorm.add(1e-12)))
  const firstMoment = state.firstMoment.mul(beta1).add(gradient.mul(clip.mul(1 - beta1)))
  const secondMoment = state.secondMoment.mul(beta2).add(squares.mul(clip.square().mul(1 - beta2)))
  const bias1 = 1 - beta1 ** step
  const bias2 = Math.sqrt(1 - beta2 ** step)
  const denominator = secondMoment.sqrt().add(epsilon * bias2)
  const decayed = state.parameters.mul(tf.sub(1, decayMask.mul(learningRate * weightDecay)))
  const parameters = decayed.sub(firstMoment.div(denominator).mul((learningRate * bias2) / bias1))
  return {
    state: {
      parameters: parameters as Tensor1D,
      firstMoment: firstMoment as Tensor1D,
      secondMoment: secondMoment as Tensor1D,
    },
    gradientNorm: gradientNorm as Tensor1D,
  }
}

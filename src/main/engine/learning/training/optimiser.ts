import type { Arithmetic } from '../graph/arithmetic.ts'
import type { GraphBuilder, GraphTensor } from '../graph/graph-builder.ts'
import type { Variable } from '../graph/variable.ts'

export interface OptimiserOptions {
  beta1: number
  beta2: number
  epsilon: number
  /** Decoupled weight decay per unit of learning rate, on kernels only. */
  weightDecay: number
  /** Gradients are scaled down to this Euclidean norm. */
  maxGradientNorm: number
}

/** A parameter tensor with what the optimiser remembers of it. */
export interface TrainedVariable {
  value: Variable
  firstMoment: Variable
  secondMoment: Variable
  /** Whether it decays. */
  decays: boolean
}

/** What changes from step to step; scalars. See {@link optimiserScalars}. */
export interface OptimiserNodes {
  rate: GraphTensor
  epsilon: GraphTensor
  decay: GraphTensor
}

/**
 * The numbers behind {@link OptimiserNodes}, with the bias corrections worked out in double precision: in single precision
 * 1 − β₂ᵗ of the first steps has lost a third of its digits.
 *
 * @param step number of this step, from 1
 */
export function optimiserScalars(
  { beta1, beta2, epsilon, weightDecay }: OptimiserOptions,
  learningRate: number,
  step: number,
): Record<keyof OptimiserNodes, number> {
  const bias1 = 1 - beta1 ** step
  const bias2 = Math.sqrt(1 - beta2 ** step)
  return { rate: (learningRate * bias2) / bias1, epsilon: epsilon * bias2, decay: learningRate * weightDecay }
}

export interface OptimiserUpdate {
  /** Norm before clipping, a scalar. */
  gradientNorm: GraphTensor
  /** The nodes that change variables, one per parameter tensor. */
  updates: readonly GraphTensor[]
}

/**
 * Adds one step of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with gradient clipping by global norm to a graph.
 *
 * Nothing is changed before everything that needs memory has been computed: a step that fails for lack of it has changed
 * nothing. The changes themselves are made in place.
 *
 * @param gradients one for each variable
 * @param begin adds a node that runs after the one given and before the first change
 */
export function applyAdamW(
  graph: GraphBuilder,
  math: Arithmetic,
  variables: readonly TrainedVariable[],
  gradients: readonly GraphTensor[],
  { rate, epsilon, decay }: OptimiserNodes,
  { beta1, beta2, weightDecay, maxGradientNorm }: OptimiserOptions,
  begin: (gate: GraphTensor) => GraphTensor,
): OptimiserUpdate {
  const squares = math.addAll(gradients.map((gradient) => math.halfSquaredNorm(gradient)))
  const gradientNorm = math.squareRoot(math.multiply(squares, 2))
  let clipped = gradients
  // A limit beyond the range of float32 is none.
  if (Number.isFinite(Math.fround(maxGradientNorm))) {
    const clip = math.minimum(math.divide(maxGradientNorm, math.add(gradientNorm, 1e-12)), 1)
    clipped = gradients.map((gradient) => math.multiply(gradient, clip))
  }
  const losses = variables.map(({ value, decays }) =>
    decays && weightDecay !== 0 ? math.multiply(value.read(), decay) : null,
  )
  const computed = [gradientNorm, ...clipped, ...losses.filter((loss) => loss !== null)]
  const begun = begin(graph.add('NoOp', [], {}, { after: computed }))
  const adam = {
    T: { type: 'float32' },
    use_locking: { bool: false },
    use_nesterov: { bool: false },
  } as const
  const zero = graph.scalar(0)
  const updates = variables.map(({ value, firstMoment, secondMoment }, index) => {
    const loss = losses[index]
    const decayed = loss === null ? begun : value.subtract(loss, [begun])
    // Powers of β of zero switch the operation's own bias correction off: it is in the rate.
    const inputs = [value.handle, firstMoment.handle, secondMoment.handle, zero, zero, rate]
    const betas = [graph.scalar(beta1), graph.scalar(beta2), epsilon]
    return graph.add('ResourceApplyAdam', [...inputs, ...betas, clipped[index]], adam, { after: [decayed] })
  })
  return { gradientNorm, updates }
}

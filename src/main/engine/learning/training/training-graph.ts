import { arithmetic } from '../graph/arithmetic.ts'
import { GraphBuilder, type GraphTensor } from '../graph/graph-builder.ts'
import { networkOperations } from '../network/network-operations.ts'
import { createVariable, type Variable } from '../graph/variable.ts'
import { channelsOf, parametersOf, type NetworkSpec } from '../network/network-spec.ts'
import { forwardForTraining } from '../network/network-training.ts'
import { parameterLayout, statisticsLayout } from '../network/parameters.ts'
import { applyAdamW, type OptimiserOptions } from './optimiser.ts'
import { segmentationLoss } from './segmentation-loss.ts'

/** Everything that a step changes. */
export const stateNames = [
  'parameters',
  'firstMoment',
  'secondMoment',
  'statistics',
  'averageParameters',
  'averageStatistics',
] as const
export type StateName = (typeof stateNames)[number]

/** Numbers that change from step to step, in the order in which they are fed. */
export const scalarNames = [
  'step',
  'rate',
  'epsilon',
  'decay',
  'averageShare',
  'labelledVoxels',
  'parts',
] as const
type ScalarName = (typeof scalarNames)[number]
export type StepScalars = Record<ScalarName, number>

export interface TrainingGraphOptions {
  optimiser: OptimiserOptions
  diceWeight: number
  /** Share of the old running statistics kept per step. */
  statisticsMomentum: number
  /** Whether moving averages of parameters and statistics are kept. */
  averages: boolean
}

/** The nodes of a training graph to feed and to fetch. */
export interface TrainingGraph {
  graph: GraphBuilder
  feeds: {
    /** float32 `[count, y, x, channel]`. */
    images: GraphTensor
    /** Rows of labels, uint8 `[count, y, x]`, see `labelRows`. */
    rows: GraphTensor
    /** float32, {@link scalarNames}. */
    scalars: GraphTensor
  }
  /** Fetching one of these does what it says and gives a few readings. */
  runs: {
    /** A whole step: cross-entropy, Dice, gradient norm. */
    step: GraphTensor
    /** Gradients of the first part of a batch, remembered: cross-entropy, Dice. */
    firstPart: GraphTensor
    /** The same for the other parts, added to what is remembered. */
    furtherPart: GraphTensor
    /** A step with what is remembered: gradient norm. */
    apply: GraphTensor
  }
  /** The state as flat vectors as in `parameters.ts`: to fetch, and to feed when fetching `write`. */
  state: { read: Record<StateName, GraphTensor>; feed: Record<StateName, GraphTensor>; write: GraphTensor }
  /** Number of the last step that has begun to change the state; 0 after `write`. */
  lastChanged: GraphTensor
}

/** The whole training step of a network as one graph: forward, loss, backward, clipping, AdamW, running and moving averages. */
export function buildTrainingGraph(spec: NetworkSpec, options: TrainingGraphOptions): TrainingGraph {
  const graph = new GraphBuilder()
  const ops = networkOperations(graph)
  const math = arithmetic(graph)
  const parametersAt = parameterLayout(spec).entries
  const statisticsAt = statisticsLayout(spec)
  const roles = parametersOf(spec).map(({ role }) => role)
  const channels = channelsOf(spec)

  // One variable per parameter tensor: reading it is free, where cutting up a long vector would copy it.
  const perParameter = (name: string) =>
    parametersAt.map((entry) => createVariable(graph, `${name}/${entry.name}`, entry.shape))
  const parameters = perParameter('parameters')
  const firstMoments = perParameter('firstMoment')
  const secondMoments = perParameter('secondMoment')
  const gradientSums = perParameter('gradientSum')
  const statistics = createVariable(graph, 'statistics', [statisticsAt.length])
  const statisticsSum = createVariable(graph, 'statisticsSum', [statisticsAt.length])
  const averages = options.averages
    ? {
        parameters: perParameter('averageParameters'),
        statistics: createVariable(graph, 'averageStatistics', [statisticsAt.length]),
      }
    : null

  const lastChanged = createVariable(graph, 'lastChanged', [])

  const images = graph.placeholder('images', 'float32', [-1, -1, -1, channels.get(spec.nodes[0].name)!])
  const rows = graph.placeholder('rows', 'uint8', [-1, -1, -1])
  const scalarVector = graph.placeholder('scalars', 'float32', [scalarNames.length])
  const unstacked = math.unstack(scalarVector, scalarNames.length)
  const scalars = Object.fromEntries(scalarNames.map((name, index) => [name, unstacked[index]])) as Record<
    ScalarName,
    GraphTensor
  >

  const pass = forwardForTraining(
    ops,
    spec,
    new Map(parametersAt.map(({ name }, index) => [name, parameters[index].read()])),
    images,
  )
  const materials = channels.get(spec.nodes.at(-1)!.name)!
  const loss = segmentationLoss(
    math,
    math.reshape(pass.output, [-1, materials]),
    math.reshape(rows, [-1], 'uint8'),
    { materials, diceWeight: options.diceWeight, batchLabelledVoxels: scalars.labelledVoxels },
  )
  const byName = pass.backward(ops.reshapeLike(loss.gradient, pass.output))
  const gradients = parametersAt.map(({ name }) => byName.get(name)!)
  const batchStatistics =
    statisticsAt.length === 0
      ? null
      : ops.concatenate(
          statisticsAt.entries.map(({ name }) => pass.batchStatistics.get(name)!),
          0,
        )

  /** Adds what changes the state, once everything that needs memory is there; `lastChanged` tells that it has begun. */
  function update(fromGradients: readonly GraphTensor[], freshStatistics: GraphTensor | null) {
    const { gradientNorm, updates } = applyAdamW(
      graph,
      math,
      parameters.map((value, index) => ({
        value,
        firstMoment: firstMoments[index],
        secondMoment: secondMoments[index],
        decays: roles[index] === 'kernel',
      })),
      fromGradients,
      scalars,
      options.optimiser,
      (gate) => lastChanged.assign(scalars.step, [gate]),
    )
    const done = [...updates]
    let statisticsDone: GraphTensor[] = []
    if (freshStatistics !== null) {
      const difference = math.subtract(statistics.read(), freshStatistics)
      const change = math.multiply(difference, 1 - options.statisticsMomentum)
      statisticsDone = [statistics.subtract(change, [gradientNorm])]
      done.push(...statisticsDone)
    }
    if (averages !== null) {
      averages.parameters.forEach((average, index) =>
        done.push(approach(average, parameters[index], [updates[index]])),
      )
      if (freshStatistics !== null) done.push(approach(averages.statistics, statistics, statisticsDone))
    }
    return { gradientNorm, done }
  }

  /** Moves an average towards a value by the share of this step. */
  function approach(average: Variable, value: Variable, after: readonly GraphTensor[]): GraphTensor {
    const difference = math.subtract(average.read(), value.read(after))
    return average.subtract(math.multiply(difference, scalars.averageShare))
  }

  const whole = update(gradients, batchStatistics)
  const summed = update(
    gradientSums.map((sum) => sum.read()),
    batchStatistics === null ? null : math.divide(statisticsSum.read(), scalars.parts),
  )
  const losses = math.stack([loss.crossEntropy, loss.dice])
  const remember = (how: 'assign' | 'add') => [
    ...gradients.map((gradient, index) => gradientSums[index][how](gradient)),
    ...(batchStatistics === null ? [] : [statisticsSum[how](batchStatistics)]),
  ]

  const state = stateAccess(graph, {
    parameters,
    firstMoment: firstMoments,
    secondMoment: secondMoments,
    statistics: [statistics],
    averageParameters: averages?.parameters ?? null,
    averageStatistics: averages === null ? null : [averages.statistics],
  })
  return {
    graph,
    feeds: { images, rows, scalars: scalarVector },
    runs: {
      step: math.identity(math.stack([loss.crossEntropy, loss.dice, whole.gradientNorm]), whole.done),
      firstPart: math.identity(losses, remember('assign')),
      furtherPart: math.identity(losses, remember('add')),
      apply: math.identity(summed.gradientNorm, summed.done),
    },
    lastChanged: lastChanged.read(),
    state: {
      ...state,
      write: math.identity(graph.scalar(0), [...state.written, lastChanged.assign(graph.scalar(0))]),
    },
  }
}

/**
 * Reading and writing of the state as flat vectors. Without averages the values themselves stand for them, and what is
 * fed for averages is dropped.
 */
function stateAccess(graph: GraphBuilder, variables: Record<StateName, readonly Variable[] | null>) {
  const math = arithmetic(graph)
  const ops = networkOperations(graph)
  const read: Partial<Record<StateName, GraphTensor>> = {}
  const feed: Partial<Record<StateName, GraphTensor>> = {}
  const written: GraphTensor[] = []
  for (const name of stateNames) {
    const own = variables[name]
    feed[name] = graph.placeholder(`${name}/feed`, 'float32', [-1])
    const shown = own ?? variables[name === 'averageParameters' ? 'parameters' : 'statistics']!
    read[name] = ops.concatenate(
      shown.map((variable) => math.reshape(variable.read(), [-1])),
      0,
    )
    if (own === null) continue
    const parts = ops.split(
      feed[name],
      own.map(({ shape }) => shape.reduce((a, b) => a * b, 1)),
      0,
    )
    written.push(...own.map((variable, index) => variable.assign(math.reshape(parts[index], variable.shape))))
  }
  return {
    read: read as Record<StateName, GraphTensor>,
    feed: feed as Record<StateName, GraphTensor>,
    written,
  }
}

import { arithmetic } from '../graph/arithmetic.ts'
import { GraphBuilder, type GraphTensor } from '../graph/graph-builder.ts'
import { openSession, type Feed, type GraphSession } from '../graph/session.ts'
import { createVariable } from '../graph/variable.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { networkOperations } from '../network/network-operations.ts'
import { foldForPrediction, forwardForPrediction } from '../network/network-prediction.ts'
import { channelsOf, type NetworkSpec } from '../network/network-spec.ts'

/** A network ready to predict, and the nodes of its graph to feed and to fetch. */
export interface NetworkSession<Outputs> {
  session: GraphSession
  /** float32 `[batch, y, x, channel]`, y and x multiples of the network's stride. */
  image: GraphTensor
  outputs: Outputs
}

/**
 * Loads a network for prediction. Its weights are variables, not constants of the graph: TensorFlow keeps about ten copies of a
 * constant (1.3 GB for a UNet of 64 base filters), and is no faster for it.
 *
 * @param parameters flat vectors as in `parameters.ts`; kept
 * @param addOutputs adds what is to be fetched, given what every node of the network gives, by name
 */
export function openNetworkSession<Outputs>(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  { parameters, statistics }: { parameters: Float32Array; statistics: Float32Array },
  addOutputs: (graph: GraphBuilder, nodes: ReadonlyMap<string, GraphTensor>) => Outputs,
): NetworkSession<Outputs> {
  const graph = new GraphBuilder()
  const feeds = new Map<GraphTensor, Feed>()
  const weights = new Map<string, GraphTensor>()
  const assigned: GraphTensor[] = []
  for (const [name, { values, shape }] of foldForPrediction(spec, parameters, statistics)) {
    const variable = createVariable(graph, name, shape)
    const feed = graph.placeholder(`${name}/feed`, 'float32', shape)
    feeds.set(feed, { values, shape })
    assigned.push(variable.assign(feed))
    weights.set(name, variable.read())
  }
  const load = arithmetic(graph).identity(graph.scalar(0), assigned)
  const image = graph.placeholder('image', 'float32', [-1, -1, -1, channelsOf(spec).get(spec.nodes[0].name)!])
  const outputs = addOutputs(graph, forwardForPrediction(networkOperations(graph), spec, weights, image))
  const session = openSession(runtime, graph)
  try {
    session.run(feeds, [load])
  } catch (error) {
    session.dispose()
    throw error
  }
  return { session, image, outputs }
}

export interface Predictions {
  /** float32 `[batch, y, x, material]`, what the softmax is taken of. */
  logits: GraphTensor
  /** int32 `[batch, y, x]`: the most probable material, counted from 0. */
  materials: GraphTensor
  /** float32 `[batch, y, x, material]`, 0…1. */
  probabilities: GraphTensor
}

/** Loads a network whose last node gives a logit per material: {@link openNetworkSession}. */
export function openPredictionSession(
  runtime: ComputeRuntime,
  spec: NetworkSpec,
  weights: { parameters: Float32Array; statistics: Float32Array },
): NetworkSession<Predictions> {
  return openNetworkSession(runtime, spec, weights, (graph, nodes) => {
    const logits = nodes.get(spec.nodes.at(-1)!.name)!
    const materials = graph.add('ArgMax', [logits, graph.scalar(3, 'int32')], {
      T: { type: 'float32' },
      Tidx: { type: 'int32' },
      output_type: { type: 'int32' },
    })
    return { logits, materials, probabilities: arithmetic(graph).softmax(logits) }
  })
}

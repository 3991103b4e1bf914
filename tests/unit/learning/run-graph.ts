import { GraphBuilder, type GraphTensor } from '../../../src/main/engine/learning/graph/graph-builder.ts'
import { openSession, type Feed } from '../../../src/main/engine/learning/graph/session.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'

/** Builds a graph and runs it once. `build` may give values to its placeholders; it returns what to fetch. */
export function runGraph<Name extends string>(
  build: (graph: GraphBuilder, feeds: Map<GraphTensor, Feed>) => Record<Name, GraphTensor>,
): Record<Name, Float32Array> {
  return expectNoLeak(() => {
    const graph = new GraphBuilder()
    const feeds = new Map<GraphTensor, Feed>()
    const fetches = build(graph, feeds)
    const names = Object.keys(fetches) as Name[]
    const session = openSession(runtime, graph)
    try {
      const values = session.run(
        feeds,
        names.map((name) => fetches[name]),
      )
      return Object.fromEntries(names.map((name, index) => [name, values[index]])) as Record<
        Name,
        Float32Array
      >
    } finally {
      session.dispose()
    }
  })
}

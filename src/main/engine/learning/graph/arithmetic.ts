import { outputOf, type GraphBuilder, type GraphTensor } from './graph-builder.ts'

const real = { T: { type: 'float32' } } as const

/** Elementwise and reducing float32 operations as nodes of a graph, with TensorFlow's broadcasting. */
export type Arithmetic = ReturnType<typeof arithmetic>

export function arithmetic(graph: GraphBuilder) {
  type Operand = GraphTensor | number
  const tensor = (value: Operand) => (typeof value === 'number' ? graph.scalar(value) : value)
  const unary = (operation: string) => (input: GraphTensor) => graph.add(operation, [input], real)
  const binary = (operation: string) => (left: Operand, right: Operand) =>
    graph.add(operation, [tensor(left), tensor(right)], real)
  const reduce =
    (operation: string) =>
    (input: GraphTensor, axes: readonly number[], keepAxes = false) =>
      graph.add(operation, [input, graph.integers(axes)], {
        ...real,
        Tidx: { type: 'int32' },
        keep_dims: { bool: keepAxes },
      })

  return {
    add: binary('AddV2'),
    subtract: binary('Sub'),
    multiply: binary('Mul'),
    divide: binary('RealDiv'),
    minimum: binary('Minimum'),
    maximum: binary('Maximum'),
    exponential: unary('Exp'),
    squareRoot: unary('Sqrt'),
    negative: unary('Neg'),
    logSoftmax: (input: GraphTensor) => graph.add('LogSoftmax', [input], real),
    softmax: (input: GraphTensor) => graph.add('Softmax', [input], real),
    /** `[index]` of uint8 to `[index, count]` of float32 with a 1 in the column of the index, or none where there is no such column. */
    oneHot: (indices: GraphTensor, count: number) =>
      graph.add('OneHot', [indices, graph.scalar(count, 'int32'), graph.scalar(1), graph.scalar(0)], {
        ...real,
        TI: { type: 'uint8' },
        axis: { int: -1 },
      }),
    toReal: (input: GraphTensor) =>
      graph.add('Cast', [input], { SrcT: { type: 'uint8' }, DstT: { type: 'float32' } }),
    addAll: (inputs: readonly GraphTensor[]) =>
      inputs.length === 1 ? inputs[0] : graph.add('AddN', inputs, { ...real, N: { int: inputs.length } }),
    /** Half the sum of squares. */
    halfSquaredNorm: unary('L2Loss'),
    sum: reduce('Sum'),
    reshape: (input: GraphTensor, shape: readonly number[], type: 'float32' | 'uint8' = 'float32') =>
      graph.add('Reshape', [input, graph.integers(shape)], { T: { type }, Tshape: { type: 'int32' } }),
    /** The scalars of a vector. */
    unstack: (input: GraphTensor, count: number): GraphTensor[] => {
      const first = graph.add('Unpack', [input], { ...real, num: { int: count }, axis: { int: 0 } })
      return Array.from({ length: count }, (_, index) => outputOf(first, index))
    },
    stack: (inputs: readonly GraphTensor[]) =>
      graph.add('Pack', inputs, { ...real, N: { int: inputs.length }, axis: { int: 0 } }),
    /** The same value once the nodes of `after` have run. */
    identity: (input: GraphTensor, after: readonly GraphTensor[]) =>
      graph.add('Identity', [input], real, { after }),
  }
}

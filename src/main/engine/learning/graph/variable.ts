import type { GraphBuilder, GraphShape, GraphTensor } from './graph-builder.ts'

/** A float32 value that stays on the device between runs of a session. It has none until it is first assigned. */
export interface Variable {
  /** The value; after `after`, when given, and at any moment of the run otherwise. */
  read(after?: readonly GraphTensor[]): GraphTensor
  assign(value: GraphTensor, after?: readonly GraphTensor[]): GraphTensor
  add(value: GraphTensor, after?: readonly GraphTensor[]): GraphTensor
  subtract(value: GraphTensor, after?: readonly GraphTensor[]): GraphTensor
  /** What operations that change variables take. */
  readonly handle: GraphTensor
  readonly shape: GraphShape
}

export function createVariable(graph: GraphBuilder, name: string, shape: GraphShape): Variable {
  const real = { dtype: { type: 'float32' } } as const
  const handle = graph.add(
    'VarHandleOp',
    [],
    { ...real, shape: { shape }, shared_name: { text: name }, container: { text: '' } },
    { name },
  )
  const change =
    (operation: string) =>
    (value: GraphTensor, after: readonly GraphTensor[] = []): GraphTensor =>
      graph.add(operation, [handle, value], real, { after, name: `${name}/${operation}` })
  return {
    handle,
    shape,
    read: (after = []) => graph.add('ReadVariableOp', [handle], real, { after, name: `${name}/read` }),
    assign: change('AssignVariableOp'),
    add: change('AssignAddVariableOp'),
    subtract: change('AssignSubVariableOp'),
  }
}

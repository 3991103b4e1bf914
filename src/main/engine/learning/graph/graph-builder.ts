import { ProtobufWriter } from './protobuf-writer.ts'

/** Types of tensors in a graph, with their numbers in TensorFlow's `DataType`. */
export const dataTypes = { float32: 1, int32: 3, uint8: 4 } as const
type DataType = keyof typeof dataTypes

/** One output of a node of the graph, as `name:index`. */
export type GraphTensor = `${string}:${number}`

/** A size along each axis; −1 where it is known only when the graph runs. */
export type GraphShape = readonly number[]

/** Values of a node's attributes, by what TensorFlow takes them for. */
export type Attribute =
  | { type: DataType }
  | { types: readonly DataType[] }
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { bool: boolean }
  | { text: string }
  | { shape: GraphShape }
  | { tensor: { type: DataType; shape: GraphShape; content: Uint8Array } }

export interface NodeOptions {
  /** Begins the name of the node; made unique by a number when taken. Default: the operation. */
  name?: string
  /** Nodes that must have run before this one. */
  after?: readonly GraphTensor[]
}

/**
 * Collects the nodes of a TensorFlow graph. Operations, attributes and the order of inputs are those of
 * https://www.tensorflow.org/api_docs/python/tf/raw_ops. Nothing is computed here; mistakes come to light when the graph is
 * loaded or first run.
 */
export class GraphBuilder {
  private readonly nodes = new ProtobufWriter()
  private readonly names = new Map<string, number>()
  private readonly numbers = new Map<string, GraphTensor>()

  /** Adds a node and returns its first output; {@link outputOf} gives the others. */
  add(
    operation: string,
    inputs: readonly GraphTensor[],
    attributes: Readonly<Record<string, Attribute>>,
    { name = operation, after = [] }: NodeOptions = {},
  ): GraphTensor {
    const unique = this.uniqueName(name)
    this.nodes.message(1, (node) => {
      node.text(1, unique).text(2, operation)
      for (const input of inputs) node.text(3, input)
      for (const tensor of after) node.text(3, `^${nodeOf(tensor)}`)
      for (const [key, value] of Object.entries(attributes)) {
        node.message(5, (entry) => entry.text(1, key).message(2, (message) => writeAttribute(message, value)))
      }
    })
    return `${unique}:0`
  }

  /** A value that is fed at each run. */
  placeholder(name: string, type: DataType, shape: GraphShape): GraphTensor {
    return this.add('Placeholder', [], { dtype: { type }, shape: { shape } }, { name })
  }

  /** A constant of float32 or int32, by the kind of the array, which is read when the graph is written. */
  constant(values: Float32Array | Int32Array, shape: GraphShape): GraphTensor {
    const type = values instanceof Float32Array ? 'float32' : 'int32'
    const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    return this.add('Const', [], { dtype: { type }, value: { tensor: { type, shape, content } } })
  }

  /** A scalar constant; the same node for the same value. */
  scalar(value: number, type: 'float32' | 'int32' = 'float32'): GraphTensor {
    const key = `${type} ${value}`
    let known = this.numbers.get(key)
    if (known === undefined) {
      known = this.constant(type === 'float32' ? Float32Array.of(value) : Int32Array.of(value), [])
      this.numbers.set(key, known)
    }
    return known
  }

  integers(values: readonly number[]): GraphTensor {
    return this.constant(Int32Array.from(values), [values.length])
  }

  /**
   * The graph as a SavedModel (tensorflow/core/protobuf/saved_model.proto): one meta graph with the tag `serve`, no
   * signatures, no variables on disk.
   */
  toSavedModel(): Uint8Array {
    return new ProtobufWriter()
      .integer(1, 1)
      .message(2, (metaGraph) =>
        metaGraph
          .message(1, (info) => info.text(4, savedModelTag))
          .message(2, (definition) =>
            definition.fieldsOf(this.nodes).message(4, (versions) => versions.integer(1, graphProducer)),
          ),
      )
      .finish()
  }

  private uniqueName(wish: string): string {
    const count = this.names.get(wish) ?? 0
    this.names.set(wish, count + 1)
    return count === 0 ? wish : this.uniqueName(`${wish}_${count}`)
  }
}

export const savedModelTag = 'serve'

/** Which TensorFlow's graph format the nodes are written in (`TF_GRAPH_DEF_VERSION`): that of TensorFlow 2.9. */
const graphProducer = 1087

/** Another output of the node that `tensor` belongs to. */
export function outputOf(tensor: GraphTensor, index: number): GraphTensor {
  return `${nodeOf(tensor)}:${index}`
}

function nodeOf(tensor: GraphTensor): string {
  return tensor.slice(0, tensor.lastIndexOf(':'))
}

function writeAttribute(message: ProtobufWriter, value: Attribute): void {
  if ('type' in value) message.integer(6, dataTypes[value.type])
  else if ('types' in value) {
    message.message(1, (list) =>
      list.integers(
        6,
        value.types.map((type) => dataTypes[type]),
      ),
    )
  } else if ('int' in value) message.integer(3, value.int)
  else if ('ints' in value) message.message(1, (list) => list.integers(3, value.ints))
  else if ('float' in value) message.float(4, value.float)
  else if ('bool' in value) message.integer(5, value.bool ? 1 : 0)
  else if ('text' in value) message.text(2, value.text)
  else if ('shape' in value) message.message(7, (shape) => writeShape(shape, value.shape))
  else {
    const { type, shape, content } = value.tensor
    message.message(8, (tensor) =>
      tensor
        .integer(1, dataTypes[type])
        .message(2, (dimensions) => writeShape(dimensions, shape))
        .bytes(4, content),
    )
  }
}

function writeShape(message: ProtobufWriter, shape: GraphShape): void {
  for (const size of shape) message.message(2, (dimension) => dimension.integer(1, size))
}

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { arithmetic } from '../../../src/main/engine/learning/graph/arithmetic.ts'
import { GraphBuilder } from '../../../src/main/engine/learning/graph/graph-builder.ts'
import { ProtobufWriter } from '../../../src/main/engine/learning/graph/protobuf-writer.ts'
import { openSession } from '../../../src/main/engine/learning/graph/session.ts'
import { createVariable } from '../../../src/main/engine/learning/graph/variable.ts'
import { isOutOfMemory } from '../../../src/main/engine/learning/out-of-memory.ts'
import { expectNoLeak, memory, runtime } from './compute-runtime.ts'

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(path.join(os.tmpdir(), 'graph-session-'))
  vi.stubEnv('TMPDIR', scratch)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(scratch, { recursive: true })
})

describe('protocol buffers', () => {
  test('are encoded as the specification shows', () => {
    // Examples of protobuf.dev/programming-guides/encoding: 150 in field 1, "testing" in field 2, a message in field 3.
    const written = new ProtobufWriter()
      .integer(1, 150)
      .text(2, 'testing')
      .message(3, (inner) => inner.integer(1, 150))
      .integers(6, [3, 270, 86942])
      .finish()
    expect(Buffer.from(written).toString('hex')).toBe(
      ['089601', '120774657374696e67', '1a03089601', '3206038e029ea705'].join(''),
    )
  })

  test('negative numbers take ten bytes, zero one', () => {
    const hex = (value: number) =>
      Buffer.from(new ProtobufWriter().integer(1, value).finish()).toString('hex')
    expect(hex(0)).toBe('0800')
    expect(hex(-1)).toBe('08ffffffffffffffffff01')
    expect(hex(2 ** 53)).toBe('088080808080808010')
  })

  test('a float is four bytes, lowest first', () => {
    expect(Buffer.from(new ProtobufWriter().float(4, 1).finish()).toString('hex')).toBe('250000803f')
  })
})

test('a graph is a SavedModel as others read it', () => {
  interface Node {
    getName(): string
    getOp(): string
    getInputList(): string[]
    getAttrMap(): Map<string, { getTensor(): { getTensorContent_asU8(): Uint8Array } }>
  }
  interface SavedModel {
    getSavedModelSchemaVersion(): number
    getMetaGraphsList(): {
      getMetaInfoDef(): { getTagsList(): string[] }
      getGraphDef(): { getNodeList(): Node[] }
    }[]
  }
  // The classes that protoc made for the package.
  const messages = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as {
    SavedModel: { deserializeBinary(bytes: Uint8Array): SavedModel }
  }
  const graph = new GraphBuilder()
  const first = graph.constant(Float32Array.of(1, 2), [2])
  const second = graph.add('AddV2', [first, first], { T: { type: 'float32' } }, { name: 'sum' })
  const third = graph.add(
    'AddV2',
    [second, first],
    { T: { type: 'float32' } },
    { name: 'sum', after: [first] },
  )
  expect([first, second, third]).toEqual(['Const:0', 'sum:0', 'sum_1:0'])
  const model = messages.SavedModel.deserializeBinary(graph.toSavedModel())
  expect(model.getSavedModelSchemaVersion()).toBe(1)
  const [metaGraph] = model.getMetaGraphsList()
  expect(metaGraph.getMetaInfoDef().getTagsList()).toEqual(['serve'])
  const nodes = metaGraph.getGraphDef().getNodeList()
  expect(nodes.map((node) => [node.getName(), node.getOp(), node.getInputList()])).toEqual([
    ['Const', 'Const', []],
    ['sum', 'AddV2', ['Const:0', 'Const:0']],
    ['sum_1', 'AddV2', ['sum:0', 'Const:0', '^Const']],
  ])
  const content = nodes[0].getAttrMap().get('value')!.getTensor().getTensorContent_asU8()
  expect([...new Float32Array(content.slice().buffer)]).toEqual([1, 2])
})

/** Doubles what it is fed and counts, on the device, how often. */
function countingGraph() {
  const graph = new GraphBuilder()
  const math = arithmetic(graph)
  const input = graph.placeholder('input', 'float32', [-1])
  const count = createVariable(graph, 'count', [])
  const begin = math.identity(graph.scalar(0), [count.assign(graph.scalar(0))])
  const counted = count.add(graph.scalar(1))
  return { graph, input, begin, doubled: math.multiply(input, 2), total: count.read([counted]) }
}

test('values go in and come out, and variables stay until the session ends', () => {
  expectNoLeak(() => {
    const { graph, input, begin, doubled, total } = countingGraph()
    const [session, other] = [openSession(runtime, graph), openSession(runtime, graph)]
    expect(memory().sessions).toBe(2)
    session.run(new Map(), [begin])
    other.run(new Map(), [begin])
    const values = Float32Array.of(1, -2, 0.5)
    const settled = memory()
    for (let i = 1; i <= 5; i++) {
      const results = session.run(new Map([[input, { values, shape: [3] }]]), [doubled, total])
      expect(results.map((result) => [...result])).toEqual([[2, -4, 1], [i]])
    }
    expect(memory()).toEqual(settled)
    // Sessions share nothing, and nothing of what was fed was written to.
    expect([...other.run(new Map(), [total])[0]]).toEqual([1])
    expect([...values]).toEqual([1, -2, 0.5])
    session.dispose()
    other.dispose()
  })
})

test('no file is left behind, whether loading succeeds or not', () => {
  const session = openSession(runtime, countingGraph().graph)
  expect(readdirSync(scratch)).toEqual([])
  session.dispose()
  const wrong = new GraphBuilder()
  wrong.add('NoSuchOperation', [], {})
  expect(() => openSession(runtime, wrong)).toThrow('NoSuchOperation')
  expect(readdirSync(scratch)).toEqual([])
  expect(memory().sessions).toBe(0)
})

test('without a place for temporary files the error names it', () => {
  const missing = path.join(scratch, 'missing')
  vi.stubEnv('TMPDIR', missing)
  expect(() => openSession(runtime, countingGraph().graph)).toThrow(
    expect.objectContaining({ _tag: 'NotWritable', fields: { path: missing } }),
  )
})

test('a run that fails says why, leaves no tensor and does not harm the next', () => {
  const { graph, input, begin, doubled, total } = countingGraph()
  const session = openSession(runtime, graph)
  session.run(new Map(), [begin])
  const before = memory()
  expect(() => session.run(new Map(), [doubled])).toThrow('input')
  const wrongType = new Map([[input, { values: Int32Array.of(1), shape: [1] }]])
  expect(() => session.run(wrongType, [doubled])).toThrow(/float|int32/)
  expect(memory()).toEqual(before)
  expect([...session.run(new Map(), [total])[0]]).toEqual([1])
  session.dispose()
})

test('an allocation that TensorFlow really cannot make is recognised as lack of memory', () => {
  const graph = new GraphBuilder()
  // Four petabytes: more than a process can address. TensorFlow tries for ten seconds.
  const size = graph.placeholder('size', 'int32', [3])
  const filled = graph.add('Fill', [size, graph.scalar(1)], {
    T: { type: 'float32' },
    index_type: { type: 'int32' },
  })
  const session = openSession(runtime, graph)
  const fill = (shape: number[]) =>
    session.run(new Map([[size, { values: Int32Array.from(shape), shape: [3] }]]), [filled])[0]
  let caught: unknown = null
  try {
    fill([2 ** 20, 2 ** 20, 2 ** 10])
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(Error)
  expect(isOutOfMemory(caught)).toBe(true)
  expect([...fill([1, 2, 1])]).toEqual([1, 1])
  session.dispose()
})

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPhasemarkError } from '../../../src/shared/errors.ts'
import { decodeTensors, encodeTensors } from '../../../src/main/engine/learning/model/safetensors.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('safetensors')
const name = fc
  .string({ minLength: 1, maxLength: 20 })
  .filter((text) => text !== '__metadata__' && text !== '__proto__')
const file = fc.record({
  tensors: fc.dictionary(name, fc.float32Array({ maxLength: 40 }), { maxKeys: 6 }),
  metadata: fc.dictionary(name, fc.string(), { maxKeys: 4 }),
})

function bytesOf(header: unknown, data = new Uint8Array(0), claimed?: bigint): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(claimed ?? BigInt(text.length))
  return Buffer.concat([length, text, data])
}

function expectRefused(bytes: Uint8Array): void {
  let caught: unknown = null
  try {
    decodeTensors(bytes, 'some.safetensors')
  } catch (error) {
    caught = error
  }
  expect(isPhasemarkError(caught) && caught._tag).toBe('BadInput')
  expect(isPhasemarkError(caught) && caught.message).toContain('some.safetensors')
}

test('tensors and metadata come back bit by bit', () => {
  fc.assert(
    fc.property(file, ({ tensors, metadata }) => {
      const decoded = decodeTensors(encodeTensors({ tensors, metadata }), 'x')
      expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(tensors).sort())
      for (const [key, values] of Object.entries(tensors)) {
        // As bits, so that NaN and −0 count.
        const bits = (array: Float32Array) => [...new Uint32Array(array.slice().buffer)]
        expect(bits(decoded.tensors[key])).toEqual(bits(values))
      }
      expect({ ...decoded.metadata }).toEqual({ ...metadata })
    }),
  )
})

test('the layout is the documented one', () => {
  const bytes = encodeTensors({
    tensors: { a: Float32Array.of(1, 2), b: Float32Array.of(3) },
    metadata: { k: 'v' },
  })
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const headerBytes = Number(view.getBigUint64(0, true))
  expect(headerBytes % 8).toBe(0)
  expect(JSON.parse(Buffer.from(bytes.subarray(8, 8 + headerBytes)).toString())).toEqual({
    __metadata__: { k: 'v' },
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    b: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
  })
  expect([0, 4, 8].map((at) => view.getFloat32(8 + headerBytes + at, true))).toEqual([1, 2, 3])
  expect(bytes.length).toBe(8 + headerBytes + 12)
})

test('files and views at odd positions decode the same, into arrays of their own', async () => {
  const tensors = { first: Float32Array.of(1.5, -2), second: Float32Array.of(3.25) }
  const bytes = encodeTensors({ tensors, metadata: {} })
  const target = path.join(scratch, 'small.safetensors')
  await writeFile(target, bytes)
  // Small files come as views into a buffer that Node shares among many.
  const read = await readFile(target)
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  for (const source of [read, shifted.subarray(3)]) {
    const decoded = decodeTensors(source, 'x')
    source.fill(0xff)
    expect(decoded.tensors).toEqual(tensors)
  }
})

describe('what is refused', () => {
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
  const data = new Uint8Array(8)

  test('the sample itself is fine', () => {
    expect(decodeTensors(bytesOf({ t: entry }, data), 'x').tensors['t']).toHaveLength(2)
  })

  test.each<[string, Uint8Array]>([
    ['an empty file', new Uint8Array(0)],
    ['seven bytes', new Uint8Array(7)],
    ['a header longer than the file', bytesOf({ t: entry }, data, 1n << 10n)],
    ['a header of 2⁶³ bytes', bytesOf({ t: entry }, data, 1n << 63n)],
    ['a header that is no JSON', bytesOf('{"t": ', data)],
    ['a header that is a list', bytesOf([entry], data)],
    ['null', bytesOf('null', data)],
    ['another type', bytesOf({ t: { ...entry, dtype: 'F16' } }, data)],
    ['values beyond the end', bytesOf({ t: { ...entry, data_offsets: [4, 12] } }, data)],
    ['offsets in the wrong order', bytesOf({ t: { ...entry, data_offsets: [8, 0] } }, data)],
    ['negative offsets', bytesOf({ t: { ...entry, data_offsets: [-8, 0] } }, data)],
    ['fractional offsets', bytesOf({ t: { ...entry, data_offsets: [0.5, 8.5] } }, data)],
    ['more values than bytes', bytesOf({ t: { ...entry, shape: [3] } }, data)],
    ['a huge shape', bytesOf({ t: { ...entry, shape: [2 ** 50, 2 ** 50] } }, data)],
    [
      'a huge shape times zero',
      bytesOf({ t: { ...entry, shape: new Array(40).fill(2 ** 52).concat(0) } }, data),
    ],
    ['a negative shape', bytesOf({ t: { ...entry, shape: [-2] } }, data)],
    ['a tensor that is only text', bytesOf({ t: { dtype: 'F32' } }, data)],
    ['metadata that is no text', bytesOf({ __metadata__: { a: 1 }, t: entry }, data)],
  ])('%s', (_, bytes) => {
    expectRefused(bytes)
  })

  test('every truncation', () => {
    const whole = encodeTensors({
      tensors: { a: Float32Array.of(1, 2, 3) },
      metadata: { position: '{"step":1}' },
    })
    for (let length = 0; length < whole.length; length++) expectRefused(whole.subarray(0, length))
  })
})

test('mutated files are read or refused, without a crash or a large allocation', () => {
  const mutation = fc.record({
    content: file,
    changes: fc.array(fc.record({ at: fc.nat(400), value: fc.nat(255) }), { minLength: 1, maxLength: 6 }),
  })
  const outcomes = { read: 0, refused: 0 }
  fc.assert(
    fc.property(mutation, ({ content, changes }) => {
      const bytes = encodeTensors(content)
      for (const { at, value } of changes) bytes[at % bytes.length] = value
      const before = process.memoryUsage().arrayBuffers
      try {
        decodeTensors(bytes, 'x')
        outcomes.read++
      } catch (error) {
        expect(isPhasemarkError(error) && error._tag).toBe('BadInput')
        outcomes.refused++
      }
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
    }),
    { numRuns: 500 },
  )
  expect(outcomes.read).toBeGreaterThan(10)
  expect(outcomes.refused).toBeGreaterThan(100)
})

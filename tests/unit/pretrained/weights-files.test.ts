import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import h5wasm from 'h5wasm/node'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasTag } from '../../../src/shared/errors.ts'
import { withWeightsFile } from '../../../src/main/engine/pretrained/open-weights-file.ts'
import { npySha256 } from '../../../src/main/engine/pretrained/verify.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { goldenWeights, safetensorsOf, tinyImagenet, tinyTensors, type Tensors } from './tiny-weights.ts'

const scratch = scratchFolder('weights-files')
beforeAll(() => h5wasm.ready)

async function readAll(file: string, signal?: AbortSignal): Promise<Tensors> {
  return withWeightsFile(
    file,
    async (open) => {
      const tensors: Tensors = new Map()
      for (const [name, { shape }] of open.tensors) {
        tensors.set(name, { shape, values: await open.read(name, signal) })
      }
      return tensors
    },
    signal,
  )
}

function tensorsOf(file: string) {
  return withWeightsFile(file, (open) => Promise.resolve(Object.fromEntries(open.tensors)))
}

function refusal(found: RegExp) {
  return { _tag: 'BadInput', fields: { found: expect.stringMatching(found) as string } }
}

describe('files made by Keras and h5py', () => {
  test.each(['published-notop.h5', 'compressed.h5', 'keras-save-weights.h5', 'keras-whole-model.h5'])(
    '%s gives names, shapes and values, bit by bit',
    async (name) => {
      expect(await readAll(goldenWeights(name))).toEqual(tinyTensors())
    },
  )

  test('a file with top has its dense layers too', async () => {
    const file = goldenWeights('published-with-top.h5')
    expect(await tensorsOf(file)).toMatchObject({
      'block2_conv2/kernel': { dtype: 'float32', shape: [3, 3, 6, 6] },
      // 4 × 4 pixels of 6 channels into 3 classes.
      'predictions/kernel': { dtype: 'float32', shape: [96, 3] },
      'predictions/bias': { dtype: 'float32', shape: [3] },
    })
    const convolutions = [...(await readAll(file))].filter(([name]) => name.startsWith('block'))
    expect(new Map(convolutions)).toEqual(tinyTensors())
  })

  test.each([
    ['float16.h5', 'float16'],
    ['big-endian.h5', 'big-endian float32'],
  ])('%s is described, but not read', async (name, dtype) => {
    const file = goldenWeights(name)
    expect(await tensorsOf(file)).toMatchObject({ 'block1_conv1/bias': { dtype, shape: [4] } })
    await expect(withWeightsFile(file, (open) => open.read('block1_conv1/bias'))).rejects.toMatchObject(
      refusal(new RegExp(`^${dtype}$`)),
    )
  })

  test('the layout of Keras 3 is refused by name', async () => {
    await expect(readAll(goldenWeights('keras-3.h5'))).rejects.toMatchObject(
      refusal(/layers.*without it|groups _layer_checkpoint/),
    )
  })

  test('a signal that has fired stops reading', async () => {
    for (const file of [goldenWeights('published-notop.h5'), safetensorsFile()]) {
      await expect(readAll(file, AbortSignal.abort())).rejects.toMatchObject({ _tag: 'Cancelled' })
    }
  })
})

/** Writes an HDF5 file with the library itself. */
function hdf5(name: string, fill: (file: InstanceType<typeof h5wasm.File>) => void): string {
  const file = path.join(scratch, name)
  const open = new h5wasm.File(file, 'w')
  fill(open)
  open.close()
  return file
}

describe('HDF5 files that are not what they should be', () => {
  const weights = Float32Array.of(1, 2, 3, 4)

  test('without layers', async () => {
    const file = hdf5('empty.h5', () => undefined)
    await expect(readAll(file)).rejects.toMatchObject(refusal(/an empty file/))
    const volume = hdf5('volume.h5', (open) => {
      open.create_dataset({ name: 'data', data: weights })
    })
    await expect(readAll(volume)).rejects.toMatchObject(refusal(/groups data without it/))
  })

  test('weight_names that are missing, numbers, or name what is not there', async () => {
    const file = hdf5('names.h5', (open) => {
      const layer = (name: string, names: string[] | number[] | null) => {
        const group = open.create_group(name)
        if (names !== null) group.create_attribute('weight_names', names)
        group.create_dataset({ name: 'w', data: weights })
        return group
      }
      layer('good', ['w'])
      layer('none', null)
      layer('numbers', [1, 2])
      layer('absent', ['v', 'w'])
      layer('outside', ['../good/w'])
      layer('itself', ['.', '/'])
    })
    expect(await tensorsOf(file)).toEqual({
      'good/kernel': { dtype: 'float32', shape: [4] },
      'absent/bias': { dtype: 'float32', shape: [4] },
    })
  })

  test('more names, longer names or more layers than any network has', async () => {
    const many = hdf5('many-names.h5', (open) => {
      open.create_group('layer').create_attribute('weight_names', new Array<string>(100).fill('w'))
    })
    await expect(readAll(many)).rejects.toMatchObject(refusal(/100 of/))
    const long = hdf5('long-names.h5', (open) => {
      open.create_group('layer').create_attribute('weight_names', ['w'.repeat(5000)], [1], 'S5000')
    })
    await expect(readAll(long)).rejects.toMatchObject(refusal(/1 of 5000 bytes/))
    const wide = hdf5('many-layers.h5', (open) => {
      for (let layer = 0; layer < 1100; layer++) open.create_group(`layer${layer}`)
    })
    await expect(readAll(wide)).rejects.toMatchObject(refusal(/1100 groups/))
  })

  test('links lead nowhere outside the file', async () => {
    const secret = hdf5('secret.h5', (open) => {
      open.create_dataset({ name: 'w', data: weights })
    })
    const file = hdf5('links.h5', (open) => {
      const group = open.create_group('layer')
      group.create_attribute('weight_names', ['inside', 'outside'])
      group.create_dataset({ name: 'inside', data: weights })
      group.create_external_link(secret, '/w', 'outside')
      open.create_external_link(secret, '/', 'linked')
      open.create_soft_link('/nowhere', 'broken')
    })
    expect(Object.keys(await tensorsOf(file))).toEqual(['layer/kernel'])
  })

  test('a chunk far larger than the values', async () => {
    const file = hdf5('chunk.h5', (open) => {
      const group = open.create_group('layer')
      group.create_attribute('weight_names', ['w'])
      // Empty, so that the writer needs no such chunk either.
      group.create_dataset({
        ...{ name: 'w', data: new Float32Array(0), shape: [0], dtype: '<f4' },
        ...{ maxshape: [2 ** 28], chunks: [2 ** 26], compression: 'gzip' },
      })
    })
    await expect(readAll(file)).rejects.toMatchObject(refusal(/^268435456 bytes/))
  })

  test('cut anywhere', async () => {
    const whole = readFileSync(goldenWeights('published-notop.h5'))
    const file = path.join(scratch, 'cut.h5')
    for (let length = 0; length < whole.length; length += 331) {
      writeFileSync(file, whole.subarray(0, length))
      await expect(readAll(file), `${length} bytes`).rejects.toMatchObject({ _tag: 'BadInput' })
    }
  })

  test('with damaged bytes: read or refused, always as BadInput', async () => {
    const whole = readFileSync(goldenWeights('compressed.h5'))
    const file = path.join(scratch, 'damaged.h5')
    const outcomes = { read: 0, refused: 0 }
    // Every 97th byte in turn: superblock, headers, B-trees, attributes and values all get their share.
    for (let at = 8; at < whole.length; at += 97) {
      const bytes = Buffer.from(whole)
      bytes[at] ^= 0xff
      writeFileSync(file, bytes)
      try {
        await readAll(file)
        outcomes.read++
      } catch (error) {
        if (!hasTag(error, 'BadInput')) throw error
        expect(error.message).not.toMatch(/\n/)
        outcomes.refused++
      }
    }
    expect(outcomes.read).toBeGreaterThan(100)
    expect(outcomes.refused).toBeGreaterThan(20)
    // And the library is well after all that.
    expect(await readAll(goldenWeights('compressed.h5'))).toEqual(tinyTensors())
  })
})

function safetensorsFile(bytes: Uint8Array = safetensorsOf(tinyTensors())): string {
  const file = path.join(scratch, 'some.safetensors')
  writeFileSync(file, bytes)
  return file
}

/** A safetensors file with a header written by hand. */
function withHeader(header: object, dataBytes: number): string {
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return safetensorsFile(Buffer.concat([length, text, Buffer.alloc(dataBytes)]))
}

describe('safetensors files', () => {
  test('give names, shapes and values', async () => {
    expect(await readAll(safetensorsFile())).toEqual(tinyTensors())
  })

  test('of other types are described, but not read', async () => {
    const file = withHeader(
      {
        half: { dtype: 'F16', shape: [2], data_offsets: [0, 4] },
        brain: { dtype: 'BF16', shape: [2], data_offsets: [4, 8] },
        double: { dtype: 'F64', shape: [1], data_offsets: [8, 16] },
        eight: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] },
      },
      16,
    )
    expect(await tensorsOf(file)).toMatchObject({ half: { dtype: 'F16' }, double: { dtype: 'F64' } })
    for (const [name, dtype] of [
      ['half', /^F16$/],
      ['brain', /^BF16$/],
      ['eight', /^F8_E4M3$/],
      ['other', /^none$/],
    ] as const) {
      await expect(withWeightsFile(file, (open) => open.read(name))).rejects.toMatchObject(refusal(dtype))
    }
  })

  test.each<[string, () => string]>([
    ['nothing', () => safetensorsFile(new Uint8Array(0))],
    ['a header of 2⁶³ bytes', () => safetensorsFile(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80, 1, 2))],
    [
      'values beyond the end',
      () => withHeader({ t: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }, 15),
    ],
    [
      'a shape that needs other bytes',
      () => withHeader({ t: { dtype: 'F16', shape: [4], data_offsets: [0, 16] } }, 16),
    ],
    [
      'offsets in the wrong order',
      () => withHeader({ t: { dtype: 'F8_E5M2', shape: [4], data_offsets: [8, 4] } }, 16),
    ],
  ])('with %s are refused', async (_, make) => {
    await expect(tensorsOf(make())).rejects.toMatchObject({ _tag: 'BadInput' })
  })

  test('a folder or nothing at all', async () => {
    await expect(tensorsOf(scratch)).rejects.toMatchObject({ _tag: 'BadInput' })
    await expect(tensorsOf(path.join(scratch, 'missing'))).rejects.toMatchObject({ _tag: 'NotFound' })
  })
})

test('hashes as .npy are those of numpy', () => {
  // tests/golden/weights.py: of biases [4] and [6] and, the same way, of kernels.
  const hashes = Object.fromEntries(
    [...tinyTensors()].map(([name, { values, shape }]) => [name, npySha256(values, shape)]),
  )
  const { npySha256: expected } = JSON.parse(
    readFileSync(new URL('../../golden/weights.json', import.meta.url), 'utf8'),
  ) as { npySha256: Record<string, string> }
  expect(hashes).toEqual(expected)
  expect(tinyImagenet().tensors['block1_conv1/bias'].sha256Npy).toBe(expected['block1_conv1/bias'])
})

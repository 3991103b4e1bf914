import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { decodeTensors } from '../../../src/main/engine/learning/model/safetensors.ts'
import { bundledFolder, readCatalogue } from '../../../src/main/engine/pretrained/catalogue.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('the bundled weights are in the catalogue after those of ImageNet, small, and what their card says', async () => {
  const folder = bundledFolder({})
  const sets = await readCatalogue(folder)
  expect(sets.map(({ id }) => id)).toEqual(['vgg16-imagenet', 'vgg16-microstructures'])
  const { file, tensors, licence, layers } = sets[1]
  expect(licence).toBe('MIT')
  const bytes = readFileSync(path.join(folder, file.name))
  expect(bytes.length).toBeLessThanOrEqual(1.1e6)
  expect({ bytes: bytes.length, sha256: sha256(bytes) }).toEqual({ bytes: file.bytes, sha256: file.sha256 })
  const stored = decodeTensors(bytes, file.name).tensors
  expect(Object.keys(stored).sort()).toEqual(Object.keys(tensors).sort())
  expect(Object.keys(tensors).sort()).toEqual(
    layers.flatMap((layer) => [`${layer}/bias`, `${layer}/kernel`]).sort(),
  )
  let parameters = 0
  for (const [name, { shape, sha256: hash }] of Object.entries(tensors)) {
    const values = stored[name]
    expect(values.length).toBe(shape.reduce((a, b) => a * b, 1))
    expect(sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))).toBe(hash)
    expect(values.every((value) => Number.isFinite(value))).toBe(true)
    parameters += values.length
  }
  // Blocks 1 and 2 of VGG16: 1,792 + 36,928 + 73,856 + 147,584.
  expect(parameters).toBe(260_160)
})

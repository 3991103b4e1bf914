import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { findPretrainedWeights } from '../../../src/main/engine/pretrained/find-weights.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { sharedModel } from '../../support/shared-data.ts'

const imagenet = sharedModel('vgg16-imagenet.safetensors')

describe.skipIf(imagenet === null)('the ImageNet weights of ../shared/models', () => {
  const environment = { PHASEMARK_MODELS: path.dirname(imagenet ?? '') }

  test('are found, verified and read', async () => {
    const weights = await findPretrainedWeights({ environment })
    expect(weights).toMatchObject({
      id: 'vgg16-imagenet',
      place: 'PHASEMARK_MODELS',
      path: imagenet,
      exactBiases: false,
    })
    expect(weights.tensors.get('block2_conv2/kernel')?.shape).toEqual([3, 3, 128, 128])
    // Values of the official weights that a third-party loader asserts (shared JSON, independent_values).
    expect(weights.tensors.get('block1_conv1/kernel')?.values[0]).toBeCloseTo(0.42947057, 8)
    expect(weights.tensors.get('block1_conv2/kernel')?.values.at(-1)).toBeCloseTo(0.016082443, 9)
  })

  test('with one changed bit are refused, and nothing else is taken in their place', async () => {
    const project = path.join(scratchFolder('find-weights'), 'x.phasemark')
    const folder = path.join(project, 'models')
    mkdirSync(folder, { recursive: true })
    const file = path.join(folder, path.basename(imagenet!))
    copyFileSync(imagenet!, file)
    const bytes = readFileSync(file)
    bytes[bytes.length - 100_000] ^= 1
    writeFileSync(file, bytes)
    await expect(findPretrainedWeights({ project, environment })).rejects.toMatchObject({
      _tag: 'WeightsUnavailable',
      message: expect.stringMatching(/x\.phasemark.*block2_conv2\/kernel.*sha256 d04e9376/) as string,
    })
  })
})

import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { LayersModel, Tensor, Tensor4D } from '@tensorflow/tfjs'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Architecture, ModelCard } from '../../../src/main/engine/learning/model/model-card.ts'
import {
  loadModelPackage,
  saveModelPackage,
  specOf,
} from '../../../src/main/engine/learning/model/model-package.ts'
import { parameterLayout } from '../../../src/main/engine/learning/network/parameters.ts'
import { createSlicePredictor } from '../../../src/main/engine/learning/prediction/slice-predictor.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { expectNoLeakAsync, runtime } from './compute-runtime.ts'
import { sampleImage, sampleNetworkValues } from './sample-network.ts'
import { sampleCard, sampleMaterials } from './sample-run.ts'

const { tf } = runtime
const scratch = temporaryFolder('model-package')
const architectures: [title: string, architecture: Architecture][] = [
  ['a UNet', { name: 'unet', contextSlices: 0, baseFilters: 4, depth: 2, normalisation: 'batch' }],
  [
    'a UNet with neighbouring slices',
    { name: 'unet', contextSlices: 1, baseFilters: 2, depth: 3, normalisation: 'none' },
  ],
  ['VGG16 at one scale', { name: 'vgg16-nn', contextSlices: 0, features: 'block1', hidden: [5] }],
  [
    'VGG16 at several scales',
    { name: 'vgg16-nn', contextSlices: 0, features: 'multi-scale', hidden: [5, 4] },
  ],
]

async function save(folder: string, architecture: Architecture) {
  const spec = specOf({ architecture, materials: sampleMaterials })
  const values = sampleNetworkValues(spec, 8)
  if (architecture.name === 'vgg16-nn') {
    // Its input reaches to ±150: without smaller weights every probability would be 0 or 1, and nothing could differ.
    const first = parameterLayout(spec).entries.find(({ name }) => name === 'block1_conv1/kernel')!
    for (let i = first.offset; i < first.offset + first.length; i++) values.parameters[i] *= 0.01
  }
  const card = await saveModelPackage(runtime, folder, { spec, ...values, card: sampleCard(architecture) })
  return { spec, card, ...values }
}

/**
 * Keras and TensorFlow enlarge between the centres of voxels; the layer of TensorFlow.js with the same name and settings
 * between their corners. docs/training.md says so.
 */
function enlargeBetweenCentres(model: LayersModel): void {
  for (const layer of model.layers) {
    if (layer.getClassName() !== 'UpSampling2D') continue
    const [factor] = layer.getConfig()['size'] as [number, number]
    layer.call = (inputs) => {
      const input = (Array.isArray(inputs) ? inputs[0] : inputs) as Tensor4D
      return tf.image.resizeBilinear(input, [input.shape[1] * factor, input.shape[2] * factor], false, true)
    }
  }
}

describe.each(architectures)('a package of %s', (title, architecture) => {
  const folder = path.join(scratch, title.replaceAll(' ', '-'))

  test('comes back bit by bit, from the package or from the run around it, and leaves no tensors', async () => {
    const saved = await expectNoLeakAsync(() => save(path.join(folder, 'model'), architecture))
    for (const given of [path.join(folder, 'model'), folder]) {
      const loaded = await expectNoLeakAsync(() => loadModelPackage(given))
      expect(loaded).toEqual(saved)
    }
    expect(saved.card).toEqual({ ...sampleCard(architecture), weightsSha256: saved.card.weightsSha256 })
    const weights = readFileSync(path.join(folder, 'model', 'weights.bin'))
    expect(createHash('sha256').update(weights).digest('hex')).toBe(saved.card.weightsSha256)
  })

  test('opens as a TensorFlow.js layers model that gives the same probabilities', async () => {
    const { spec, parameters, statistics } = await save(path.join(folder, 'layers'), architecture)
    const [height, width, channels] = [32, 48, 2 * architecture.contextSlices + 1]
    const images = Array.from({ length: channels }, (_, k) => sampleImage(height, width, k + 1))
    const normalisation = { method: 'percentile', low: 12_000, high: 30_000 } as const
    const predictor = createSlicePredictor(runtime, spec, { parameters, statistics, memoryBytes: 1e9 })
    const ours = predictor.predict(
      { channels: images, height, width, normalisation },
      { probabilities: true },
    )
    predictor.dispose()

    const model = await tf.loadLayersModel(pathToFileURL(path.join(folder, 'layers', 'model.json')).href)
    enlargeBetweenCentres(model)
    const input = Float32Array.from({ length: height * width * channels }, (_, i) => {
      const grey = images[i % channels][Math.floor(i / channels)]
      return (2 * (grey - normalisation.low)) / (normalisation.high - normalisation.low) - 1
    })
    const theirs = tf.tidy(() => {
      const output = model.predict(tf.tensor4d(input, [1, height, width, channels])) as Tensor
      expect(output.shape).toEqual([1, height, width, sampleMaterials.length])
      return output.dataSync().slice()
    })
    model.dispose()
    const worst = Math.max(...theirs.map((value, i) => Math.abs(value - ours.probabilities![i])))
    expect(worst).toBeLessThan(1e-5)
    // A constant would agree as well.
    const first = theirs.filter((_, i) => i % 3 === 0)
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(0.05)
  })
})

describe('damaged and hostile packages', () => {
  const good = path.join(scratch, 'good')
  let copies = 0
  beforeAll(async () => {
    await save(good, architectures[0][1])
  })

  type Json = Record<string, unknown>
  function damaged(damage: (folder: string) => void): string {
    const folder = path.join(scratch, `damaged-${copies++}`)
    cpSync(good, folder, { recursive: true })
    damage(folder)
    return folder
  }
  const edit = (name: string, change: (json: Json) => unknown) => (folder: string) => {
    const file = path.join(folder, name)
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Json)))
  }
  const editCard = (change: (card: ModelCard & Json) => unknown) =>
    edit('card.json', (json) => change(json as unknown as ModelCard & Json))
  interface Weight {
    name: string
    shape: unknown
  }
  const editWeights = (change: (weights: Weight[]) => unknown) =>
    edit('model.json', (json) => {
      const [group] = json['weightsManifest'] as { weights: Weight[] }[]
      return { ...json, weightsManifest: [{ ...group, weights: change(group.weights) }] }
    })

  test('the untouched copy is fine', async () => {
    await expect(loadModelPackage(damaged(() => undefined))).resolves.toMatchObject({ card: { version: 1 } })
  })

  test.each<[string, string, (folder: string) => void]>([
    [
      'one flipped bit',
      'weights.bin',
      (folder) => {
        const file = path.join(folder, 'weights.bin')
        const bytes = readFileSync(file)
        bytes[1000] ^= 1
        writeFileSync(file, bytes)
      },
    ],
    ['weights cut off', 'weights.bin', (folder) => writeFileSync(path.join(folder, 'weights.bin'), 'abc')],
    ['no weight at all', 'weights.bin', (folder) => writeFileSync(path.join(folder, 'weights.bin'), '')],
    ['another checksum', 'weights.bin', editCard((card) => ({ ...card, weightsSha256: '0'.repeat(64) }))],
    [
      'more materials than outputs',
      'weights.bin',
      editCard((card) => ({
        ...card,
        materials: [...card.materials, { index: 4, value: 201, name: 'more', colour: '#000000' }],
      })),
    ],
    [
      'a material twice',
      'card.json',
      editCard((card) => ({ ...card, materials: [card.materials[0], card.materials[1], card.materials[1]] })),
    ],
    [
      'the largest filters and depth',
      'weights.bin',
      editCard((card) => ({ ...card, architecture: { ...card.architecture, baseFilters: 256, depth: 7 } })),
    ],
    [
      'more filters than allowed',
      'card.json',
      editCard((card) => ({ ...card, architecture: { ...card.architecture, baseFilters: 1e9 } })),
    ],
    [
      'a depth beyond sense',
      'card.json',
      editCard((card) => ({ ...card, architecture: { ...card.architecture, depth: 40 } })),
    ],
    [
      'half a filter',
      'card.json',
      editCard((card) => ({ ...card, architecture: { ...card.architecture, baseFilters: 4.5 } })),
    ],
    [
      'negative context',
      'card.json',
      editCard((card) => ({ ...card, architecture: { ...card.architecture, contextSlices: -1 } })),
    ],
    [
      'an unknown network',
      'card.json',
      editCard((card) => ({ ...card, architecture: { ...card.architecture, name: 'resnet' } })),
    ],
    ['one material', 'card.json', editCard((card) => ({ ...card, materials: card.materials.slice(0, 1) }))],
    ['a newer version', 'card.json', editCard((card) => ({ ...card, version: 2 }))],
    [
      'no training range',
      'card.json',
      editCard((card) => ({
        ...card,
        normalisation: { method: 'percentile', scope: 'volume', training: [] },
      })),
    ],
    [
      'a card that is no JSON',
      'card.json',
      (folder) => writeFileSync(path.join(folder, 'card.json'), '{"format"'),
    ],
    [
      'a name that moves the cursor',
      'card.json',
      editCard((card) => ({
        ...card,
        materials: card.materials.map((material) => ({ ...material, name: 'a\u001b[2Jb' })),
      })),
    ],
    [
      'a topology that is no JSON',
      'model.json',
      (folder) => writeFileSync(path.join(folder, 'model.json'), '<html>'),
    ],
    ['no manifest', 'model.json', edit('model.json', ({ modelTopology }) => ({ modelTopology }))],
    ['null', 'model.json', edit('model.json', () => null)],
    [
      'a weight without a name',
      'model.json',
      editWeights((weights) => weights.map(({ shape }) => ({ shape }))),
    ],
    [
      'a weight without a shape',
      'model.json',
      editWeights((weights) => weights.map(({ name }) => ({ name }))),
    ],
    [
      'a shape that is text',
      'model.json',
      editWeights((weights) => weights.map(({ name }) => ({ name, shape: '3,3,1,4' }))),
    ],
    ['a missing weight', 'model.json', editWeights((weights) => weights.slice(1))],
    ['a weight twice', 'model.json', editWeights((weights) => [weights[0], ...weights])],
    [
      'a weight under another name',
      'model.json',
      editWeights((weights) =>
        weights.map((weight, i) => (i === 2 ? { ...weight, name: '../../etc/passwd' } : weight)),
      ),
    ],
    [
      'a name of Object itself',
      'model.json',
      editWeights((weights) =>
        weights.map((weight, i) =>
          i === 2 ? { ...weight, name: 'encoder0_convolution1/constructor' } : weight,
        ),
      ),
    ],
    [
      'a weight of another shape',
      'model.json',
      editWeights((weights) =>
        weights.map((weight, i) => (i === 0 ? { ...weight, shape: [1, 9, 1, 4] } : weight)),
      ),
    ],
    [
      'a weight of huge shape',
      'model.json',
      editWeights((weights) =>
        weights.map((weight, i) => (i === 0 ? { ...weight, shape: [1e9, 1e9] } : weight)),
      ),
    ],
  ])('%s: BadInput about %s', async (_, name, damage) => {
    const folder = damaged(damage)
    const before = process.memoryUsage().arrayBuffers
    await expect(loadModelPackage(folder)).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: path.join(folder, name) },
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })

  test.each(['weights.bin', 'model.json', 'card.json'])('without %s: NotFound', async (name) => {
    const folder = damaged((copy) => rmSync(path.join(copy, name)))
    await expect(loadModelPackage(folder)).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  test('a run without a model says how to finish it, an empty folder and none do not', async () => {
    const run = path.join(scratch, 'unfinished')
    mkdirSync(run)
    const empty = await loadModelPackage(run).catch((error: unknown) => error)
    expect(empty).toMatchObject({ _tag: 'NotFound', fields: { path: run } })
    writeFileSync(path.join(run, 'run.json'), '{}')
    await expect(loadModelPackage(run)).rejects.toMatchObject({
      _tag: 'NotFound',
      message: expect.stringContaining('--resume') as string,
    })
    await expect(loadModelPackage(path.join(scratch, 'nowhere'))).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  test('weights in another order of names are put where they belong', async () => {
    // Other programs may write the same weights in another order.
    const folder = damaged((copy) => {
      const weightsPath = path.join(copy, 'weights.bin')
      const bytes = readFileSync(weightsPath)
      const modelPath = path.join(copy, 'model.json')
      const model = JSON.parse(readFileSync(modelPath, 'utf8')) as {
        weightsManifest: { weights: { name: string; shape: number[] }[] }[]
      }
      const { weights } = model.weightsManifest[0]
      const pieces: Buffer[] = []
      let at = 0
      for (const { shape } of weights) {
        const length = 4 * shape.reduce((a, b) => a * b, 1)
        pieces.push(bytes.subarray(at, at + length))
        at += length
      }
      weights.reverse()
      const turned = Buffer.concat(pieces.reverse())
      writeFileSync(weightsPath, turned)
      writeFileSync(modelPath, JSON.stringify(model))
      editCard((card) => ({ ...card, weightsSha256: createHash('sha256').update(turned).digest('hex') }))(
        copy,
      )
    })
    const [turned, straight] = [await loadModelPackage(folder), await loadModelPackage(good)]
    expect(turned.parameters).toEqual(straight.parameters)
    expect(turned.statistics).toEqual(straight.statistics)
  })

  test('a package whose writing failed is not a model', async () => {
    const folder = path.join(scratch, 'interrupted')
    mkdirSync(path.join(folder, 'card.json'), { recursive: true })
    await expect(save(folder, architectures[0][1])).rejects.toThrow()
    rmSync(path.join(folder, 'card.json'), { recursive: true })
    expect(existsSync(path.join(folder, 'weights.bin'))).toBe(true)
    await expect(loadModelPackage(folder)).rejects.toMatchObject({ _tag: 'NotFound' })
  })
})

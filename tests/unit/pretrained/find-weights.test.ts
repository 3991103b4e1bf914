import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { WeightSet } from '../../../src/main/engine/pretrained/catalogue.ts'
import { findPretrainedWeights } from '../../../src/main/engine/pretrained/find-weights.ts'
import { listWeights } from '../../../src/main/engine/pretrained/list-weights.ts'
import { npySha256 } from '../../../src/main/engine/pretrained/verify.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { sharedModel } from '../../support/shared-data.ts'
import {
  goldenWeights,
  microstructureBytes,
  officialBytes,
  officialName,
  place,
  safetensorsOf,
  tinyImagenet,
  tinyMicrostructures,
  tinyTensors,
  writeCatalogue,
} from './tiny-weights.ts'

const scratch = scratchFolder('find-weights')
let folders = 0

/** A fresh set of places: project, one folder of PHASEMARK_MODELS, user's folder, bundled folder. */
function places(sets?: readonly WeightSet[]) {
  const folder = path.join(scratch, `${folders++}`)
  const environment = { ...writeCatalogue(folder, sets), PHASEMARK_MODELS: path.join(folder, 'shared') }
  const project = path.join(folder, 'x.phasemark')
  mkdirSync(environment.PHASEMARK_MODELS)
  return {
    options: { project, environment },
    folders: {
      project: path.join(project, 'models'),
      PHASEMARK_MODELS: environment.PHASEMARK_MODELS,
      user: environment.PHASEMARK_USER_MODELS,
      bundled: environment.PHASEMARK_BUNDLED_MODELS,
    },
  }
}

const exact = safetensorsOf(tinyTensors())
const rounded = safetensorsOf(tinyTensors({ rounded: true }))
const imagenetName = 'vgg16-imagenet.safetensors'
const microstructuresName = 'vgg16-microstructures.safetensors'

function flipped(bytes: Uint8Array, at = bytes.length - 10): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] ^= 1
  return copy
}

function unavailable(message: RegExp) {
  return { _tag: 'WeightsUnavailable', message: expect.stringMatching(message) as string }
}

describe('the search', () => {
  const order = ['project', 'PHASEMARK_MODELS', 'user', 'bundled'] as const

  test.each(order.map((kind, first) => [kind, order.slice(first)] as const))(
    'finds ImageNet in %s first',
    async (kind, from) => {
      const { options, folders: to } = places()
      for (const name of from) place(to[name], imagenetName, exact)
      place(to.project, microstructuresName, microstructureBytes)
      const found = await findPretrainedWeights(options)
      expect(found).toMatchObject({
        id: 'vgg16-imagenet',
        place: kind,
        path: path.join(to[kind], imagenetName),
      })
      expect(found.tensors).toEqual(tinyTensors())
    },
  )

  test('takes the bundled set when ImageNet is nowhere, and by name when it is', async () => {
    const { options, folders: to } = places()
    place(to.bundled, microstructuresName, microstructureBytes)
    expect(await findPretrainedWeights(options)).toMatchObject({
      ...{ id: 'vgg16-microstructures', place: 'bundled', licence: 'MIT', exactBiases: null },
      sha256: tinyMicrostructures().file.sha256,
    })
    place(to.user, imagenetName, exact)
    expect(await findPretrainedWeights(options)).toMatchObject({ id: 'vgg16-imagenet' })
    const set = 'vgg16-microstructures'
    expect(await findPretrainedWeights({ ...options, set })).toMatchObject({ id: set, place: 'bundled' })
  })

  test('searches several folders of PHASEMARK_MODELS in order, and ignores empty parts', async () => {
    const { options, folders: to } = places()
    const [one, two] = ['one', 'two'].map((name) => path.join(scratch, name))
    mkdirSync(one)
    place(two, imagenetName, exact)
    place(to.user, imagenetName, exact)
    const PHASEMARK_MODELS = ['', one, two, ''].join(path.delimiter)
    const environment = { ...options.environment, PHASEMARK_MODELS }
    expect(await findPretrainedWeights({ environment })).toMatchObject({ path: path.join(two, imagenetName) })
  })

  test('says so when PHASEMARK_MODELS names no folder, instead of looking elsewhere', async () => {
    const { options, folders: to } = places()
    place(to.user, imagenetName, exact)
    for (const PHASEMARK_MODELS of [path.join(scratch, 'nowhere'), path.join(to.user, imagenetName)]) {
      await expect(
        findPretrainedWeights({ environment: { ...options.environment, PHASEMARK_MODELS } }),
      ).rejects.toMatchObject(unavailable(/^PHASEMARK_MODELS: expected folders.*(ENOENT|a file)/))
    }
  })

  test('reads the publisher’s file where it lies', async () => {
    const { options, folders: to } = places()
    const file = place(to.user, officialName, officialBytes)
    expect(await findPretrainedWeights(options)).toMatchObject({ path: file, exactBiases: true })
  })

  test('names every place and both ways out when nothing is found', async () => {
    const { options, folders: to } = places()
    for (const set of [undefined, 'vgg16-microstructures']) {
      const search = findPretrainedWeights({ ...options, ...(set === undefined ? {} : { set }) })
      await expect(search).rejects.toMatchObject({
        _tag: 'WeightsUnavailable',
        fields: { remedy: expect.stringMatching(/weights fetch.*weights import FILE/) as string },
      })
      for (const folder of Object.values(to)) {
        await expect(search).rejects.toMatchObject({ message: expect.stringContaining(folder) as string })
      }
    }
  })

  test('does without an entry for the bundled set', async () => {
    const { options, folders: to } = places([tinyImagenet()])
    place(to.bundled, microstructuresName, microstructureBytes)
    await expect(findPretrainedWeights(options)).rejects.toMatchObject({ _tag: 'WeightsUnavailable' })
    expect((await listWeights(options)).sets.map(({ id }) => id)).toEqual(['vgg16-imagenet'])
  })
})

describe('a file named by its path', () => {
  test.each([
    ['the publisher’s file', 'published-notop.h5', true],
    ['with top', 'published-with-top.h5', true],
    ['saved again by Keras', 'keras-save-weights.h5', true],
  ])('%s is recognised by its tensors', async (_, name, exactBiases) => {
    const { options } = places()
    const found = await findPretrainedWeights({ ...options, set: goldenWeights(name) })
    expect(found).toMatchObject({
      id: 'vgg16-imagenet',
      place: 'file',
      path: goldenWeights(name),
      exactBiases,
    })
    expect(found.tensors).toEqual(tinyTensors())
  })

  test('rounded biases are accepted and reported', async () => {
    const { options } = places()
    const set = place(scratch, 'copy.safetensors', rounded)
    expect(await findPretrainedWeights({ ...options, set })).toMatchObject({ exactBiases: false })
  })

  test('one exact and three rounded biases count as rounded', async () => {
    const { options } = places()
    const mixed = tinyTensors({ rounded: true }).set(
      'block1_conv1/bias',
      tinyTensors().get('block1_conv1/bias')!,
    )
    const set = place(scratch, 'mixed.safetensors', safetensorsOf(mixed))
    expect(await findPretrainedWeights({ ...options, set })).toMatchObject({ exactBiases: false })
  })

  test('other weights of the same network are refused, naming the tensors of the nearest set', async () => {
    const { options } = places()
    const other = tinyTensors()
    other.get('block2_conv1/kernel')!.values[7] += 1
    const set = place(scratch, 'other.safetensors', safetensorsOf(other))
    await expect(findPretrainedWeights({ ...options, set })).rejects.toMatchObject(
      unavailable(
        /other\.safetensors.*vgg16-imagenet, found 1 of 8 to differ \(block2_conv1\/kernel: expected sha256 .*found [0-9a-f]{64}\)/,
      ),
    )
  })

  test.each([
    ['another type', 'float16.h5', /block1_conv1\/kernel: expected float32 \[3, 3, 3, 4\], found float16/],
    ['another byte order', 'big-endian.h5', /found big-endian float32 \[3, 3, 3, 4\]/],
  ])('%s is refused', async (_, name, message) => {
    const { options } = places()
    await expect(findPretrainedWeights({ ...options, set: goldenWeights(name) })).rejects.toMatchObject(
      unavailable(message),
    )
  })

  test('another shape or a missing tensor is refused', async () => {
    const { options } = places()
    const tensors = tinyTensors()
    tensors.get('block1_conv1/kernel')!.shape = [3, 3, 4, 3]
    tensors.delete('block2_conv2/bias')
    const set = place(scratch, 'shape.safetensors', safetensorsOf(tensors))
    await expect(findPretrainedWeights({ ...options, set })).rejects.toMatchObject(
      unavailable(
        /found 2 of 8 to differ \(block1_conv1\/kernel: expected float32 \[3, 3, 3, 4\], found float32 \[3, 3, 4, 3\]; also block2_conv2\/bias\)/,
      ),
    )
  })

  test('neither a set nor a file', async () => {
    const { options } = places()
    await expect(findPretrainedWeights({ ...options, set: 'vgg19' })).rejects.toMatchObject(
      unavailable(/^vgg19: .*vgg16-imagenet, vgg16-microstructures, found neither/),
    )
  })
})

describe('a damaged file', () => {
  test.each<[string, string, Uint8Array, RegExp]>([
    [
      'one bit of a kernel',
      imagenetName,
      flipped(exact, exact.length - 1000),
      /expected the tensors of vgg16-imagenet, found 1 of 8 to differ \(block2_conv2\/kernel/,
    ],
    [
      'one bit of a bias',
      imagenetName,
      flipped(exact),
      /block2_conv2\/bias: expected sha256 [0-9a-f]{64} as \.npy/,
    ],
    ['a cut file', imagenetName, exact.subarray(0, 2000), /expected a whole safetensors file/],
    ['an empty file', imagenetName, new Uint8Array(0), /found 0 bytes/],
    [
      'the publisher’s file with one changed bit',
      officialName,
      flipped(officialBytes),
      /with md5 [0-9a-f]{32}, found 14112 bytes with md5/,
    ],
    ['a cut publisher’s file', officialName, officialBytes.subarray(0, 9000), /found 9000 bytes/],
  ])('%s is an error even when a whole one lies elsewhere', async (_, name, bytes, message) => {
    const { options, folders: to } = places()
    const file = place(to.project, name, bytes)
    place(to.user, imagenetName, exact)
    place(to.bundled, microstructuresName, microstructureBytes)
    const search = findPretrainedWeights(options)
    await expect(search).rejects.toMatchObject(unavailable(message))
    await expect(search).rejects.toMatchObject({ message: expect.stringContaining(file) as string })
    const listing = await listWeights(options)
    expect(listing.used).toBeNull()
    expect(listing.sets[0].files).toMatchObject([
      {
        place: 'project',
        path: file,
        state: 'damaged',
        problem: expect.stringMatching(/expected .*, found /) as string,
      },
      { place: 'user', state: 'verified', exactBiases: true, problem: null },
    ])
  })

  test('the bundled set counts as a whole file, with its header', async () => {
    const { options, folders: to } = places()
    const text = Buffer.from(microstructureBytes)
    // A blank of the padding of the header: every tensor is right.
    const at = text.indexOf('}  ')
    text[at + 2] = 0x0a
    place(to.bundled, microstructuresName, text)
    await expect(findPretrainedWeights(options)).rejects.toMatchObject(
      unavailable(
        /microstructures.*bytes with sha256 .*found \d+ bytes with sha256 .*Install Phasemark again/,
      ),
    )
  })

  test('a folder or a broken link of that name is no file', async () => {
    const { options, folders: to } = places()
    mkdirSync(path.join(to.user, imagenetName), { recursive: true })
    await expect(findPretrainedWeights(options)).rejects.toMatchObject(unavailable(/expected a file, found/))
    // A link that leads nowhere is as good as no file.
    mkdirSync(to.project, { recursive: true })
    symlinkSync('/nowhere/at/all', path.join(to.project, imagenetName))
    await expect(findPretrainedWeights(options)).rejects.toMatchObject(unavailable(/expected a file, found/))
  })
})

test('a signal that has fired stops the search', async () => {
  const { options, folders: to } = places()
  place(to.user, imagenetName, exact)
  const signal = AbortSignal.abort()
  await expect(findPretrainedWeights({ ...options, signal })).rejects.toMatchObject({ _tag: 'Cancelled' })
  await expect(listWeights({ ...options, signal })).rejects.toMatchObject({ _tag: 'Cancelled' })
})

const imagenet = sharedModel('vgg16-imagenet.safetensors')

describe.skipIf(imagenet === null)('the ImageNet weights of ../shared/models', () => {
  const environment = { PHASEMARK_MODELS: path.dirname(imagenet ?? ''), PHASEMARK_USER_MODELS: scratch }

  test('are found by the catalogue of the repository, verified and read', async () => {
    const weights = await findPretrainedWeights({ environment })
    expect(weights).toMatchObject({
      ...{ id: 'vgg16-imagenet', place: 'PHASEMARK_MODELS', path: imagenet, exactBiases: false },
      layers: ['block1_conv1', 'block1_conv2', 'block2_conv1', 'block2_conv2'],
    })
    const { tensors } = weights
    expect(tensors.get('block2_conv2/kernel')?.shape).toEqual([3, 3, 128, 128])
    // Values of the official weights that a third-party loader asserts (shared JSON, independent_values).
    expect(tensors.get('block1_conv1/kernel')?.values[0]).toBeCloseTo(0.42947057, 8)
    expect(tensors.get('block1_conv2/kernel')?.values.at(-1)).toBeCloseTo(0.016082443, 9)
  })

  test('have the hashes as .npy that another repository states for the same kernels', async () => {
    const { tensors } = await findPretrainedWeights({ environment })
    const facts = JSON.parse(readFileSync(imagenet!.replace(/\.safetensors$/, '.json'), 'utf8')) as {
      verification: { lfs: { sha256: Record<string, { sha256: string }> } }
    }
    for (const [layer, file] of [
      ['block1_conv2', 'conv1_2_W.npy'],
      ['block2_conv1', 'conv2_1_W.npy'],
      ['block2_conv2', 'conv2_2_W.npy'],
    ]) {
      const { values, shape } = tensors.get(`${layer}/kernel`)!
      expect(npySha256(values, shape)).toBe(facts.verification.lfs.sha256[file].sha256)
    }
  })

  test('with one changed bit are refused, and nothing else is taken in their place', async () => {
    const project = path.join(scratch, 'damaged.phasemark')
    const file = path.join(project, 'models', imagenetName)
    mkdirSync(path.dirname(file), { recursive: true })
    copyFileSync(imagenet!, file)
    writeFileSync(file, flipped(readFileSync(file), 900_000))
    await expect(findPretrainedWeights({ project, environment })).rejects.toMatchObject(
      unavailable(/damaged\.phasemark.*block2_conv2\/kernel.*sha256 d04e9376/),
    )
  })
})

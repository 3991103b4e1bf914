import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { acquireLock } from '../../../src/main/engine/files/lock.ts'
import { decodeTensors } from '../../../src/main/engine/learning/model/safetensors.ts'
import { findPretrainedWeights } from '../../../src/main/engine/pretrained/find-weights.ts'
import { importWeights } from '../../../src/main/engine/pretrained/import-weights.ts'
import { contentOf, scratchFolder } from '../../support/file-tree.ts'
import { sharedModel } from '../../support/shared-data.ts'
import {
  goldenWeights,
  hexHash,
  microstructureBytes,
  officialBytes,
  place,
  safetensorsOf,
  tinyImagenet,
  tinyMicrostructures,
  tinyTensors,
  writeCatalogue,
} from './tiny-weights.ts'

const scratch = scratchFolder('import-weights')
let folders = 0

function fresh(...sets: Parameters<typeof writeCatalogue>[1][]) {
  const folder = path.join(scratch, `${folders++}`)
  const environment = writeCatalogue(folder, ...sets)
  return { folder, environment, user: environment.PHASEMARK_USER_MODELS }
}

const exact = safetensorsOf(tinyTensors())
const rounded = safetensorsOf(tinyTensors({ rounded: true }))

describe('importing', () => {
  test.each([
    'published-notop.h5',
    'published-with-top.h5',
    'keras-save-weights.h5',
    'keras-whole-model.h5',
    'compressed.h5',
  ])('%s keeps blocks 1 and 2 in our own form, found from then on', async (name) => {
    const { environment, user } = fresh()
    const before = contentOf(goldenWeights(name))
    const result = await importWeights(goldenWeights(name), { environment })
    const file = path.join(user, 'vgg16-imagenet.safetensors')
    expect(result).toMatchObject({
      ...{ id: 'vgg16-imagenet', licence: 'CC BY', path: file, changed: true, exactBiases: true },
      ...{ selfTest: { passed: true }, sha256: hexHash('sha256', readFileSync(file)) },
    })
    expect(result.bytes).toBe(readFileSync(file).length)
    const { tensors, metadata } = decodeTensors(readFileSync(file), file)
    expect(Object.keys(tensors)).toEqual([...tinyTensors().keys()])
    expect(metadata).toMatchObject({ set: 'vgg16-imagenet', licence: 'CC BY, somebody' })
    const found = await findPretrainedWeights({ environment })
    expect(found).toMatchObject({ place: 'user', path: file, sha256: result.sha256 })
    expect(found.tensors).toEqual(tinyTensors())
    expect(contentOf(goldenWeights(name))).toEqual(before)
    expect(readdirSync(user).sort()).toEqual(['vgg16-imagenet.provenance.json', 'vgg16-imagenet.safetensors'])
  })

  test('the same tensors give the same file, whatever they came in', async () => {
    const [first, second] = [fresh(), fresh()]
    const a = await importWeights(goldenWeights('published-with-top.h5'), first)
    const b = await importWeights(place(scratch, 'exact.safetensors', exact), second)
    expect(b.sha256).toBe(a.sha256)
  })

  test('leaves a note of where the file came from', async () => {
    const { environment, user } = fresh()
    await importWeights(goldenWeights('published-notop.h5'), { environment })
    const note = JSON.parse(
      readFileSync(path.join(user, 'vgg16-imagenet.provenance.json'), 'utf8'),
    ) as unknown
    expect(note).toMatchObject({
      ...{
        kind: 'provenance',
        set: 'vgg16-imagenet',
        licenceStatement: 'CC BY, somebody',
        exactBiases: true,
      },
      importedFrom: {
        ...{ fileName: 'published-notop.h5', download: 'the official file' },
        ...{ md5: hexHash('md5', officialBytes), sha256: hexHash('sha256', officialBytes) },
      },
    })
  })

  test('twice changes nothing the second time', async () => {
    const { environment, user } = fresh()
    await importWeights(goldenWeights('published-notop.h5'), { environment })
    const before = contentOf(user)
    const again = await importWeights(goldenWeights('keras-whole-model.h5'), { environment })
    expect(again).toMatchObject({ changed: false, exactBiases: true })
    expect(contentOf(user)).toEqual(before)
  })

  test('exact biases replace rounded ones, and never the other way round', async () => {
    const { environment } = fresh()
    const copy = place(scratch, 'rounded.safetensors', rounded)
    expect(await importWeights(copy, { environment })).toMatchObject({ changed: true, exactBiases: false })
    expect(await importWeights(copy, { environment })).toMatchObject({ changed: false, exactBiases: false })
    const original = goldenWeights('published-notop.h5')
    expect(await importWeights(original, { environment })).toMatchObject({ changed: true, exactBiases: true })
    expect(await importWeights(copy, { environment })).toMatchObject({ changed: false, exactBiases: true })
    expect(await findPretrainedWeights({ environment })).toMatchObject({ exactBiases: true })
  })

  test('replaces a damaged file', async () => {
    const { environment, user } = fresh()
    place(user, 'vgg16-imagenet.safetensors', exact.subarray(0, 500))
    await importWeights(goldenWeights('published-notop.h5'), { environment })
    expect(await findPretrainedWeights({ environment })).toMatchObject({ place: 'user' })
  })

  test('a set that is known as a whole file is copied as it is, and only as that', async () => {
    const { environment, user } = fresh()
    const source = place(scratch, 'any-name.safetensors', microstructureBytes)
    const { sha256 } = tinyMicrostructures().file
    expect(await importWeights(source, { environment })).toMatchObject({
      id: 'vgg16-microstructures',
      sha256,
      selfTest: null,
    })
    expect(contentOf(path.join(user, 'vgg16-microstructures.safetensors'))).toMatchObject(
      Object.fromEntries([[path.join(user, 'vgg16-microstructures.safetensors'), sha256]]),
    )
    const longer = Buffer.concat([microstructureBytes, Buffer.alloc(1)])
    await expect(importWeights(place(scratch, 'longer.safetensors', longer), fresh())).rejects.toMatchObject({
      _tag: 'WeightsUnavailable',
      message: expect.stringMatching(
        /expected the file vgg16-microstructures\.safetensors with sha256/,
      ) as string,
    })
  })
})

describe('what is not imported', () => {
  test.each<[string, string, string, RegExp]>([
    ['half precision', goldenWeights('float16.h5'), 'WeightsUnavailable', /found 8 of 8 to differ.*float16/],
    ['the layout of Keras 3', goldenWeights('keras-3.h5'), 'BadInput', /one group per layer/],
    ['no file of weights', goldenWeights('../weights.py'), 'BadInput', /safetensors/],
    ['a missing file', path.join(scratch, 'missing.h5'), 'NotFound', /missing\.h5/],
    ['a folder', scratch, 'BadInput', /expected a file, found something else/],
  ])('%s', async (_, file, tag, message) => {
    const { environment, user } = fresh()
    await expect(importWeights(file, { environment })).rejects.toMatchObject({
      _tag: tag,
      message: expect.stringMatching(message) as string,
    })
    expect(readdirSync(user)).toEqual([])
  })

  test('weights that fail the self-test, though every hash is right', async () => {
    const set = tinyImagenet()
    set.selfTest!.sums[0].sum *= 1.01
    const { environment, user } = fresh([set])
    await expect(importWeights(goldenWeights('published-notop.h5'), { environment })).rejects.toMatchObject({
      _tag: 'WeightsUnavailable',
      message: expect.stringMatching(
        /self-test within 0\.001, found a relative difference of 0\.0099/,
      ) as string,
    })
    expect(readdirSync(user)).toEqual([])
  })

  test('anything while another process imports', async () => {
    const { environment, user } = fresh()
    await importWeights(goldenWeights('published-notop.h5'), { environment })
    const lock = await acquireLock(user, { purpose: 'fetching weights' })
    try {
      await expect(importWeights(goldenWeights('published-notop.h5'), { environment })).rejects.toMatchObject(
        {
          _tag: 'Locked',
          message: expect.stringMatching(/fetching weights/) as string,
        },
      )
    } finally {
      await lock.release()
    }
  })

  test('anything after the signal', async () => {
    const { environment, user } = fresh()
    const signal = AbortSignal.abort()
    await expect(
      importWeights(goldenWeights('published-notop.h5'), { environment, signal }),
    ).rejects.toMatchObject({
      _tag: 'Cancelled',
    })
    expect(readdirSync(user)).toEqual([])
  })
})

const imagenet = sharedModel('vgg16-imagenet.safetensors')

test.skipIf(imagenet === null)(
  'the ImageNet weights of ../shared/models are imported with their self-test',
  async () => {
    const user = path.join(scratch, 'imagenet')
    const result = await importWeights(imagenet!, { environment: { PHASEMARK_USER_MODELS: user } })
    expect(result).toMatchObject({
      id: 'vgg16-imagenet',
      exactBiases: false,
      selfTest: { compared: 50, passed: true },
    })
    expect(result.bytes).toBeLessThan(1.1e6)
  },
)

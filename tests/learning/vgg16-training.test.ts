import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { loadModelPackage, specOf } from '../../src/main/engine/learning/model/model-package.ts'
import { parameterLayout } from '../../src/main/engine/learning/network/parameters.ts'
import type * as FindWeightsModule from '../../src/main/engine/pretrained/find-weights.ts'
import { expectNoLeakAsync, withFailingRun } from '../unit/learning/compute-runtime.ts'
import { randomVgg16 } from '../unit/learning/random-vgg16.ts'
import { temporaryFolder } from '../unit/volume/temporary-folder.ts'
import { sampleVolume, writeSample } from './sample-data.ts'
import { readMetrics, trainOn, type TrainingRequest } from './small-training.ts'

/** Seed of the random weights that stand for pretrained ones: filters as good as any for telling these materials apart. */
const weightsSeed = vi.hoisted(() => ({ current: 3 }))

vi.mock('../../src/main/engine/pretrained/find-weights.ts', async (original) => {
  const module = await original<typeof FindWeightsModule>()
  const findPretrainedWeights = (): Promise<FindWeightsModule.PretrainedWeights> =>
    Promise.resolve({
      id: 'random',
      title: 'random filters',
      licence: 'MIT',
      source: 'this test',
      citation: null,
      place: 'file',
      path: 'random.safetensors',
      sha256: '0'.repeat(64),
      exactBiases: null,
      preprocessing: { channelOrder: 'BGR', inputRange: [0, 255], subtractMean: [103.939, 116.779, 123.68] },
      layers: ['block1_conv1', 'block1_conv2', 'block2_conv1', 'block2_conv2'],
      tensors: randomVgg16(weightsSeed.current),
    })
  return { ...module, findPretrainedWeights }
})

const scratch = temporaryFolder('vgg16-training')
const images = path.join(scratch, 'images')
const labels = path.join(scratch, 'labels')
const choices = { model: 'vgg16-nn', maxSteps: 60, seed: 2, checkpointSteps: 10 } as const
const split = { validationSlices: [{ first: 10, last: 11 }] }

beforeAll(async () => {
  await writeSample(scratch, sampleVolume(12, 80, 96, 5))
})

function train(name: string, request: Partial<TrainingRequest> = {}) {
  return trainOn({
    volume: images,
    labels,
    unlabelled: 'none',
    out: path.join(scratch, name),
    choices,
    split,
    ...request,
  })
}

describe('training VGG16 features with a neural network', () => {
  test('learns, says which weights it began with, and leaves no tensors', async () => {
    const result = await expectNoLeakAsync(() => train('whole'))
    const metrics = readMetrics(path.join(scratch, 'whole'))
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(metrics.at(-1)!.loss).toBeLessThan(metrics[0].loss * 0.7)
    // Noise is as large as the difference between materials: a threshold on single voxels gets about 0.6.
    expect(result.validation!.macroF1!).toBeGreaterThan(0.75)
    expect(result.pretrained).toMatchObject({ id: 'random', place: 'file', licence: 'MIT' })
    const { card } = await loadModelPackage(path.join(scratch, 'whole'))
    expect(card.pretrained).toMatchObject({ id: 'random', source: 'this test', fineTuned: false })
    expect(card.architecture).toMatchObject({ name: 'vgg16-nn', features: 'multi-scale' })
  })

  test('goes on from the last checkpoint as if it had not been stopped', async () => {
    const whole = readMetrics(path.join(scratch, 'whole'))
    const dying = withFailingRun('images', (call) => call === 25, 'the device was lost')
    await expect(train('killed', { on: dying })).rejects.toThrow('the device was lost')
    const result = await train('killed', { resume: true })
    expect(result.resumedFromStep).toBeGreaterThan(0)
    const resumed = readMetrics(path.join(scratch, 'killed'))
    expect(resumed).toHaveLength(whole.length)
    for (const [index, { loss, learningRate }] of resumed.entries()) {
      expect(learningRate).toBe(whole[index].learningRate)
      expect(Math.abs(loss / whole[index].loss - 1)).toBeLessThan(1e-3)
    }
  })

  test('refuses to resume on top of other weights', async () => {
    weightsSeed.current = 4
    await expect(train('whole', { resume: true })).rejects.toMatchObject({ _tag: 'WrongUsage' })
    weightsSeed.current = 3
  })

  test('trains VGG16 itself too when asked', async () => {
    const fineTuned = { ...choices, fineTune: true, maxSteps: 30, checkpointSteps: 10 }
    const result = await expectNoLeakAsync(() => train('fine-tuned', { choices: fineTuned }))
    const { card, parameters } = await loadModelPackage(path.join(scratch, 'fine-tuned'))
    expect(card.pretrained).toMatchObject({ id: 'random', fineTuned: true })
    const kernel = randomVgg16(3).get('block1_conv2/kernel')!.values
    const { offset } = parameterLayout(specOf(card)).entries.find(
      ({ name }) => name === 'block1_conv2/kernel',
    )!
    expect(parameters.subarray(offset, offset + kernel.length)).not.toEqual(kernel)
    // The classifier was trained first: the first step starts from where it ended.
    expect(readMetrics(path.join(scratch, 'fine-tuned'))[0].loss).toBeLessThan(
      readMetrics(path.join(scratch, 'whole'))[0].loss,
    )
    const frozen = await loadModelPackage(path.join(scratch, 'whole'))
    expect(result.validation!.macroF1!).toBeGreaterThan(frozen.card.scores[0].macroF1! - 0.02)
  })

  test('sees 5 × 5 voxels only with block1, which tells these materials apart less well', async () => {
    const result = await train('block1', { choices: { ...choices, features: 'block1' } })
    const wider = await loadModelPackage(path.join(scratch, 'whole'))
    expect(result.validation!.macroF1!).toBeLessThan(wider.card.scores[0].macroF1!)
  })
})

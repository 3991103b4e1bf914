import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { loadModelPackage } from '../../src/main/engine/learning/model/model-package.ts'
import {
  segmentVolume,
  type SegmentOptions,
} from '../../src/main/engine/learning/prediction/segment-volume.ts'
import type * as TrainConfigModule from '../../src/main/engine/learning/training/train-config.ts'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import { confusionOf, scoreOverall, talliesOf } from '../../src/shared/metrics/confusion.ts'
import { runtime } from '../unit/learning/compute-runtime.ts'
import { temporaryFolder } from '../unit/volume/temporary-folder.ts'
import {
  byThreshold,
  sampleMaterials,
  sampleVolume,
  scribble,
  sliceName,
  writeSample,
  writeSlices,
} from './sample-data.ts'
import { readJson, readMetrics, smallConfig, trainOn } from './small-training.ts'

vi.mock('../../src/main/engine/learning/training/train-config.ts', async (original) => {
  const module = await original<typeof TrainConfigModule>()
  const unetConfig = (...given: Parameters<typeof module.unetConfig>): TrainConfigModule.UnetConfig => ({
    ...module.unetConfig(...given),
    ...smallConfig,
  })
  return { ...module, unetConfig }
})

const scratch = temporaryFolder('learning')
// Sizes that are multiples of nothing, smaller and larger than a patch.
const sample = sampleVolume(16, 90, 75, 5)
const heldOut = [13, 14, 15]
const split = { validationSlices: [{ first: 13, last: 15 }] }
let given: { volume: string; labels: string }
let thresholdF1: number

beforeAll(async () => {
  given = await writeSample(scratch, sample)
  thresholdF1 = macroF1(heldOut.map((z) => byThreshold(sample.grey[z])))
})

/** Macro-F1 on the held-out slices; predictions as indices 1…3. */
function macroF1(predicted: readonly Uint8Array[]): number {
  const truth = heldOut.flatMap((z) => [...sample.truth[z]].map((material) => material + 1))
  const joined = Uint8Array.from(predicted.flatMap((slice) => [...slice]))
  return scoreOverall(talliesOf(confusionOf(Uint8Array.from(truth), joined, 3))).macroF1!
}

function segment(model: string, out: string, changes: Partial<SegmentOptions> = {}) {
  return segmentVolume(runtime, {
    volume: given.volume,
    open: {},
    model,
    out,
    format: 'tiff-stack',
    probabilities: false,
    uncertainty: false,
    resume: false,
    ...changes,
  })
}

async function readAll(folder: string) {
  const volume = await openVolume(folder)
  try {
    const slices = []
    for (let z = 0; z < volume.meta.shape[0]; z++) slices.push(await volume.readSlice(z))
    return { meta: volume.meta, slices }
  } finally {
    await volume.close()
  }
}

/** Macro-F1 of a segmentation written to `folder`, through its file values. */
async function scoreOf(folder: string): Promise<number> {
  const { slices } = await readAll(folder)
  const values = sampleMaterials.map(({ value }) => value)
  return macroF1(heldOut.map((z) => Uint8Array.from(slices[z], (value) => values.indexOf(value) + 1)))
}

describe('dense labels', () => {
  const run = path.join(scratch, 'dense')

  test('training ends with a model that beats thresholds on slices it never saw', async () => {
    const before = runtime.tf.memory().numTensors
    const stages = new Set<string>()
    const result = await trainOn({
      ...given,
      out: run,
      split,
      choices: { model: 'unet', maxSteps: 120, seed: 3 },
      onProgress: ({ stage, done, total }) => {
        stages.add(stage)
        expect(done).toBeLessThanOrEqual(total)
      },
    })
    expect(runtime.tf.memory().numTensors).toBe(before)
    expect([...stages]).toContain('training')
    expect(result).toMatchObject({
      run,
      steps: 120,
      resumedFromStep: 0,
      unlabelled: { value: null, from: 'file' },
    })
    expect(result.validation).toMatchObject({ split: 'validation', slices: 3 })
    expect(result.validation!.perMaterial.map(({ id, name }) => ({ id, name }))).toEqual(
      sampleMaterials.map(({ value, name }) => ({ id: value, name })),
    )
    expect(result.split).toEqual([
      {
        volume: given.volume,
        pairing: 'stem',
        training: Array.from({ length: 13 }, (_, z) => z),
        validation: heldOut,
        gap: [],
      },
    ])

    const metrics = readMetrics(run)
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1))
    expect(metrics.filter(({ validation }) => validation !== undefined).map(({ step }) => step)).toEqual([
      40, 80, 120,
    ])
    const mean = (lines: typeof metrics) => lines.reduce((sum, { loss }) => sum + loss, 0) / lines.length
    expect(mean(metrics.slice(-10))).toBeLessThan(0.6 * mean(metrics.slice(0, 10)))
    expect(readJson(run, 'run.json')).toMatchObject({ status: 'finished', totalSteps: 120 })

    const { card } = await loadModelPackage(run)
    expect(card).toMatchObject({
      parameters: result.parameters,
      voxelSize: { z: 0.2, y: 0.1, x: 0.1, unit: 'um' },
      training: { volumes: 1, labelledSlices: 13, labelledVoxels: 13 * 90 * 75, seed: 3 },
      scores: [result.validation],
    })
  })

  test('the segmentation has the values, names and sizes of the input, and the score that validation told', async () => {
    const before = runtime.tf.memory().numTensors
    const out = path.join(scratch, 'dense-segmentation')
    const result = await segment(run, out, { probabilities: true, uncertainty: true })
    expect(runtime.tf.memory().numTensors).toBe(before)
    expect(result).toMatchObject({
      out,
      voxels: 16 * 90 * 75,
      resumedFromSlice: 0,
      slices: { first: 0, last: 15 },
    })
    expect(result.networkSeconds).toBeLessThanOrEqual(result.seconds)
    const { meta, slices } = await readAll(out)
    expect(meta).toMatchObject({ shape: [16, 90, 75], dtype: 'uint8', voxelSize: { z: 0.2, y: 0.1, x: 0.1 } })
    expect(meta.sliceNames).toEqual(sample.grey.map((_, z) => sliceName(z)))
    const score = await scoreOf(out)
    // Guessing the commonest material gives less than a third, the best thresholds 0.54.
    expect(thresholdF1).toBeLessThan(0.6)
    expect(score).toBeGreaterThan(0.85)
    const { card } = await loadModelPackage(run)
    expect(score).toBeCloseTo(card.scores[0].macroF1!, 6)

    // Probabilities are those of the materials written, uncertainty is their entropy.
    const probabilities = await Promise.all(
      result.probabilities.map(async (folder) => (await readAll(folder)).slices),
    )
    const uncertainty = (await readAll(result.uncertainty!)).slices
    const values = sampleMaterials.map(({ value }) => value)
    for (const z of [0, 15]) {
      for (let i = 0; i < slices[z].length; i += 13) {
        const three = probabilities.map((volume) => volume[z][i])
        expect(three.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4)
        expect(three[values.indexOf(slices[z][i])]).toBe(Math.max(...three))
        const entropy = -three.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0) / Math.log(3)
        expect(uncertainty[z][i]).toBeCloseTo(entropy, 4)
      }
    }
  })

  test('a part of the volume gives the same voxels as the whole', async () => {
    const out = path.join(scratch, 'part')
    const result = await segment(run, out, { slices: { first: 4, last: 6 } })
    expect(result.voxels).toBe(3 * 90 * 75)
    const [part, whole] = [await readAll(out), await readAll(path.join(scratch, 'dense-segmentation'))]
    expect(part.meta.sliceNames).toEqual([4, 5, 6].map(sliceName))
    expect(part.slices).toEqual(whole.slices.slice(4, 7))
  })

  test('stopped and resumed, the output is the same', async () => {
    const out = path.join(scratch, 'resumed')
    const controller = new AbortController()
    const stopped = segment(run, out, {
      probabilities: true,
      signal: controller.signal,
      onProgress: ({ stage, done }) => {
        if (stage === 'segmenting' && done === 5) controller.abort()
      },
    })
    await expect(stopped).rejects.toMatchObject({
      _tag: 'Cancelled',
      fields: { resumeHint: expect.any(String) as string },
    })
    await expect(segment(run, out, { probabilities: true })).rejects.toMatchObject({ _tag: 'OutputExists' })
    await expect(segment(run, out, { resume: true })).rejects.toMatchObject({ _tag: 'WrongUsage' })
    const result = await segment(run, out, { probabilities: true, resume: true })
    expect(result.resumedFromSlice).toBeGreaterThanOrEqual(3)
    expect(result.voxels).toBe((16 - result.resumedFromSlice) * 90 * 75)
    for (const [mine, whole] of [
      [out, path.join(scratch, 'dense-segmentation')],
      [
        path.join(`${out}-probabilities`, 'material-10'),
        path.join(scratch, 'dense-segmentation-probabilities', 'material-10'),
      ],
    ])
      expect((await readAll(mine)).slices).toEqual((await readAll(whole)).slices)
  })

  test('grey values of another range and voxels of another size are warned about', async () => {
    const { shape, grey } = sample
    const volume = await writeSlices(
      path.join(scratch, 'brighter'),
      shape,
      grey.map((slice, z) => ({ z, data: slice.map((value) => value / 2 + 40_000) })),
      { dtype: 'uint16', voxelSizeUm: 0.3 },
    )
    const slices = { first: 0, last: 0 }
    const usual = await segment(run, path.join(scratch, 'usual-out'), { slices })
    expect(usual.warnings).toEqual([])
    const { warnings } = await segment(run, path.join(scratch, 'brighter-out'), { volume, slices })
    expect(warnings.map(({ kind }) => kind)).toEqual(['intensity-drift', 'other'])
    expect(warnings[1].message).toContain('0.300 µm')
  })
})

test('2.5D: neighbouring slices help against noise', async () => {
  const run = path.join(scratch, 'context')
  const result = await trainOn({
    ...given,
    out: run,
    split,
    choices: { model: 'unet', maxSteps: 120, contextSlices: 2, seed: 3 },
  })
  expect(readJson(run, 'run.json')).toMatchObject({ config: { contextSlices: 2 } })
  const out = path.join(scratch, 'context-segmentation')
  await segment(run, out)
  const score = await scoreOf(out)
  expect(score).toBeCloseTo(result.validation!.macroF1!, 6)
  expect(score).toBeGreaterThan(0.85)
  expect(score).toBeGreaterThan(thresholdF1 + 0.25)
})

test('scribbles on three slices of sixteen are enough to beat thresholds', async () => {
  const slices = [1, 5, 9].map((z) => ({ z, data: scribble(sample.truth[z], 75, z, 14) }))
  const labelledShare = slices[0].data.filter((value) => value !== 255).length / slices[0].data.length
  expect(labelledShare).toBeLessThan(0.08)
  const labels = await writeSlices(path.join(scratch, 'scribbles'), sample.shape, slices, {
    dtype: 'uint8',
    unlabelledValue: 255,
  })
  const run = path.join(scratch, 'sparse')
  const result = await trainOn({
    volume: given.volume,
    labels,
    out: run,
    choices: { model: 'unet', maxSteps: 120, seed: 3 },
  })
  expect(result.unlabelled).toEqual({ value: 255, from: 'file' })
  expect(result.validation).toBeNull()
  expect(result.warnings.map(({ message }) => message).join()).toContain('no validation')
  expect(result.split[0]).toMatchObject({ pairing: 'stem', training: [1, 5, 9], validation: [] })
  const out = path.join(scratch, 'sparse-segmentation')
  await segment(run, out)
  const score = await scoreOf(out)
  expect(score).toBeGreaterThan(0.8)
  expect(score).toBeGreaterThan(thresholdF1 + 0.2)
})

import { existsSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadModelPackage } from '../../src/main/engine/learning/model/model-package.ts'
import { RunFolder } from '../../src/main/engine/learning/runs/run-folder.ts'
import type * as TrainConfigModule from '../../src/main/engine/learning/training/train-config.ts'
import type * as ValidationModule from '../../src/main/engine/learning/training/validation.ts'
import { runtime, withFailingRun } from '../unit/learning/compute-runtime.ts'
import { temporaryFolder } from '../unit/volume/temporary-folder.ts'
import { sampleVolume, writeSample } from './sample-data.ts'
import { readJson, readMetrics, smallConfig, trainOn, type TrainingRequest } from './small-training.ts'

const overrides = vi.hoisted((): { current: Partial<TrainConfigModule.UnetConfig> } => ({ current: {} }))

vi.mock('../../src/main/engine/learning/training/train-config.ts', async (original) => {
  const module = await original<typeof TrainConfigModule>()
  const unetConfig = (...given: Parameters<typeof module.unetConfig>): TrainConfigModule.UnetConfig => ({
    ...module.unetConfig(...given),
    ...smallConfig,
    baseFilters: 4,
    patchSize: 32,
    ...overrides.current,
  })
  return { ...module, unetConfig }
})

/** Scores that validations are to give instead of their own, one after the other. */
const script = vi.hoisted((): { macroF1: number[]; beforeValidation: () => void } => ({
  macroF1: [],
  beforeValidation: () => undefined,
}))

vi.mock('../../src/main/engine/learning/training/validation.ts', async (original) => {
  const module = await original<typeof ValidationModule>()
  const scoreSlices = async (...given: Parameters<typeof module.scoreSlices>) => {
    script.beforeValidation()
    const score = await module.scoreSlices(...given)
    return { ...score, macroF1: script.macroF1.shift() ?? score.macroF1 }
  }
  return { ...module, scoreSlices }
})

const scratch = temporaryFolder('interrupted')
const sample = sampleVolume(6, 70, 64, 5)
const validation = { validationSlices: [{ first: 5, last: 5 }] }
let given: { volume: string; labels: string }
let tensorsBefore = 0

beforeAll(async () => {
  given = await writeSample(scratch, sample)
  tensorsBefore = runtime.tf.memory().numTensors
})

afterEach(() => {
  overrides.current = {}
  script.beforeValidation = () => undefined
  expect(runtime.tf.memory().numTensors, 'tensors left behind').toBe(tensorsBefore)
})

const train = (name: string, request: Partial<TrainingRequest> = {}) =>
  trainOn({
    ...given,
    out: path.join(scratch, name),
    choices: { model: 'unet', maxSteps: 40, seed: 2 },
    ...request,
  })

/** Trains until the progress says that `steps` are done, then fires the signal. */
function trainAndStop(name: string, steps: number, request: Partial<TrainingRequest> = {}) {
  const controller = new AbortController()
  return train(name, {
    ...request,
    signal: controller.signal,
    onProgress: ({ stage, done }) => {
      if (stage === 'training' && done === steps) controller.abort()
    },
  })
}

function expectSameCurve(run: string, reference: string): void {
  const [mine, theirs] = [readMetrics(path.join(scratch, run)), readMetrics(path.join(scratch, reference))]
  expect(mine.map(({ step }) => step)).toEqual(theirs.map(({ step }) => step))
  mine.forEach(({ loss, learningRate, step }, i) => {
    expect(learningRate).toBe(theirs[i].learningRate)
    expect(Math.abs(loss / theirs[i].loss - 1), `step ${step}`).toBeLessThan(1e-3)
  })
}

describe('stopped and resumed', () => {
  test('the curve, the learning rate and the model are those of a run that was never stopped', async () => {
    const whole = await train('whole')
    await expect(trainAndStop('stopped', 15)).rejects.toMatchObject({
      _tag: 'Cancelled',
      fields: { resumeHint: expect.stringContaining('--resume') as string },
    })
    const folder = path.join(scratch, 'stopped')
    expect(readJson(folder, 'run.json')).toMatchObject({ status: 'interrupted', totalSteps: 40 })
    const { position } = (await new RunFolder(folder).readCheckpoint('last'))!
    expect(position.step).toBe(15)
    expect(existsSync(path.join(folder, 'model'))).toBe(false)

    // A second sitting, stopped again, and a third.
    await expect(trainAndStop('stopped', 28, { resume: true })).rejects.toMatchObject({ _tag: 'Cancelled' })
    const result = await train('stopped', { resume: true })
    expect(result).toMatchObject({ steps: 40, resumedFromStep: 28 })
    expect(result.warnings).toEqual(whole.warnings)
    expectSameCurve('stopped', 'whole')
    expect(readJson(folder, 'run.json')).toMatchObject({ status: 'finished' })
    const [mine, theirs] = await Promise.all(
      ['stopped', 'whole'].map((name) => loadModelPackage(path.join(scratch, name))),
    )
    const worst = Math.max(...mine.parameters.map((value, i) => Math.abs(value - theirs.parameters[i])))
    expect(worst).toBeLessThan(1e-3)
  })

  test('killed without a word: the last checkpoint counts, later metrics are dropped and made again', async () => {
    // A failure in the device stands for the kill: nothing is saved on the way out.
    const dying = withFailingRun('images', (call) => call === 20, 'the device was lost')
    const choices = { model: 'unet', maxSteps: 40, seed: 2, checkpointSteps: 6 } as const
    await expect(train('killed', { on: dying, choices })).rejects.toThrow('the device was lost')
    const folder = path.join(scratch, 'killed')
    expect(readMetrics(folder)).toHaveLength(20)
    const result = await train('killed', { resume: true, choices })
    expect(result.resumedFromStep).toBe(18)
    expectSameCurve('killed', 'whole')
  })

  test('without a checkpoint training starts anew and says so', async () => {
    await expect(trainAndStop('early', 5)).rejects.toMatchObject({ _tag: 'Cancelled' })
    rmSync(path.join(scratch, 'early', 'checkpoints', 'last.safetensors'))
    const result = await train('early', { resume: true })
    expect(result.resumedFromStep).toBe(0)
    expect(result.warnings.map(({ message }) => message).join()).toContain('no checkpoint')
    expectSameCurve('early', 'whole')
  })

  test('stopped while validating, no step is lost from the curve', async () => {
    overrides.current = { validationSteps: 4 }
    await train('validated', { split: validation, choices: { model: 'unet', maxSteps: 12, seed: 2 } })
    const controller = new AbortController()
    let validations = 0
    script.beforeValidation = () => {
      if (++validations === 2) controller.abort()
    }
    const request: Partial<TrainingRequest> = {
      split: validation,
      choices: { model: 'unet', maxSteps: 12, seed: 2 },
    }
    await expect(train('validating', { ...request, signal: controller.signal })).rejects.toMatchObject({
      _tag: 'Cancelled',
    })
    const result = await train('validating', { ...request, resume: true })
    expect(result.resumedFromStep).toBe(8)
    expectSameCurve('validating', 'validated')
  })

  test('other settings or data are refused and nothing is touched', async () => {
    const metrics = path.join(scratch, 'whole', 'metrics.jsonl')
    const [text, { mtimeMs }] = [readFileSync(metrics, 'utf8'), statSync(metrics)]
    for (const request of [
      { choices: { model: 'unet' as const, maxSteps: 40, seed: 3 } },
      { choices: { model: 'unet' as const, maxSteps: 50, seed: 2 } },
      { choices: { model: 'unet' as const, maxSteps: 40, seed: 2, contextSlices: 1 } },
      { split: { trainSlices: [{ first: 0, last: 3 }] } },
    ]) {
      await expect(train('whole', { ...request, resume: true })).rejects.toMatchObject({
        _tag: 'WrongUsage',
        fields: { argument: '--resume' },
      })
    }
    await expect(train('whole')).rejects.toMatchObject({ _tag: 'OutputExists' })
    expect(readFileSync(metrics, 'utf8')).toBe(text)
    expect(statSync(metrics).mtimeMs).toBe(mtimeMs)
  })

  test('a damaged checkpoint is named and left as it is', async () => {
    await expect(trainAndStop('damaged', 5)).rejects.toMatchObject({ _tag: 'Cancelled' })
    const file = path.join(scratch, 'damaged', 'checkpoints', 'last.safetensors')
    truncateSync(file, 1000)
    await expect(train('damaged', { resume: true })).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: file },
    })
    expect(statSync(file).size).toBe(1000)
    expect(readMetrics(path.join(scratch, 'damaged'))).toHaveLength(5)
  })
})

describe('when memory runs out', () => {
  test('batches go through in smaller parts, once and for all, and the run ends well', async () => {
    // Step 3 fails whole and in halves, at the second half.
    let armed = 0
    const short = withFailingRun('images', (call) => {
      if (call === 2 || call === 4) armed++
      return call === 2 || call === 4
    })
    const result = await train('memory', { on: short, choices: { model: 'unet', maxSteps: 6, seed: 2 } })
    expect(armed).toBe(2)
    expect(result.steps).toBe(6)
    const messages = result.warnings
      .map(({ message }) => message)
      .filter((message) => message.includes('memory'))
    expect(messages).toHaveLength(2)
    expect(messages[0]).toContain('step 3; batches go through in 2 parts')
    expect(messages[1]).toContain('4 parts')
    // Two whole steps, a failure, half a step and a failure, then four parts for each of four steps.
    expect(short.calls()).toBe(2 + 1 + 2 + 4 * 4)
    expect(readMetrics(path.join(scratch, 'memory')).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('and when a single patch does not fit, the error says so and the checkpoint stays', async () => {
    const choices = { model: 'unet', maxSteps: 20, seed: 2, checkpointSteps: 2 } as const
    const short = withFailingRun('images', (call) => call >= 5)
    await expect(train('no-memory', { on: short, choices })).rejects.toMatchObject({ _tag: 'OutOfMemory' })
    const folder = path.join(scratch, 'no-memory')
    expect((await new RunFolder(folder).readCheckpoint('last'))?.position.step).toBe(4)
    expect(readJson(folder, 'run.json')).toMatchObject({ status: 'interrupted' })
    // With memory again, it goes on.
    const result = await train('no-memory', { resume: true, choices })
    expect(result).toMatchObject({ steps: 20, resumedFromStep: 4 })
  })
})

describe('the length of a run', () => {
  test('a time limit sets the length of the schedule, which runs to its end', async () => {
    const minutes = 0.1
    const result = await train('timed', { choices: { model: 'unet', maxMinutes: minutes, seed: 2 } })
    const { totalSteps } = readJson(scratch, 'timed', 'run.json') as { totalSteps: number | null }
    expect(totalSteps).not.toBeNull()
    expect(result.steps).toBeGreaterThan(12)
    expect(result.steps).toBeLessThanOrEqual(totalSteps!)
    // The clock is read between steps.
    expect(result.seconds).toBeLessThan(minutes * 60 * 1.2)
  })

  test('without progress on the validation slices training ends early, and the best state is the model', async () => {
    overrides.current = { validationSteps: 4, patience: 2 }
    // The last of these scores the model that is written.
    script.macroF1 = [0.5, 0.7, 0.6, 0.7, 0.65]
    const result = await train('patience', { split: validation })
    expect(script.macroF1).toEqual([])
    // The best came at step 8; two validations later none was better.
    expect(result).toMatchObject({ steps: 16, validation: { macroF1: 0.65 } })
    const folder = new RunFolder(path.join(scratch, 'patience'))
    expect(readJson(folder.folder, 'run.json')).toMatchObject({ status: 'finished' })
    const [best, last] = [await folder.readCheckpoint('best'), await folder.readCheckpoint('last')]
    expect(best?.position).toMatchObject({ step: 8, bestStep: 8, bestScore: 0.7 })
    expect(last?.position).toMatchObject({ step: 16, bestStep: 8, bestScore: 0.7 })
    const { card, parameters, statistics } = await loadModelPackage(folder.folder)
    expect(parameters).toEqual(best!.state.averageParameters)
    expect(statistics).toEqual(best!.state.averageStatistics)
    expect(parameters).not.toEqual(last!.state.averageParameters)
    expect(card.training.steps).toBe(8)
    const scores = readMetrics(folder.folder).flatMap(({ validation }) => validation?.macroF1 ?? [])
    expect(scores).toEqual([0.5, 0.7, 0.6, 0.7])
  })

  test('a resumed run remembers what was best', async () => {
    overrides.current = { validationSteps: 4, patience: 2 }
    script.macroF1 = [0.5, 0.7, 0.6]
    await expect(trainAndStop('patience-resumed', 14, { split: validation })).rejects.toMatchObject({
      _tag: 'Cancelled',
    })
    script.macroF1 = [0.65, 0.65]
    const result = await train('patience-resumed', { split: validation, resume: true })
    expect(result).toMatchObject({ steps: 16, resumedFromStep: 14 })
    const [mine, theirs] = await Promise.all(
      ['patience-resumed', 'patience'].map((name) => loadModelPackage(path.join(scratch, name))),
    )
    expect(mine.card.training.steps).toBe(8)
    const worst = Math.max(...mine.parameters.map((value, i) => Math.abs(value - theirs.parameters[i])))
    expect(worst).toBeLessThan(1e-3)
  })
})

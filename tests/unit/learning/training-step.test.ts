import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/shared/random.ts'
import {
  createTrainingStep,
  type StepResult,
  type TrainingBatch,
  type TrainingStep,
  type TrainingStepOptions,
} from '../../../src/main/engine/learning/training/training-step.ts'
import { unetSpec } from '../../../src/main/engine/learning/unet/unet-spec.ts'
import { expectNoLeak, memory, runtime, withFailingRun } from './compute-runtime.ts'

const size = 16
const normalised = unetSpec({
  inputChannels: 1,
  materials: 3,
  baseFilters: 2,
  depth: 2,
  normalisation: 'batch',
})
const plain = unetSpec({ inputChannels: 1, materials: 3, baseFilters: 2, depth: 2, normalisation: 'none' })
const stepOptions: TrainingStepOptions = {
  optimiser: { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 1e-2, maxGradientNorm: 1 },
  diceWeight: 1,
  statisticsMomentum: 0.9,
  averageDecay: 0.99,
  seed: 5,
}

/** Bands of three materials, each with its grey value and noise; a quarter of the voxels is unlabelled. */
function batchOf(number: number, count = 4): TrainingBatch {
  const random = createRandom(31, number)
  const images = new Float32Array(count * size * size)
  const labels = new Uint8Array(images.length)
  for (let patch = 0; patch < count; patch++) {
    const phase = random.uniform(0, 9)
    for (let i = 0; i < size * size; i++) {
      const material = 1 + Math.floor((Math.floor(i / size) / 3 + phase) % 3)
      images[patch * size * size + i] = (material - 2) * 0.7 + 0.2 * random.normal()
      labels[patch * size * size + i] = random.next() < 0.25 ? 0 : material
    }
  }
  return { images, labels, shape: [count, size, size, 1] }
}

function runSteps(step: TrainingStep, from: number, to: number): StepResult[] {
  return Array.from({ length: to - from + 1 }, (_, i) => step.run(batchOf(from + i), 3e-3, from + i, 1))
}

const average = (values: StepResult[]) => values.reduce((sum, { loss }) => sum + loss, 0) / values.length

test.each([
  { name: 'batch normalisation', normalisation: 'batch' as const },
  { name: 'biases', normalisation: 'none' as const },
])('with $name, 200 steps learn and leave no tensor behind', ({ normalisation }) => {
  const spec = unetSpec({ inputChannels: 1, materials: 3, baseFilters: 4, depth: 2, normalisation })
  expectNoLeak(() => {
    const step = createTrainingStep(runtime, spec, stepOptions)
    const start = runSteps(step, 1, 10)
    const settled = memory()
    const end = runSteps(step, 11, 200).slice(-10)
    expect(memory()).toEqual(settled)
    step.dispose()
    // Cross-entropy of guessing among three is 1.1, and Dice adds more than half.
    expect(average(start)).toBeGreaterThan(1.2)
    expect(average(end)).toBeLessThan(0.4 * average(start))
    for (const { loss, crossEntropy, dice, gradientNorm } of end) {
      expect(loss).toBeCloseTo(crossEntropy + dice, 6)
      expect(gradientNorm).toBeGreaterThan(0)
    }
  })
})

test('the same seed gives the same curve, another seed another one', () => {
  const curves = [5, 5, 6].map((seed) => {
    const step = createTrainingStep(runtime, normalised, { ...stepOptions, seed })
    const losses = runSteps(step, 1, 12).map(({ loss }) => loss)
    step.dispose()
    return losses
  })
  curves[0].forEach((loss, i) => expect(Math.abs(curves[1][i] / loss - 1)).toBeLessThan(1e-4))
  expect(Math.abs(curves[2][0] / curves[0][0] - 1)).toBeGreaterThan(1e-3)
})

test('a restored state continues the same curve, moving averages included', () => {
  const first = createTrainingStep(runtime, normalised, stepOptions)
  runSteps(first, 1, 10)
  const saved = first.state()
  const copy = structuredClone(saved)
  const expected = runSteps(first, 11, 25)
  // What was saved is a copy, not a view of what goes on.
  expect(saved).toEqual(copy)
  // Another seed: nothing of it may survive the restoring.
  const second = createTrainingStep(runtime, normalised, { ...stepOptions, seed: 99 })
  runSteps(second, 1, 3)
  const { numTensors, numBytes } = memory()
  second.restore(saved)
  expect(memory()).toMatchObject({ numTensors, numBytes })
  runSteps(second, 11, 25).forEach(({ loss, gradientNorm }, i) => {
    expect(Math.abs(loss / expected[i].loss - 1)).toBeLessThan(1e-4)
    expect(Math.abs(gradientNorm / expected[i].gradientNorm - 1)).toBeLessThan(1e-2)
  })
  const [ends, endsAgain] = [first.state(), second.state()]
  for (const name of ['parameters', 'averageParameters', 'averageStatistics'] as const) {
    const worst = Math.max(...ends[name].map((value, i) => Math.abs(value - endsAgain[name][i])))
    expect(worst, name).toBeLessThan(1e-3)
  }
  first.dispose()
  second.dispose()
})

test('a state of another network is refused', () => {
  const step = createTrainingStep(runtime, normalised, stepOptions)
  const state = step.state()
  expect(() => step.restore({ ...state, statistics: new Float32Array(3) })).toThrow(RangeError)
  expect(() => step.restore({ ...state, secondMoment: new Float32Array(3) })).toThrow(RangeError)
  // And the step still works.
  expect(step.run(batchOf(1), 1e-3, 1, 1).loss).toBeGreaterThan(0)
  step.dispose()
})

describe('a batch in parts', () => {
  /** First moment after one step: a tenth of the (unclipped) gradient. */
  function gradientIn(parts: number, diceWeight: number, spec = plain) {
    const step = createTrainingStep(runtime, spec, {
      ...stepOptions,
      diceWeight,
      optimiser: { ...stepOptions.optimiser, maxGradientNorm: 1e6 },
    })
    const result = step.run(batchOf(1), 1e-3, 1, parts)
    const gradient = step.state().firstMoment.map((value) => value * 10)
    step.dispose()
    return { gradient, result }
  }
  const norm = (values: Float32Array) => Math.hypot(...values)

  test.each([2, 3, 4])('%i parts give the same cross-entropy and gradient', (parts) => {
    const whole = gradientIn(1, 0)
    const cut = gradientIn(parts, 0)
    expect(cut.result.crossEntropy).toBeCloseTo(whole.result.crossEntropy, 5)
    expect(norm(cut.gradient.map((value, i) => value - whole.gradient[i]))).toBeLessThan(
      1e-4 * norm(whole.gradient),
    )
  })

  test.each([2, 4])('%i parts give nearly the same Dice', (parts) => {
    const whole = gradientIn(1, 1)
    const cut = gradientIn(parts, 1)
    expect(Math.abs(cut.result.dice / whole.result.dice - 1)).toBeLessThan(0.1)
    expect(norm(cut.gradient.map((value, i) => value - whole.gradient[i]))).toBeLessThan(
      0.15 * norm(whole.gradient),
    )
  })

  test('batch statistics are averaged over the parts', () => {
    const step = createTrainingStep(runtime, normalised, { ...stepOptions, averageDecay: 0 })
    const once = createTrainingStep(runtime, normalised, { ...stepOptions, averageDecay: 0 })
    step.run(batchOf(1), 1e-3, 1, 4)
    once.run(batchOf(1), 1e-3, 1, 1)
    const [inParts, whole] = [step.state().statistics, once.state().statistics]
    // Means of the first normalisation: equal parts, so their mean is the mean of all. The convolution has two filters.
    for (const channel of [0, 1]) expect(inParts[channel]).toBeCloseTo(whole[channel], 5)
    // Nothing was averaged twice or divided once too often: variances stay near those of the whole.
    for (const channel of [2, 3]) expect(inParts[channel]).toBeCloseTo(whole[channel], 1)
    step.dispose()
    once.dispose()
  })
})

test('running statistics and moving averages follow their formulas', () => {
  const step = createTrainingStep(runtime, normalised, stepOptions)
  const start = step.state()
  step.run(batchOf(1), 1e-2, 1, 1)
  const after = step.state()
  // Early averages keep step / (step + 10) of the old value.
  after.averageParameters.forEach((value, i) =>
    expect(value).toBeCloseTo(start.parameters[i] / 11 + (after.parameters[i] * 10) / 11, 5),
  )
  after.averageStatistics.forEach((value, i) =>
    expect(value).toBeCloseTo(start.statistics[i] / 11 + (after.statistics[i] * 10) / 11, 5),
  )
  const { parameters, statistics } = step.weights()
  expect(parameters).toEqual(after.averageParameters)
  expect(statistics).toEqual(after.averageStatistics)
  step.dispose()

  const withoutAverage = createTrainingStep(runtime, normalised, { ...stepOptions, averageDecay: 0 })
  withoutAverage.run(batchOf(1), 1e-2, 1, 1)
  const state = withoutAverage.state()
  expect(state.averageParameters).toEqual(state.parameters)
  withoutAverage.dispose()
})

test('a step that runs out of memory changes nothing and leaks nothing', () => {
  const reference = createTrainingStep(runtime, normalised, stepOptions)
  const expected = runSteps(reference, 1, 3).map(({ loss }) => loss)
  reference.dispose()
  let armed = false
  const failing = withFailingRun('images', () => armed)
  const step = createTrainingStep(failing, normalised, stepOptions)
  const losses = [step.run(batchOf(1), 3e-3, 1, 1).loss]
  const [before, state] = [memory(), step.state()]
  armed = true
  expect(() => step.run(batchOf(2), 3e-3, 2, 1)).toThrow(/OOM/)
  expect(() => step.run(batchOf(2), 3e-3, 2, 2)).toThrow(/OOM/)
  armed = false
  expect(memory()).toEqual(before)
  expect(step.state()).toEqual(state)
  losses.push(step.run(batchOf(2), 3e-3, 2, 1).loss, step.run(batchOf(3), 3e-3, 3, 1).loss)
  losses.forEach((loss, i) => expect(Math.abs(loss / expected[i] - 1)).toBeLessThan(1e-4))
  step.dispose()
})

test('a step that fails with half its changes made is not repeated', () => {
  let armed = false
  const failing = withFailingRun('images', () => armed && 'late')
  const step = createTrainingStep(failing, plain, stepOptions)
  step.run(batchOf(1), 3e-3, 1, 1)
  const state = step.state()
  const before = memory()
  armed = true
  expect(() => step.run(batchOf(2), 3e-3, 2, 1)).toThrow(expect.objectContaining({ _tag: 'Internal' }))
  expect(memory()).toEqual(before)
  // Parts only remember gradients: failing there is harmless, and what they remembered is not used again.
  step.restore(state)
  expect(() => step.run(batchOf(2), 3e-3, 2, 4)).toThrow(/OOM/)
  expect(step.state()).toEqual(state)
  armed = false
  const reference = createTrainingStep(runtime, plain, stepOptions)
  reference.restore(state)
  const [again, expected] = [step, reference].map((each) => each.run(batchOf(2), 3e-3, 2, 4).loss)
  expect(Math.abs(again / expected - 1)).toBeLessThan(1e-5)
  step.dispose()
  reference.dispose()
})

test('a batch without labels changes nothing but by decay', () => {
  const step = createTrainingStep(runtime, plain, stepOptions)
  const { images, labels, shape } = batchOf(1)
  const before = step.state().parameters
  const result = step.run({ images, labels: labels.fill(0), shape }, 1e-2, 1, 1)
  expect(result).toMatchObject({ loss: 0, gradientNorm: 0 })
  const after = step.state().parameters
  after.forEach((value, i) =>
    expect(Math.abs(value - before[i])).toBeLessThanOrEqual(2e-4 * Math.abs(before[i])),
  )
  expect(after.every(Number.isFinite)).toBe(true)
  step.dispose()
})

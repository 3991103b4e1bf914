import { describe, expect, test } from 'vitest'
import { adamWStep, type OptimiserState } from '../../../src/main/engine/learning/training/optimiser.ts'
import { learningRateAt } from '../../../src/main/engine/learning/training/schedule.ts'
import {
  countLabelled,
  segmentationLoss,
} from '../../../src/main/engine/learning/training/segmentation-loss.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'
import { learningGolden, wave } from './learning-golden.ts'

const { tf } = runtime

function lossOf(
  shape: readonly [number, number, number, number],
  logits: readonly number[],
  labels: Uint8Array,
  options: { diceWeight: number; batchLabelledVoxels: number },
) {
  return expectNoLeak(() =>
    tf.tidy(() => {
      const result = segmentationLoss(runtime, tf.tensor4d([...logits], [...shape]), labels, options)
      expect(result.gradient.shape).toEqual(shape)
      return {
        crossEntropy: result.crossEntropy.dataSync()[0],
        dice: result.dice.dataSync()[0],
        gradient: [...result.gradient.dataSync()],
      }
    }),
  )
}

describe.each(learningGolden.loss)('loss: $name', (golden) => {
  const [batch, y, x, materials] = golden.shape
  const labels = Uint8Array.from(golden.labels)
  const batchLabelledVoxels = countLabelled(labels)
  const { diceWeight } = golden

  test('values and gradient are those of PyTorch', () => {
    expect(batchLabelledVoxels).toBe(golden.labels.filter((label) => label > 0).length)
    const result = lossOf(golden.shape, golden.logits, labels, { diceWeight, batchLabelledVoxels })
    expect(result.crossEntropy).toBeCloseTo(golden.crossEntropy, 4)
    expect(result.dice).toBeCloseTo(golden.dice, 5)
    golden.gradient.forEach((value, i) => expect(result.gradient[i]).toBeCloseTo(value, 5))
    // Unlabelled voxels pull nowhere, not even a little.
    golden.labels.forEach((label, voxel) => {
      if (label > 0) return
      const own = result.gradient.slice(voxel * materials, (voxel + 1) * materials)
      expect(own.map(Math.abs)).toEqual(new Array<number>(materials).fill(0))
    })
  })

  test('the halves of a batch give their shares', () => {
    const half = (batch / 2) * y * x
    const gradient: number[] = []
    golden.halves.forEach((expected, part) => {
      const result = lossOf(
        [batch / 2, y, x, materials],
        golden.logits.slice(part * half * materials, (part + 1) * half * materials),
        labels.subarray(part * half, (part + 1) * half),
        { diceWeight, batchLabelledVoxels },
      )
      expect(result.crossEntropy).toBeCloseTo(expected.crossEntropy, 4)
      expect(result.dice).toBeCloseTo(expected.dice, 5)
      gradient.push(...result.gradient)
    })
    golden.halvesGradient.forEach((value, i) => expect(gradient[i]).toBeCloseTo(value, 5))
    const crossEntropies = golden.halves.map(({ crossEntropy }) => crossEntropy)
    expect(crossEntropies[0] + crossEntropies[1]).toBeCloseTo(golden.crossEntropy, 9)
  })
})

test('AdamW steps as torch.optim.AdamW does, epsilon added to the bias-corrected root', () => {
  const { count, weightDecay, epsilon, maxGradientNorm, steps } = learningGolden.adamW
  const options = { beta1: 0.9, beta2: 0.999, epsilon, weightDecay, maxGradientNorm }
  let clipped = 0
  expectNoLeak(() =>
    tf.tidy(() => {
      const mask = tf.tensor1d(Array.from({ length: count }, (_, i) => (i < count / 2 ? 1 : 0)))
      let state: OptimiserState = {
        parameters: tf.tensor1d(wave(count, 1.3)),
        firstMoment: tf.zeros([count]),
        secondMoment: tf.zeros([count]),
      }
      steps.forEach((golden, index) => {
        const step = index + 1
        const gradient = tf.tensor1d(wave(count, 0.7, step).map((value) => (value * 2) / step))
        const given = state.parameters
        const update = adamWStep(runtime, state, gradient, mask, golden.learningRate, step, options)
        expect(given.isDisposed, 'the state given is kept').toBe(false)
        expect(update.gradientNorm.dataSync()[0]).toBeCloseTo(golden.gradientNorm, 4)
        if (golden.gradientNorm > maxGradientNorm) clipped++
        state = update.state
        const values = state.parameters.dataSync()
        golden.parameters.forEach((value, i) => expect(values[i], `step ${step}`).toBeCloseTo(value, 5))
      })
    }),
  )
  expect(clipped, 'the case has clipped and unclipped steps').toBeGreaterThan(2)
  expect(clipped).toBeLessThan(steps.length - 2)
})

test('a gradient of zero moves nothing but what decays', () => {
  tf.tidy(() => {
    const state = { parameters: tf.tensor1d([2, 2]), firstMoment: tf.zeros([2]), secondMoment: tf.zeros([2]) }
    const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.1, maxGradientNorm: 1 }
    const update = adamWStep(
      runtime,
      state as OptimiserState,
      tf.zeros([2]),
      tf.tensor1d([1, 0]),
      0.5,
      1,
      options,
    )
    expect([...update.state.parameters.dataSync()]).toEqual([Math.fround(2 * (1 - 0.05)), 2])
  })
})

describe('schedule', () => {
  const options = { learningRate: 2e-3, warmupSteps: 20 }
  const curve = (total: number) =>
    Array.from({ length: total }, (_, i) => learningRateAt(i + 1, total, options))

  test('rises in a straight line, then falls along half a cosine to a hundredth', () => {
    const rates = curve(300)
    // By hand: 20 of 21 equal stairs, then the cosine from its top.
    expect(rates[0]).toBeCloseTo(2e-3 / 21, 12)
    expect(rates[9]).toBeCloseTo((10 / 21) * 2e-3, 12)
    expect(rates[19]).toBeCloseTo((20 / 21) * 2e-3, 12)
    expect(Math.max(...rates)).toBe(rates[20])
    expect(rates[20]).toBeGreaterThan(0.999 * 2e-3)
    // Half-way between steps 20 and 300 the cosine is at its middle.
    expect(rates[159]).toBeCloseTo(2e-3 * (0.01 + 0.99 / 2), 12)
    expect(rates[299]).toBeCloseTo(2e-5, 12)
    rates.slice(21).forEach((rate, i) => expect(rate).toBeLessThan(rates[20 + i]))
  })

  test('stays positive and finite for any length, and beyond the end', () => {
    for (const total of [1, 2, 3, 7, 50]) {
      for (const rate of [...curve(total), learningRateAt(total + 5, total, options)]) {
        expect(rate).toBeGreaterThan(0)
        expect(rate).toBeLessThanOrEqual(2e-3)
      }
    }
    // A fifth at most is warm-up.
    expect(learningRateAt(11, 50, options)).toBeGreaterThan(learningRateAt(10, 50, options))
    expect(learningRateAt(12, 50, options)).toBeLessThan(learningRateAt(11, 50, options))
  })
})

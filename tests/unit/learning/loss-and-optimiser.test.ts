import { describe, expect, test } from 'vitest'
import { arithmetic } from '../../../src/main/engine/learning/graph/arithmetic.ts'
import { GraphBuilder } from '../../../src/main/engine/learning/graph/graph-builder.ts'
import { openSession } from '../../../src/main/engine/learning/graph/session.ts'
import { createVariable } from '../../../src/main/engine/learning/graph/variable.ts'
import {
  applyAdamW,
  optimiserScalars,
  type OptimiserOptions,
} from '../../../src/main/engine/learning/training/optimiser.ts'
import { learningRateAt } from '../../../src/main/engine/learning/training/schedule.ts'
import { labelRows, segmentationLoss } from '../../../src/main/engine/learning/training/segmentation-loss.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'
import { learningGolden, wave } from './learning-golden.ts'
import { runGraph } from './run-graph.ts'

function lossOf(
  materials: number,
  logits: readonly number[],
  labels: Uint8Array,
  options: { diceWeight: number; batchLabelledVoxels: number },
) {
  const { crossEntropy, dice, gradient } = runGraph((graph, feeds) => {
    const rows = graph.placeholder('rows', 'uint8', [-1])
    feeds.set(rows, { values: labelRows(labels).rows, shape: [labels.length] })
    const values = graph.constant(Float32Array.from(logits), [labels.length, materials])
    return {
      ...segmentationLoss(arithmetic(graph), values, rows, {
        materials,
        diceWeight: options.diceWeight,
        batchLabelledVoxels: graph.scalar(options.batchLabelledVoxels),
      }),
    }
  })
  return { crossEntropy: crossEntropy[0], dice: dice[0], gradient: [...gradient] }
}

describe.each(learningGolden.loss)('loss: $name', (golden) => {
  const [batch, y, x, materials] = golden.shape
  const labels = Uint8Array.from(golden.labels)
  const batchLabelledVoxels = labelRows(labels).labelledVoxels
  const { diceWeight } = golden

  test('values and gradient are those of PyTorch', () => {
    expect(batchLabelledVoxels).toBe(golden.labels.filter((label) => label > 0).length)
    const result = lossOf(materials, golden.logits, labels, { diceWeight, batchLabelledVoxels })
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
        materials,
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

/** An optimiser of two variables, of which the first decays, in a session of its own. */
function optimiserOf(start: readonly Float32Array[], options: OptimiserOptions) {
  const graph = new GraphBuilder()
  const math = arithmetic(graph)
  const variables = start.map((values, index) => {
    const [value, firstMoment, secondMoment] = ['value', 'first', 'second'].map((name) =>
      createVariable(graph, `${name}${index}`, [values.length]),
    )
    return { value, firstMoment, secondMoment, decays: index === 0 }
  })
  const gradients = start.map((values, index) =>
    graph.placeholder(`gradient${index}`, 'float32', [values.length]),
  )
  const scalars = graph.placeholder('scalars', 'float32', [3])
  const [rate, epsilon, decay] = math.unstack(scalars, 3)
  const begun = createVariable(graph, 'begun', [])
  const { gradientNorm, updates } = applyAdamW(
    graph,
    math,
    variables,
    gradients,
    { rate, epsilon, decay },
    options,
    (gate) => begun.assign(graph.scalar(1), [gate]),
  )
  const assigned = variables.flatMap(({ value, firstMoment, secondMoment }, index) => [
    value.assign(graph.constant(start[index], [start[index].length])),
    ...[firstMoment, secondMoment].map((moment) =>
      moment.assign(graph.constant(new Float32Array(start[index].length), [start[index].length])),
    ),
  ])
  const started = math.identity(graph.scalar(0), assigned)
  const stepped = math.identity(gradientNorm, updates)
  const read = variables.map(({ value }) => value.read())
  const session = openSession(runtime, graph)
  session.run(new Map(), [started])
  return {
    step: (values: readonly Float32Array[], learningRate: number, step: number) => {
      const next = optimiserScalars(options, learningRate, step)
      const feeds = new Map(
        gradients.map((gradient, index) => [
          gradient,
          { values: values[index], shape: [values[index].length] },
        ]),
      )
      feeds.set(scalars, { values: Float32Array.of(next.rate, next.epsilon, next.decay), shape: [3] })
      return session.run(feeds, [stepped])[0][0]
    },
    values: () => session.run(new Map(), read),
    dispose: () => session.dispose(),
  }
}

test('AdamW steps as torch.optim.AdamW does, epsilon added to the bias-corrected root', () => {
  const { count, weightDecay, epsilon, maxGradientNorm, steps } = learningGolden.adamW
  const options = { beta1: 0.9, beta2: 0.999, epsilon, weightDecay, maxGradientNorm }
  const halves = (values: readonly number[]) =>
    [values.slice(0, count / 2), values.slice(count / 2)].map((half) => Float32Array.from(half))
  let clipped = 0
  expectNoLeak(() => {
    const optimiser = optimiserOf(halves(wave(count, 1.3)), options)
    steps.forEach((golden, index) => {
      const step = index + 1
      const gradient = halves(wave(count, 0.7, step).map((value) => (value * 2) / step))
      const norm = optimiser.step(gradient, golden.learningRate, step)
      expect(norm).toBeCloseTo(golden.gradientNorm, 4)
      if (golden.gradientNorm > maxGradientNorm) clipped++
      const values = optimiser.values().flatMap((part) => [...part])
      golden.parameters.forEach((value, i) => expect(values[i], `step ${step}`).toBeCloseTo(value, 5))
    })
    optimiser.dispose()
  })
  expect(clipped, 'the case has clipped and unclipped steps').toBeGreaterThan(2)
  expect(clipped).toBeLessThan(steps.length - 2)
})

test('a gradient of zero moves nothing but what decays', () => {
  const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.1, maxGradientNorm: 1 }
  const optimiser = optimiserOf([Float32Array.of(2), Float32Array.of(2)], options)
  optimiser.step([new Float32Array(1), new Float32Array(1)], 0.5, 1)
  expect(optimiser.values().flatMap((part) => [...part])).toEqual([Math.fround(2 * (1 - 0.05)), 2])
  optimiser.dispose()
})

test('a limit beyond float32 is none', () => {
  const options = {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
    weightDecay: 0,
    maxGradientNorm: Number.MAX_VALUE,
  }
  const optimiser = optimiserOf([Float32Array.of(1), Float32Array.of(1)], options)
  expect(optimiser.step([Float32Array.of(3e4), Float32Array.of(-4e4)], 0.1, 1)).toBeCloseTo(5e4, -1)
  // The first step of Adam goes by the learning rate against the sign of the gradient.
  const [first, second] = optimiser.values()
  expect(first[0]).toBeCloseTo(0.9, 5)
  expect(second[0]).toBeCloseTo(1.1, 5)
  optimiser.dispose()
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

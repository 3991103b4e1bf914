import { afterAll, describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/shared/random.ts'
import { arithmetic } from '../../../src/main/engine/learning/graph/arithmetic.ts'
import { GraphBuilder, type GraphTensor } from '../../../src/main/engine/learning/graph/graph-builder.ts'
import { openSession, type Feed } from '../../../src/main/engine/learning/graph/session.ts'
import { networkOperations } from '../../../src/main/engine/learning/network/network-operations.ts'
import { channelsOf, type NetworkSpec } from '../../../src/main/engine/learning/network/network-spec.ts'
import { forwardForTraining } from '../../../src/main/engine/learning/network/network-training.ts'
import { initialParameters, parameterLayout } from '../../../src/main/engine/learning/network/parameters.ts'
import { labelRows, segmentationLoss } from '../../../src/main/engine/learning/training/segmentation-loss.ts'
import { unetSpec } from '../../../src/main/engine/learning/unet/unet-spec.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'
import { learningGolden, wave } from './learning-golden.ts'

interface Problem {
  spec: NetworkSpec
  image: Float32Array
  shape: readonly [number, number, number, number]
  labels: Uint8Array
}

/** Loss, logits and gradient (flat) of a network on one batch, for any parameters, in one session. */
function evaluationOf({ spec, image, shape, labels }: Problem) {
  const { entries, length } = parameterLayout(spec)
  const { rows, labelledVoxels } = labelRows(labels)
  const graph = new GraphBuilder()
  const [ops, math] = [networkOperations(graph), arithmetic(graph)]
  const vector = graph.placeholder('vector', 'float32', [length])
  const input = graph.placeholder('images', 'float32', [-1, -1, -1, shape[3]])
  const truth = graph.placeholder('rows', 'uint8', [-1])
  const parts = ops.split(
    vector,
    entries.map((entry) => entry.length),
    0,
  )
  const byName = new Map(entries.map(({ name, shape }, i) => [name, math.reshape(parts[i], shape)]))
  const pass = forwardForTraining(ops, spec, byName, input)
  const materials = channelsOf(spec).get(spec.nodes.at(-1)!.name)!
  const loss = segmentationLoss(math, math.reshape(pass.output, [-1, materials]), truth, {
    materials,
    diceWeight: 1,
    batchLabelledVoxels: graph.scalar(labelledVoxels),
  })
  const gradients = pass.backward(ops.reshapeLike(loss.gradient, pass.output))
  expect([...gradients.keys()].sort()).toEqual(entries.map(({ name }) => name).sort())
  const gradient = ops.concatenate(
    entries.map(({ name }) => math.reshape(gradients.get(name)!, [-1])),
    0,
  )
  const statisticsNames = [...pass.batchStatistics.keys()]
  const session = openSession(runtime, graph)
  const run = (parameters: Float32Array, fetches: readonly GraphTensor[]) =>
    expectNoLeak(() =>
      session.run(
        new Map<GraphTensor, Feed>([
          [vector, { values: parameters, shape: [length] }],
          [input, { values: image, shape }],
          [truth, { values: rows, shape: [rows.length] }],
        ]),
        fetches,
      ),
    ) as Float32Array[]
  return {
    losses: (parameters: Float32Array) => {
      const [crossEntropy, dice] = run(parameters, [loss.crossEntropy, loss.dice])
      return { crossEntropy: crossEntropy[0], dice: dice[0] }
    },
    logits: (parameters: Float32Array) => run(parameters, [pass.output])[0],
    gradient: (parameters: Float32Array) => run(parameters, [gradient])[0],
    statistics: (parameters: Float32Array) => {
      if (statisticsNames.length === 0) return []
      const values = run(
        parameters,
        statisticsNames.map((name) => pass.batchStatistics.get(name)!),
      )
      return statisticsNames.map((name, i) => ({ name, values: values[i] }))
    },
    dispose: () => session.dispose(),
  }
}

function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < left.length; i++) sum += left[i] * right[i]
  return sum
}

describe.each(learningGolden.networks)('UNet, $name, against PyTorch', (golden) => {
  const [batch, y, x, channels] = golden.shape
  const spec = unetSpec(golden.options)
  const problem: Problem = {
    spec,
    shape: golden.shape,
    image: Float32Array.from(wave(batch * y * x * channels, 0.37)),
    labels: Uint8Array.from({ length: batch * y * x }, (_, i) => (i * 7) % (golden.options.materials + 1)),
  }
  const parameters = Float32Array.from(wave(golden.parameters, 1.7, 0.3), (value) => 0.4 * value + 0.05)

  test('has the same parameters in the same order', () => {
    const { length, entries } = parameterLayout(spec)
    expect(length).toBe(golden.parameters)
    expect(entries.map(({ name, offset, length }) => ({ name, offset, length }))).toEqual(
      golden.gradient.map(({ name, offset, length }) => ({ name, offset, length })),
    )
  })

  test('gives the same logits, losses and gradients', () => {
    const network = evaluationOf(problem)
    const [logits, gradient] = [network.logits(parameters), network.gradient(parameters)]
    const { crossEntropy, dice } = network.losses(parameters)
    network.dispose()
    golden.firstLogits.forEach((value, i) => expect(logits[i]).toBeCloseTo(value, 4))
    expect(crossEntropy).toBeCloseTo(golden.crossEntropy, 5)
    expect(dice).toBeCloseTo(golden.dice, 5)
    const largest = Math.max(...golden.gradient.map(({ norm }) => norm))
    for (const { name, offset, length, norm, projections } of golden.gradient) {
      const part = gradient.subarray(offset, offset + length)
      const tolerance = 2e-4 * norm + 1e-6 * largest
      expect(Math.abs(Math.sqrt(dot(part, part)) - norm), `norm of ${name}`).toBeLessThan(tolerance)
      ;[0.9, 1.9, 2.7].forEach((frequency, k) => {
        const difference = dot(part, wave(length, frequency, 0.5)) - projections[k]
        expect(Math.abs(difference), `projection ${k} of ${name}`).toBeLessThan(tolerance * Math.sqrt(length))
      })
    }
  })
})

const convolutionNode = { op: 'convolution', kernel: 3, normalisation: 'none' } as const

/**
 * Two scales of averaged and enlarged features, a sum with ReLU and one without, and a picture in ImageNet's colours: every
 * node that the UNet does not have, and parameters used twice. What only the input reaches (its picture, its average) needs no gradient.
 */
const otherNodes: NetworkSpec = {
  nodes: [
    { op: 'input', name: 'input', channels: 1 },
    { op: 'average-pool', name: 'halved', input: 'input' },
    { op: 'imagenet-input', name: 'picture', input: 'halved' },
    { ...convolutionNode, name: 'first', input: 'picture', filters: 3, activation: 'relu' },
    { op: 'average-pool', name: 'pooled', input: 'first' },
    { ...convolutionNode, name: 'second', input: 'pooled', filters: 3, activation: 'none' },
    { op: 'upsample', name: 'twice', input: 'second', factor: 2 },
    { op: 'addition', name: 'joined', inputs: ['twice', 'first', 'picture'], activation: 'relu' },
    // The second again: its parameters learn from both places.
    {
      ...convolutionNode,
      name: 'third',
      sharedWith: 'second',
      input: 'joined',
      filters: 3,
      activation: 'none',
    },
    { op: 'addition', name: 'again', inputs: ['third', 'joined'], activation: 'none' },
    { op: 'max-pool', name: 'largest', input: 'again' },
    { op: 'upsample', name: 'whole', input: 'largest', factor: 4 },
    { ...convolutionNode, name: 'logits', input: 'whole', filters: 3, kernel: 1, activation: 'none' },
  ],
}

describe.each(['batch', 'none', 'other nodes'] as const)(
  'a network with %s, by finite differences',
  (normalisation) => {
    const spec =
      normalisation === 'other nodes'
        ? otherNodes
        : unetSpec({ inputChannels: 1, materials: 3, baseFilters: 2, depth: 2, normalisation })
    const shape = [2, 16, 16, 1] as const
    const random = createRandom(3)
    const problem: Problem = {
      spec,
      shape,
      image: Float32Array.from({ length: 512 }, () => random.normal()),
      labels: Uint8Array.from({ length: 512 }, () => random.integer(4)),
    }
    // Biases well away from zero: where a feature map is dead, all voxels would bend at once there.
    const parameters = initialParameters(spec, 5).map((value) => value + 0.2 * random.normal())
    if (spec === otherNodes) {
      // Colours are a hundred times larger than grey values.
      const [kernel] = parameterLayout(spec).entries
      for (let i = 0; i < kernel.length; i++) parameters[i] = parameters[i] / 100
    }
    const network = evaluationOf(problem)
    afterAll(() => network.dispose())
    const lossAt = (direction: Float32Array, offset: number, step: number) => {
      const moved = parameters.slice()
      direction.forEach((value, i) => (moved[offset + i] = moved[offset + i] + step * value))
      const { crossEntropy, dice } = network.losses(moved)
      return crossEntropy + dice
    }

    test('the gradient of every parameter tensor is the slope of the loss', () => {
      const gradient = network.gradient(parameters)
      const whole = Math.sqrt(dot(gradient, gradient))
      // Float32 leaves about 1e-7 of noise in the loss, while ReLU and pooling bend it: long steps meet bends, short ones
      // drown in noise, and the better of two counts. The
      // comparison with PyTorch above is the sharp one; this one does not depend on another program.
      const steps = [5e-4, 2e-3]
      for (const { name, offset, length } of parameterLayout(spec).entries) {
        const part = gradient.subarray(offset, offset + length)
        const norm = Math.sqrt(dot(part, part))
        const along = part.map((value) => value / norm)
        const anyway = Float32Array.from({ length }, () => (random.next() < 0.5 ? -1 : 1) / Math.sqrt(length))
        for (const direction of [along, anyway]) {
          const expected = dot(part, direction)
          const slopes = steps.map(
            (step) => (lossAt(direction, offset, step) - lossAt(direction, offset, -step)) / (2 * step),
          )
          const error = Math.min(...slopes.map((slope) => Math.abs(slope - expected)))
          expect(error, `${name}: slopes ${slopes.join(', ')}, gradient ${expected}`).toBeLessThan(
            0.08 * norm + 1e-3 * whole,
          )
        }
      }
    })

    test('reports mean and unbiased variance of every batch normalisation', () => {
      const statistics = network.statistics(parameters)
      if (normalisation !== 'batch') {
        expect(statistics).toEqual([])
        return
      }
      expect(statistics).toHaveLength(2 * 10)
      // The first convolution, worked out voxel by voxel.
      const kernel = parameters.subarray(0, 18)
      const values: number[][] = [[], []]
      for (let b = 0; b < 2; b++)
        for (let y = 0; y < 16; y++)
          for (let x = 0; x < 16; x++)
            for (let filter = 0; filter < 2; filter++) {
              let sum = 0
              for (let dy = -1; dy <= 1; dy++)
                for (let dx = -1; dx <= 1; dx++) {
                  const [sy, sx] = [y + dy, x + dx]
                  if (sy < 0 || sy >= 16 || sx < 0 || sx >= 16) continue
                  sum += problem.image[(b * 16 + sy) * 16 + sx] * kernel[((dy + 1) * 3 + dx + 1) * 2 + filter]
                }
              values[filter].push(sum)
            }
      const find = (name: string) => statistics.find((entry) => entry.name === name)!.values
      values.forEach((list, filter) => {
        const mean = list.reduce((a, b) => a + b, 0) / list.length
        const variance = list.reduce((a, b) => a + (b - mean) ** 2, 0) / (list.length - 1)
        expect(find('encoder0_convolution1/mean')[filter]).toBeCloseTo(mean, 5)
        expect(find('encoder0_convolution1/variance')[filter]).toBeCloseTo(variance, 5)
      })
    })
  },
)

import { expect, test } from 'vitest'
import {
  activationBytesPerVoxel,
  receptiveRadius,
  strideOf,
} from '../../../src/main/engine/learning/network/network-geometry.ts'
import { createNativeOps } from '../../../src/main/engine/learning/network/native-ops.ts'
import {
  foldForPrediction,
  predictLogits,
} from '../../../src/main/engine/learning/network/network-prediction.ts'
import {
  parameterCount,
  parametersOf,
  type NetworkSpec,
} from '../../../src/main/engine/learning/network/network-spec.ts'
import {
  decayMask,
  initialParameters,
  initialStatistics,
  joinVector,
  parameterLayout,
  splitVector,
  statisticsLayout,
} from '../../../src/main/engine/learning/network/parameters.ts'
import { unetSpec } from '../../../src/main/engine/learning/unet/unet-spec.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'
import { sampleNetworkValues } from './sample-network.ts'

const { tf } = runtime
const ops = createNativeOps(runtime)
const standard = unetSpec({
  inputChannels: 1,
  materials: 3,
  baseFilters: 16,
  depth: 4,
  normalisation: 'batch',
})

test('the standard UNet has 18 convolutions of 3 × 3 and as many parameters as worked out by hand', () => {
  const sizes = standard.nodes.filter((node) => node.op === 'convolution').map((node) => node.kernel)
  expect(sizes.filter((size) => size === 3)).toHaveLength(18)
  expect(sizes.filter((size) => size === 1)).toHaveLength(1)
  // Two convolutions with gain and shift: 9·in·f + 9·f·f + 4·f. Up-convolution: 4·2f·f + f. Output: 16·3 + 3.
  const pair = (inputs: number, filters: number) => 9 * inputs * filters + 9 * filters ** 2 + 4 * filters
  const down = pair(1, 16) + pair(16, 32) + pair(32, 64) + pair(64, 128) + pair(128, 256)
  const up = [16, 32, 64, 128].reduce((sum, f) => sum + 8 * f * f + f + pair(2 * f, f), 0)
  expect(parameterCount(standard)).toBe(down + up + 51)
  expect(statisticsLayout(standard).length).toBe(4 * (16 + 32 + 64 + 128) * 2 + 4 * 256)
  expect(strideOf(standard)).toBe(16)
})

test('kernels start with the spread of He, gains at one, all else at zero, and the seed decides', () => {
  const values = initialParameters(standard, 3)
  const mask = decayMask(standard)
  parametersOf(standard).forEach((parameter, index) => {
    const { offset, length } = parameterLayout(standard).entries[index]
    const part = values.subarray(offset, offset + length)
    const isKernel = parameter.role === 'kernel'
    expect(mask.subarray(offset, offset + length).every((value) => value === (isKernel ? 1 : 0))).toBe(true)
    if (!isKernel) {
      expect(part.every((value) => value === (parameter.role === 'gain' ? 1 : 0))).toBe(true)
      return
    }
    const deviation = Math.sqrt(2 / parameter.fanIn)
    const mean = part.reduce((a, b) => a + b, 0) / length
    const spread = Math.sqrt(part.reduce((a, b) => a + b * b, 0) / length)
    // Five standard errors.
    expect(Math.abs(mean), parameter.name).toBeLessThan((5 * deviation) / Math.sqrt(length))
    expect(Math.abs(spread / deviation - 1), parameter.name).toBeLessThan(5 / Math.sqrt(2 * length))
  })
  expect(parametersOf(standard).find(({ name }) => name === 'decoder0_up/kernel')).toMatchObject({
    shape: [2, 2, 16, 32],
    fanIn: 32,
  })
  expect(initialParameters(standard, 3)).toEqual(values)
  const other = initialParameters(standard, 4)
  expect(other.filter((value, i) => mask[i] === 1 && value === values[i])).toHaveLength(0)
})

test('statistics start as zero means and unit variances', () => {
  const values = initialStatistics(standard)
  for (const { name, offset, length } of statisticsLayout(standard).entries) {
    const expected = name.endsWith('/variance') ? 1 : 0
    expect([...values.subarray(offset, offset + length)]).toEqual(new Array<number>(length).fill(expected))
  }
})

test('a flat vector is cut into tensors and joined again without change', () => {
  const spec = unetSpec({ inputChannels: 3, materials: 2, baseFilters: 3, depth: 2, normalisation: 'none' })
  const { parameters } = sampleNetworkValues(spec, 1)
  const layout = parameterLayout(spec)
  const joined = expectNoLeak(() =>
    tf.tidy(() => {
      const parts = splitVector(runtime, tf.tensor1d(parameters), layout)
      expect([...parts].map(([name, tensor]) => [name, tensor.shape])).toEqual(
        layout.entries.map(({ name, shape }) => [name, shape]),
      )
      return joinVector(runtime, parts, layout).dataSync().slice()
    }),
  )
  expect(joined).toEqual(parameters)
  expect(splitVector(runtime, tf.tensor1d([]), statisticsLayout(spec)).size).toBe(0)
})

/** Which outputs of the network change with one input voxel: largest distance to each side, over all alignments. */
function measuredReach(spec: NetworkSpec, size: number): { before: number; after: number } {
  return tf.tidy(() => {
    const { parameters, statistics } = sampleNetworkValues(spec, 9)
    // Positive weights everywhere: nothing cancels and no ReLU is shut, so that every connection shows.
    const positive = parameters.map((value) => Math.abs(value) + 1e-3)
    const plain = statistics.map((value, i) =>
      statisticsLayout(spec).entries.some(
        ({ name, offset, length }) => name.endsWith('/mean') && i >= offset && i < offset + length,
      )
        ? 0
        : value,
    )
    const weights = foldForPrediction(runtime, spec, tf.tensor1d(positive), tf.tensor1d(plain))
    const stride = strideOf(spec)
    let [before, after] = [0, 0]
    for (let offset = 0; offset < stride; offset++) {
      const at = size / 2 + offset
      const image = new Float32Array(size * size)
      const run = () =>
        tf.tidy(() => {
          const logits = predictLogits(runtime, ops, spec, weights, tf.tensor4d(image, [1, size, size, 1]))
          return logits.max(3).dataSync().slice()
        })
      const quiet = run()
      // A bright voxel wins every pooling.
      image[at * size + at] = 1e6
      const loud = run()
      for (let i = 0; i < size * size; i++) {
        if (loud[i] === quiet[i]) continue
        const x = i % size
        before = Math.max(before, at - x)
        after = Math.max(after, x - at)
      }
    }
    weights.forEach((tensor) => tensor.dispose())
    return { before, after }
  })
}

test.each([
  { depth: 1, size: 48 },
  { depth: 2, size: 96 },
  { depth: 3, size: 192 },
])('the receptive radius of depth $depth is what a change of one voxel shows', ({ depth, size }) => {
  const spec = unetSpec({ inputChannels: 1, materials: 2, baseFilters: 1, depth, normalisation: 'batch' })
  const radius = receptiveRadius(spec)
  expect(size / 2, 'the test image is large enough to show more').toBeGreaterThan(radius + strideOf(spec))
  const { before, after } = measuredReach(spec, size)
  const farthest = Math.max(before, after)
  expect(farthest).toBeLessThanOrEqual(radius)
  // A halo much larger than needed would waste time in every tile.
  expect(farthest).toBeGreaterThan(radius - strideOf(spec))
})

test.each([
  { depth: 4, baseFilters: 4, normalisation: 'batch' as const },
  { depth: 2, baseFilters: 8, normalisation: 'none' as const },
])('activations of a prediction take what is estimated: %o', (options) => {
  const spec = unetSpec({ inputChannels: 1, materials: 3, ...options })
  const { parameters, statistics } = sampleNetworkValues(spec, 2)
  const size = 128
  let peak = 0
  const backend = Object.create(runtime.backend) as typeof runtime.backend
  backend.executeSingleOutput = (...call) => {
    const result = runtime.backend.executeSingleOutput(...call)
    peak = Math.max(peak, tf.memory().numBytes)
    return result
  }
  tf.tidy(() => {
    const weights = foldForPrediction(runtime, spec, tf.tensor1d(parameters), tf.tensor1d(statistics))
    const input = tf.zeros<typeof tf.Rank.R4>([1, size, size, 1])
    // The input is the caller's and outlives the pass.
    const before = tf.memory().numBytes
    predictLogits(runtime, createNativeOps({ ...runtime, backend }), spec, weights, input)
    weights.forEach((tensor) => tensor.dispose())
    const perVoxel = (peak - before) / size ** 2
    expect(perVoxel).toBeLessThanOrEqual(activationBytesPerVoxel(spec))
    expect(perVoxel).toBeGreaterThan(0.6 * activationBytesPerVoxel(spec))
  })
})

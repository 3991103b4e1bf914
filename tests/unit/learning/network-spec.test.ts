import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  activationBytesPerVoxel,
  receptiveRadius,
  strideOf,
} from '../../../src/main/engine/learning/network/network-geometry.ts'
import {
  parameterCount,
  parametersOf,
  type NetworkSpec,
} from '../../../src/main/engine/learning/network/network-spec.ts'
import {
  initialParameters,
  initialStatistics,
  parameterLayout,
  statisticsLayout,
} from '../../../src/main/engine/learning/network/parameters.ts'
import { openPredictionSession } from '../../../src/main/engine/learning/prediction/prediction-session.ts'
import { unetSpec } from '../../../src/main/engine/learning/unet/unet-spec.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'
import { sampleNetworkValues } from './sample-network.ts'

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
  parametersOf(standard).forEach((parameter, index) => {
    const { offset, length } = parameterLayout(standard).entries[index]
    const part = values.subarray(offset, offset + length)
    const isKernel = parameter.role === 'kernel'
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
  expect(other.filter((value, i) => value === values[i] && value !== 0 && value !== 1)).toHaveLength(0)
})

test('statistics start as zero means and unit variances', () => {
  const values = initialStatistics(standard)
  for (const { name, offset, length } of statisticsLayout(standard).entries) {
    const expected = name.endsWith('/variance') ? 1 : 0
    expect([...values.subarray(offset, offset + length)]).toEqual(new Array<number>(length).fill(expected))
  }
})

/** A network in a session, run on square images of one channel. */
function networkOf(spec: NetworkSpec, parameters: Float32Array, statistics: Float32Array) {
  const { session, image, outputs } = openPredictionSession(runtime, spec, { parameters, statistics })
  return {
    logits: (values: Float32Array, size: number) =>
      session.run(new Map([[image, { values, shape: [1, size, size, 1] }]]), [outputs.logits])[0],
    dispose: () => session.dispose(),
  }
}

/** Which outputs of the network change with one input voxel: largest distance to each side, over all alignments. */
function measuredReach(spec: NetworkSpec, size: number): { before: number; after: number } {
  return expectNoLeak(() => {
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
    const network = networkOf(spec, positive, plain)
    const stride = strideOf(spec)
    const materials = 2
    let [before, after] = [0, 0]
    for (let offset = 0; offset < stride; offset++) {
      const at = size / 2 + offset
      const image = new Float32Array(size * size)
      const quiet = network.logits(image, size)
      // A bright voxel wins every pooling.
      image[at * size + at] = 1e6
      const loud = network.logits(image, size)
      for (let i = 0; i < loud.length; i++) {
        if (loud[i] === quiet[i]) continue
        const x = Math.floor(i / materials) % size
        before = Math.max(before, at - x)
        after = Math.max(after, x - at)
      }
    }
    network.dispose()
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

/** Highest resident memory of this process, in bytes, since the last call. Linux only. */
function peakMemorySinceLastCall(): number {
  const peak = /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  // 5 resets the peak (man 5 proc_pid_clear_refs).
  writeFileSync('/proc/self/clear_refs', '5')
  return Number(peak![1]) * 1024
}

test.skipIf(process.platform !== 'linux')('activations of a prediction take what is estimated', () => {
  const spec = unetSpec({
    inputChannels: 1,
    materials: 3,
    baseFilters: 16,
    depth: 4,
    normalisation: 'none',
  })
  const { parameters, statistics } = sampleNetworkValues(spec, 2)
  const network = networkOf(spec, parameters, statistics)
  // Loads code, starts threads and fills the caches that a run of any size needs.
  network.logits(new Float32Array(64 * 64), 64)
  const size = 1024
  const image = new Float32Array(size * size)
  peakMemorySinceLastCall()
  const before = process.memoryUsage.rss()
  network.logits(image, size)
  const perVoxel = (peakMemorySinceLastCall() - before) / size ** 2
  network.dispose()
  // TensorFlow's allocator takes half as much again, in blocks of growing size, and keeps it.
  expect(perVoxel).toBeLessThanOrEqual(1.75 * activationBytesPerVoxel(spec))
  expect(perVoxel).toBeGreaterThan(0.6 * activationBytesPerVoxel(spec))
})

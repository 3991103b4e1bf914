import { describe, expect, test, vi } from 'vitest'
import { isPhasemarkError } from '../../../src/shared/errors.ts'
import type { TypedArray } from '../../../src/shared/volume.ts'
import {
  activationBytesPerVoxel,
  receptiveRadius,
  strideOf,
} from '../../../src/main/engine/learning/network/network-geometry.ts'
import type { NetworkSpec } from '../../../src/main/engine/learning/network/network-spec.ts'
import { openPredictionSession } from '../../../src/main/engine/learning/prediction/prediction-session.ts'
import { mirror } from '../../../src/main/engine/learning/patches/patch-transform.ts'
import { createSlicePredictor } from '../../../src/main/engine/learning/prediction/slice-predictor.ts'
import type { SliceInput } from '../../../src/main/engine/learning/prediction/tile-input.ts'
import { unetSpec } from '../../../src/main/engine/learning/unet/unet-spec.ts'
import { expectNoLeak, runtime, withFailingRun } from './compute-runtime.ts'
import { sampleImage, sampleNetworkValues } from './sample-network.ts'

const normalisation = { method: 'percentile', low: 12_000, high: 30_000 } as const
const spec2 = unetSpec({ inputChannels: 1, materials: 3, baseFilters: 4, depth: 2, normalisation: 'batch' })
const spec4 = unetSpec({ inputChannels: 1, materials: 3, baseFilters: 2, depth: 4, normalisation: 'batch' })

function predictorOf(spec: NetworkSpec, tileVoxels: number, on = runtime) {
  return createSlicePredictor(on, spec, {
    ...sampleNetworkValues(spec, 4),
    memoryBytes: tileVoxels * activationBytesPerVoxel(spec),
  })
}

function sliceInput(height: number, width: number, channels: readonly TypedArray[]): SliceInput {
  return { channels, height, width, normalisation }
}

function largestDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  expect(left.length).toBe(right.length)
  let largest = 0
  for (let i = 0; i < left.length; i++) largest = Math.max(largest, Math.abs(left[i] - right[i]))
  return largest
}

/** What the network says before the softmax, `[y, x, material]`. */
function logitsOf(
  spec: NetworkSpec,
  { parameters, statistics }: ReturnType<typeof sampleNetworkValues>,
  image: Float32Array,
  shape: readonly number[],
): Float32Array {
  return expectNoLeak(() => {
    const { session, image: fed, outputs } = openPredictionSession(runtime, spec, { parameters, statistics })
    const [logits] = session.run(new Map([[fed, { values: image, shape }]]), [outputs.logits])
    session.dispose()
    return logits as Float32Array
  })
}

test('folded batch normalisation gives what its definition gives', () => {
  const spec: NetworkSpec = {
    nodes: [
      { op: 'input', name: 'input', channels: 2 },
      {
        op: 'convolution',
        name: 'only',
        input: 'input',
        filters: 3,
        kernel: 3,
        normalisation: 'batch',
        activation: 'relu',
      },
    ],
  }
  const { parameters, statistics } = sampleNetworkValues(spec, 6)
  const [height, width] = [5, 6]
  const image = Float32Array.from({ length: height * width * 2 }, (_, i) => Math.sin(i * 1.3))
  const result = logitsOf(spec, { parameters, statistics }, image, [1, height, width, 2])
  const [gain, shift] = [parameters.subarray(54, 57), parameters.subarray(57, 60)]
  const [mean, variance] = [statistics.subarray(0, 3), statistics.subarray(3, 6)]
  const expected: number[] = []
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let filter = 0; filter < 3; filter++) {
        let sum = 0
        for (let dy = -1; dy <= 1; dy++)
          for (let dx = -1; dx <= 1; dx++)
            for (let channel = 0; channel < 2; channel++) {
              const [sy, sx] = [y + dy, x + dx]
              if (sy < 0 || sy >= height || sx < 0 || sx >= width) continue
              const weight = parameters[(((dy + 1) * 3 + dx + 1) * 2 + channel) * 3 + filter]
              sum += image[(sy * width + sx) * 2 + channel] * weight
            }
        const normalised = (sum - mean[filter]) / Math.sqrt(variance[filter] + 1e-3)
        expected.push(Math.max(0, gain[filter] * normalised + shift[filter]))
      }
  expect(expected.filter((value) => value > 0).length).toBeGreaterThan(expected.length / 4)
  expect(largestDifference(result, expected)).toBeLessThan(1e-5)
})

describe('tiles give what the whole slice gives', () => {
  test.each([
    { height: 97, width: 131, spec: spec2, tileVoxels: 60 * 60 },
    { height: 64, width: 203, spec: spec2, tileVoxels: 64 * 64 },
    { height: 33, width: 250, spec: spec2, tileVoxels: 50 * 60 },
    { height: 330, width: 17, spec: spec4, tileVoxels: 230 * 32 },
    { height: 251, width: 301, spec: spec4, tileVoxels: 250 * 250 },
  ])('$height × $width', ({ height, width, spec, tileVoxels }) => {
    const input = sliceInput(height, width, [sampleImage(height, width)])
    const [whole, tiled] = expectNoLeak(() =>
      [height * width * 10, tileVoxels].map((voxels) => {
        const predictor = predictorOf(spec, voxels)
        const result = predictor.predict(input, { probabilities: true })
        predictor.dispose()
        return result
      }),
    )
    expect(largestDifference(tiled.probabilities!, whole.probabilities!)).toBeLessThan(1e-5)
    const differing = tiled.materials.filter((material, i) => material !== whole.materials[i])
    // Only a tie to the last bit could differ.
    expect(differing.length).toBeLessThanOrEqual(1)
    const first = whole.probabilities!.filter((_, i) => i % 3 === 0)
    expect(Math.max(...first) - Math.min(...first), 'the network sees structure').toBeGreaterThan(0.05)
  })

  test('they really are several', () => {
    const counted = withFailingRun('image', () => false)
    const predictor = predictorOf(spec2, 60 * 60, counted)
    predictor.predict(sliceInput(97, 131, [sampleImage(97, 131)]))
    expect(counted.calls()).toBeGreaterThan(4)
    predictor.dispose()
  })
})

test.each([
  [5, 7],
  [1, 1],
  [1, 40],
  [3, 16],
  [16, 16],
  [50, 31],
])('a slice of %i × %i is padded by mirroring and cut back', (height, width) => {
  const image = sampleImage(height, width)
  const predictor = predictorOf(spec4, 1e6)
  const { probabilities, materials } = predictor.predict(sliceInput(height, width, [image]), {
    probabilities: true,
  })
  // The same by hand: mirrored without repeating the edge, up to the next multiple of 16.
  const [paddedHeight, paddedWidth] = [Math.ceil(height / 16) * 16, Math.ceil(width / 16) * 16]
  const padded = Uint16Array.from({ length: paddedHeight * paddedWidth }, (_, i) => {
    const [y, x] = [Math.floor(i / paddedWidth), i % paddedWidth]
    return image[mirror(y, height) * width + mirror(x, width)]
  })
  const whole = predictor.predict(sliceInput(paddedHeight, paddedWidth, [padded]), { probabilities: true })
  predictor.dispose()
  expect(materials.length).toBe(height * width)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [ours, theirs] = [y * width + x, y * paddedWidth + x]
      const three = [0, 1, 2].map((k) => probabilities![ours * 3 + k])
      expect(three.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
      expect(materials[ours]).toBe(three.indexOf(Math.max(...three)) + 1)
      three.forEach((value, k) => expect(value).toBeCloseTo(whole.probabilities![theirs * 3 + k], 5))
    }
})

test('neighbouring slices come in as channels, in order, in every tile', () => {
  const spec = unetSpec({ inputChannels: 3, materials: 2, baseFilters: 2, depth: 2, normalisation: 'none' })
  const [height, width] = [40, 92]
  const images = [1, 2, 3].map((seed) => sampleImage(height, width, seed))
  const small = predictorOf(spec, 50 * 50)
  const large = predictorOf(spec, 1e6)
  const probabilities = (predictor: typeof small, channels: Uint16Array[]) =>
    predictor.predict(sliceInput(height, width, channels), { probabilities: true }).probabilities!
  const whole = probabilities(large, images)
  expect(largestDifference(probabilities(small, images), whole)).toBeLessThan(1e-5)
  expect(largestDifference(probabilities(large, [...images].reverse()), whole)).toBeGreaterThan(1e-3)
  // Worked out with the network itself on the interleaved, normalised channels.
  const input = Float32Array.from({ length: height * width * 3 }, (_, i) => {
    const value = images[i % 3][Math.floor(i / 3)]
    return (2 * (value - normalisation.low)) / (normalisation.high - normalisation.low) - 1
  })
  const logits = logitsOf(spec, sampleNetworkValues(spec, 4), input, [1, height, width, 3])
  const expected = Float32Array.from(logits, (value, i) => {
    const two = logits.subarray(i - (i % 2), i - (i % 2) + 2)
    return Math.exp(value) / (Math.exp(two[0]) + Math.exp(two[1]))
  })
  expect(largestDifference(expected, whole)).toBeLessThan(1e-5)
  small.dispose()
  large.dispose()
})

describe('when memory runs out', () => {
  const [height, width] = [160, 176]
  const input = sliceInput(height, width, [sampleImage(height, width)])

  test('tiles shrink until they fit, the result is the same and nothing leaks', () => {
    const plain = predictorOf(spec2, 1e6)
    const expected = plain.predict(input, { probabilities: true })
    plain.dispose()
    expectNoLeak(() => {
      const failing = withFailingRun('image', (call) => call < 2)
      const predictor = predictorOf(spec2, 1e6, failing)
      const result = predictor.predict(input, { probabilities: true })
      expect(predictor.maxTileVoxels).toBe((height * width) / 4)
      expect(largestDifference(result.probabilities!, expected.probabilities!)).toBeLessThan(1e-5)
      // What was learned stays: the next slice starts with small tiles.
      predictor.predict(input)
      expect(predictor.maxTileVoxels).toBe((height * width) / 4)
      predictor.dispose()
    })
  })

  test('and a slice that cannot be cut any smaller ends in OutOfMemory, without a leak', () => {
    expectNoLeak(() => {
      const failing = withFailingRun('image', () => true)
      const predictor = predictorOf(spec2, 1e6, failing)
      let caught: unknown = null
      try {
        predictor.predict(input)
      } catch (error) {
        caught = error
      }
      expect(isPhasemarkError(caught) && caught._tag).toBe('OutOfMemory')
      expect(failing.calls()).toBeGreaterThan(2)
      expect(failing.calls()).toBeLessThan(20)
      expect(predictor.maxTileVoxels).toBeLessThan(4 * (2 * receptiveRadius(spec2) + strideOf(spec2)) ** 2)
      predictor.dispose()
    })
  })

  test('a long and narrow slice is still cut', () => {
    const [narrow, long] = [4, 900]
    const strip = sliceInput(narrow, long, [sampleImage(narrow, long)])
    const failing = withFailingRun('image', (call) => call === 0)
    const predictor = predictorOf(spec2, 1e6, failing)
    expect(predictor.predict(strip).materials.length).toBe(narrow * long)
    expect(predictor.maxTileVoxels).toBeLessThan(narrow * long)
    predictor.dispose()
  })

  test('other errors are not taken for it', () => {
    const failing = withFailingRun('image', () => true, 'Invalid argument: shapes do not agree')
    const predictor = predictorOf(spec2, 1e6, failing)
    const before = predictor.maxTileVoxels
    expect(() => predictor.predict(input)).toThrow('shapes do not agree')
    expect(predictor.maxTileVoxels).toBe(before)
    predictor.dispose()
  })
})

test('stops between tiles when asked to', () => {
  const controller = new AbortController()
  const stopping = withFailingRun('image', (call) => {
    if (call === 1) controller.abort()
    return false
  })
  const predictor = predictorOf(spec2, 60 * 60, stopping)
  const predict = vi.fn(() =>
    predictor.predict(sliceInput(97, 131, [sampleImage(97, 131)]), { signal: controller.signal }),
  )
  expect(predict).toThrow(expect.objectContaining({ _tag: 'Cancelled' }))
  // The tile that was under way is the last.
  expect(stopping.calls()).toBe(2)
  predictor.dispose()
})

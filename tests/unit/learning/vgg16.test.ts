import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { receptiveRadius } from '../../../src/main/engine/learning/network/network-geometry.ts'
import { channelsOf, parameterCount } from '../../../src/main/engine/learning/network/network-spec.ts'
import { parameterLayout } from '../../../src/main/engine/learning/network/parameters.ts'
import { createSlicePredictor } from '../../../src/main/engine/learning/prediction/slice-predictor.ts'
import { assembleParameters } from '../../../src/main/engine/learning/vgg16/assemble.ts'
import { createFeatureExtractor } from '../../../src/main/engine/learning/vgg16/feature-rows.ts'
import {
  classifierSpec,
  featureSets,
  vgg16Features,
  vgg16Spec,
} from '../../../src/main/engine/learning/vgg16/vgg16-spec.ts'
import { findPretrainedWeights } from '../../../src/main/engine/pretrained/find-weights.ts'
import { createRandom } from '../../../src/shared/random.ts'
import { sharedModel } from '../../support/shared-data.ts'
import { expectNoLeak, runtime } from './compute-runtime.ts'
import { sampleImage } from './sample-network.ts'
import { randomVgg16 } from './random-vgg16.ts'

const normalisation = { method: 'percentile', low: 12_000, high: 30_000 } as const

/** Made by tests/golden/vgg16.py with Keras. */
const golden = JSON.parse(readFileSync(new URL('../../golden/vgg16.json', import.meta.url), 'utf8')) as {
  shape: [number, number]
  voxels: [y: number, x: number][]
  features: Record<string, number[][]>
  largest: Record<string, number>
}

describe('the features of VGG16', () => {
  const weightsFile = sharedModel('vgg16-imagenet.safetensors')

  test.skipIf(weightsFile === null).each(featureSets)(
    'with ImageNet weights (needs shared/models) equal those of Keras, borders included: %s',
    async (features) => {
      const weights = await findPretrainedWeights({ set: weightsFile! })
      const [height, width] = golden.shape
      const grey = Float32Array.from(
        { length: height * width },
        (_, i) => 0.5 + 0.55 * Math.sin(0.11 * i) * Math.cos(0.037 * i + 1),
      )
      const voxels = Uint32Array.from(golden.voxels, ([y, x]) => y * width + x)
      const rows = expectNoLeak(() => {
        const extractor = createFeatureExtractor(runtime, features, weights.tensors, 1e9)
        const slice = {
          channels: [grey],
          height,
          width,
          normalisation: { method: 'percentile', low: 0, high: 1 } as const,
        }
        const result = extractor.rows(slice, voxels)
        extractor.dispose()
        return result
      })
      const expected = golden.features[features].flat()
      expect(rows).toHaveLength(expected.length)
      const worst = Math.max(...expected.map((value, i) => Math.abs(value - rows[i])))
      expect(worst / golden.largest[features]).toBeLessThan(1e-4)
    },
  )

  test('block1 sees 5 × 5 voxels, the other set far more', () => {
    const radius = (features: (typeof featureSets)[number]) =>
      receptiveRadius(vgg16Spec({ features, hidden: [8], materials: 2 }))
    expect(radius('block1')).toBe(2)
    expect(radius('multi-scale')).toBeGreaterThan(30)
  })

  test('scales share their weights: block 1 and 2 count once', () => {
    // 3·64·9 + 64 + 64·64·9 + 64 = 38,720 and 64·128·9 + 128 + 128·128·9 + 128 = 221,440, then 1 × 1 convolutions.
    const block1 = 38_720
    expect(parameterCount(vgg16Spec({ features: 'block1', hidden: [8], materials: 2 }))).toBe(
      block1 + 64 * 8 + 8 + 8 * 2 + 2,
    )
    const { taps } = vgg16Features('multi-scale')
    const joined = taps.reduce((sum, { channels }) => sum + channels, 0)
    expect(parameterCount(vgg16Spec({ features: 'multi-scale', hidden: [8], materials: 2 }))).toBe(
      block1 + 221_440 + joined * 8 + taps.length * 8 + 8 * 2 + 2,
    )
  })
})

describe.each(featureSets)('the whole network with features %s', (features) => {
  const options = { features, hidden: [6, 5], materials: 3 }
  const pretrained = randomVgg16(3)
  const random = createRandom(11)
  const channels = channelsOf(classifierSpec(options)).get('input')!
  const classifier = Float32Array.from(
    { length: parameterLayout(classifierSpec(options)).length },
    () => 0.3 * random.normal(),
  )
  const mean = Float32Array.from({ length: channels }, () => random.uniform(0, 2))
  const deviation = Float32Array.from({ length: channels }, () => random.uniform(0.5, 2))
  const parameters = assembleParameters(options, pretrained, classifier, { mean, deviation })
  // Not divisible by anything, so that padding at two sides counts too.
  const [height, width] = [53, 75]
  const slice = { channels: [sampleImage(height, width, 1)], height, width, normalisation }

  function probabilities(memoryBytes: number): Float32Array {
    const predictor = createSlicePredictor(runtime, vgg16Spec(options), {
      parameters,
      statistics: new Float32Array(0),
      memoryBytes,
    })
    try {
      return predictor.predict(slice, { probabilities: true }).probabilities!
    } finally {
      predictor.dispose()
    }
  }

  test('gives what the classifier gives on joined, standardised features', () => {
    const voxels = Uint32Array.from({ length: height * width }, (_, i) => i)
    const extractor = createFeatureExtractor(runtime, features, pretrained, 1e9)
    const rows = extractor.rows(slice, voxels)
    extractor.dispose()
    const expected = classify(rows, channels, options, classifier, { mean, deviation })
    const found = probabilities(1e9)
    const worst = Math.max(...found.map((value, i) => Math.abs(value - expected[i])))
    expect(worst).toBeLessThan(1e-4)
    // A constant would agree as well.
    const first = found.filter((_, i) => i % options.materials === 0)
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(0.02)
  })

  test('gives the same in small tiles as in one piece, features as well', () => {
    const [whole, tiled] = [1e9, 6e5].map((memoryBytes) => probabilities(memoryBytes))
    expect(Math.max(...whole.map((value, i) => Math.abs(value - tiled[i])))).toBeLessThan(1e-5)
    const voxels = Uint32Array.from({ length: 200 }, () => random.integer(height * width))
    const rows = [1e9, 6e5].map((memoryBytes) => {
      const extractor = createFeatureExtractor(runtime, features, pretrained, memoryBytes)
      const result = extractor.rows(slice, voxels)
      extractor.dispose()
      return result
    })
    const scale = Math.max(...rows[0])
    expect(Math.max(...rows[0].map((value, i) => Math.abs(value - rows[1][i]))) / scale).toBeLessThan(1e-5)
  })
})

/** The classifier in plain loops: standardise, 1 × 1 convolutions with ReLU, softmax. */
function classify(
  rows: Float32Array,
  channels: number,
  options: { hidden: readonly number[]; materials: number; features: (typeof featureSets)[number] },
  classifier: Float32Array,
  { mean, deviation }: { mean: Float32Array; deviation: Float32Array },
): number[] {
  const layers = new Map(
    parameterLayout(classifierSpec(options)).entries.map(({ name, offset, length }) => [
      name,
      classifier.subarray(offset, offset + length),
    ]),
  )
  const names = [...options.hidden.map((_, i) => `hidden${i + 1}`), 'logits']
  const result: number[] = []
  for (let row = 0; row < rows.length / channels; row++) {
    let values = Array.from(
      { length: channels },
      (_, c) => (rows[row * channels + c] - mean[c]) / deviation[c],
    )
    for (const name of names) {
      const kernel = layers.get(`${name}/kernel`)!
      const bias = layers.get(`${name}/bias`)!
      const next = Array.from(bias, (start, out) =>
        values.reduce((sum, value, input) => sum + value * kernel[input * bias.length + out], start),
      )
      values = name === 'logits' ? next : next.map((value) => Math.max(0, value))
    }
    const exponentials = values.map((value) => Math.exp(value - Math.max(...values)))
    const sum = exponentials.reduce((a, b) => a + b, 0)
    result.push(...exponentials.map((value) => value / sum))
  }
  return result
}

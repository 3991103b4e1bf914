import type { Preprocessing, SelfTest, WeightSet } from './catalogue.ts'
import type { WeightTensor } from './verify.ts'

/** Features of one picture: [y, x, channel], C order. */
interface Picture {
  height: number
  width: number
  channels: number
  values: Float64Array
}

export interface SelfTestResult {
  /** How many numbers were compared. */
  compared: number
  /** Largest |found − expected| / max(1, |expected|). */
  largestDifference: number
  tolerance: number
  passed: boolean
}

/**
 * Computes the small picture of the catalogue through the network and compares features with those that a reference
 * implementation computed. Catches what no hash can: kernels read in another order than the one they mean. `null` for a set without
 * a self-test. The weights are kept.
 */
export function runSelfTest(
  { layers, preprocessing, selfTest }: Pick<WeightSet, 'layers' | 'preprocessing' | 'selfTest'>,
  tensors: ReadonlyMap<string, WeightTensor>,
): SelfTestResult | null {
  if (selfTest === undefined) return null
  const features = computeFeatures(testPicture(selfTest.input, preprocessing), layers, tensors)
  const pairs = [
    ...selfTest.values.flatMap(({ layer, y, x, firstChannel, values }) => {
      const { width, channels, values: found } = featuresOf(features, layer)
      const at = (y * width + x) * channels + firstChannel
      return values.map((expected, offset) => [found[at + offset], expected])
    }),
    ...selfTest.sums.map(({ layer, sum }) => [
      featuresOf(features, layer).values.reduce((total, value) => total + value, 0),
      sum,
    ]),
  ]
  const differences = pairs.map(
    ([found, expected]) => Math.abs(found - expected) / Math.max(1, Math.abs(expected)),
  )
  const largestDifference = Math.max(0, ...differences)
  // A value that is no number makes the largest difference no number either, and fails.
  const passed = largestDifference <= selfTest.tolerance
  return { compared: pairs.length, largestDifference, tolerance: selfTest.tolerance, passed }
}

function testPicture(input: SelfTest['input'], { channelOrder, subtractMean }: Preprocessing): Picture {
  const { height, width, modulus } = input
  const colours = channelOrder === 'BGR' ? [2, 1, 0] : [0, 1, 2]
  const values = new Float64Array(height * width * colours.length)
  let at = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (const [channel, colour] of colours.entries()) {
        values[at++] =
          ((input.y * y + input.x * x + input.channel * colour) % modulus) - subtractMean[channel]
      }
    }
  }
  return { height, width, channels: colours.length, values }
}

/** Output of every layer after its activation, by name. Between two blocks the features are pooled. */
function computeFeatures(
  picture: Picture,
  layers: readonly string[],
  tensors: ReadonlyMap<string, WeightTensor>,
): Map<string, Picture> {
  const features = new Map<string, Picture>()
  let block: string | null = null
  let current = picture
  for (const layer of layers) {
    const ofBlock = layer.split('_')[0]
    if (block !== null && ofBlock !== block) current = maxPool(current)
    block = ofBlock
    current = convolve(current, tensorOf(tensors, `${layer}/kernel`), tensorOf(tensors, `${layer}/bias`))
    features.set(layer, current)
  }
  return features
}

/** 3 × 3 convolution with one pixel of zeros around the picture, bias, rectifier. Direct: the picture has a few pixels. */
function convolve(input: Picture, kernel: WeightTensor, bias: WeightTensor): Picture {
  const { height, width, channels } = input
  const filters = bias.values.length
  const values = new Float64Array(height * width * filters)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sums = Float64Array.from(bias.values)
      for (let tap = 0; tap < 9; tap++) {
        const [fromY, fromX] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1]
        if (fromY < 0 || fromY >= height || fromX < 0 || fromX >= width) continue
        for (let channel = 0; channel < channels; channel++) {
          const value = input.values[(fromY * width + fromX) * channels + channel]
          const row = (tap * channels + channel) * filters
          for (let filter = 0; filter < filters; filter++) sums[filter] += value * kernel.values[row + filter]
        }
      }
      values.set(
        sums.map((sum) => Math.max(0, sum)),
        (y * width + x) * filters,
      )
    }
  }
  return { height, width, channels: filters, values }
}

/** Largest of 2 × 2 pixels; an odd last row or column is left out. */
function maxPool({ height, width, channels, values }: Picture): Picture {
  const pooled = { height: Math.floor(height / 2), width: Math.floor(width / 2), channels }
  const result = new Float64Array(pooled.height * pooled.width * channels)
  for (let index = 0; index < result.length; index++) {
    const channel = index % channels
    const x = Math.floor(index / channels) % pooled.width
    const y = Math.floor(index / channels / pooled.width)
    const corner = (2 * y * width + 2 * x) * channels + channel
    result[index] = Math.max(
      values[corner],
      values[corner + channels],
      values[corner + width * channels],
      values[corner + (width + 1) * channels],
    )
  }
  return { ...pooled, values: result }
}

function featuresOf(features: ReadonlyMap<string, Picture>, layer: string): Picture {
  const found = features.get(layer)
  if (found === undefined) throw new Error(`self-test: expected a layer of the network, found ${layer}`)
  return found
}

function tensorOf(tensors: ReadonlyMap<string, WeightTensor>, name: string): WeightTensor {
  const found = tensors.get(name)
  if (found === undefined) throw new Error(`self-test: expected the tensor ${name}, found none`)
  return found
}

import type { Random } from '../../../../shared/random.ts'

export interface IntensityOptions {
  /** Probability of each of the changes below, drawn one by one. */
  probability: number
  /** Largest relative change of contrast. */
  maxContrast: number
  /** Largest shift, in units of the normalised range (−1…1). */
  maxBrightness: number
  /** Exponents lie between 1 / maxGamma and maxGamma. */
  maxGamma: number
  /** Largest standard deviation of added noise, normalised units. */
  maxNoise: number
  /** Largest standard deviation of a Gaussian blur, voxels. */
  maxBlurVoxels: number
}

/**
 * Changes grey values of a patch in place as scanners differ: contrast and brightness, gamma, noise, sharpness.
 *
 * @param image normalised values (−1…1 mostly), `[channels][size × size]`, channels one after the other
 */
export function augmentIntensity(
  image: Float32Array,
  size: number,
  channels: number,
  random: Random,
  options: IntensityOptions,
): void {
  const { probability } = options
  if (random.next() < probability) {
    const contrast = 1 + random.uniform(-1, 1) * options.maxContrast
    const shift = random.uniform(-1, 1) * options.maxBrightness
    for (let i = 0; i < image.length; i++) image[i] = image[i] * contrast + shift
  }
  if (random.next() < probability) {
    const exponent = Math.exp(random.uniform(-1, 1) * Math.log(options.maxGamma))
    for (let i = 0; i < image.length; i++) {
      const unit = (image[i] + 1) / 2
      if (unit > 0 && unit < 1) image[i] = unit ** exponent * 2 - 1
    }
  }
  if (random.next() < probability / 2) {
    const deviation = random.uniform(0.3, 1) * options.maxBlurVoxels
    for (let channel = 0; channel < channels; channel++) {
      blur(image.subarray(channel * size * size, (channel + 1) * size * size), size, deviation)
    }
  }
  if (random.next() < probability) {
    const deviation = random.next() * options.maxNoise
    for (let i = 0; i < image.length; i++) image[i] = image[i] + cheapNormal(random) * deviation
  }
}

/** Sum of four uniforms (Irwin–Hall), unit variance: close enough to normal for noise, three times as fast. */
function cheapNormal(random: Random): number {
  return (random.next() + random.next() + random.next() + random.next() - 2) * Math.sqrt(3)
}

/** Separable Gaussian blur of a square image in place, borders extended. */
function blur(image: Float32Array, size: number, deviation: number): void {
  const radius = Math.max(1, Math.ceil(deviation * 2.5))
  const kernel = Float32Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * deviation ** 2)),
  )
  const sum = kernel.reduce((a, b) => a + b, 0)
  const clamp = (index: number) => (index < 0 ? 0 : index >= size ? size - 1 : index)
  const rows = new Float32Array(image.length)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let value = 0
      for (let k = -radius; k <= radius; k++) value += kernel[k + radius] * image[y * size + clamp(x + k)]
      rows[y * size + x] = value / sum
    }
  }
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let value = 0
      for (let k = -radius; k <= radius; k++) value += kernel[k + radius] * rows[clamp(y + k) * size + x]
      image[y * size + x] = value / sum
    }
  }
}

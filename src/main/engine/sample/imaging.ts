import { createRandom } from '../../../shared/random.ts'
import type { ImagingFaults, SampleStructure, StructureOptions } from './sample-structure.ts'
import { createLatticeField } from './lattice-field.ts'

/** Full scale of the 16-bit detector. */
const fullScale = 65_535

/** Turns what a structure looks like into what an instrument records. */
export interface Imaging {
  /** Recorded slice `z`, C order (y, x), 16 bit. Depends on `z`, seed and size only. */
  record(z: number, structure: Pick<SampleStructure, 'greyAt'>): Uint16Array
}

/** Numbers the random fields, so that one fault does not change when another is turned off. */
const keys = { rings: 11, streaks: 12, curtains: 13, shading: 14, drift: 15, jitter: 16, noise: 17 }

/**
 * Faults in the order in which light or electrons meet them: blur (in-plane Gaussian, neighbouring slices), edge
 * enhancement, cupping and shading (factors), rings, streaks and curtains (offsets), noise, then drift of the detector.
 */
export function createImaging(faults: ImagingFaults, options: StructureOptions): Imaging {
  const { seed, height, width } = options
  const taps = gaussianTaps(faults.blur)
  const wideTaps = gaussianTaps(3 * faults.blur)
  const factors = factorsOf(faults, options)
  const offsets = offsetsOf(faults, options)
  const curtains = createLatticeField({ keys: [seed, keys.curtains], height: 1, width, spacing: 1.6 })
  const broadCurtains = createLatticeField({
    keys: [seed, keys.curtains, 1],
    height: 1,
    width,
    spacing: 14,
  })
  const drift = createLatticeField({ keys: [seed, keys.drift], height: 1, width: 2, spacing: 9 })

  function curtainsAt(z: number): Float32Array {
    // Milled anew with each slice: they change several times faster along z than the lattice across.
    const [fine, broad] = [curtains.slice(z), broadCurtains.slice(2 * z)]
    return fine.map((value, x) => faults.curtains * (0.6 * value + 0.8 * broad[x]))
  }

  return {
    record(z, structure) {
      let image: Float32Array = mixSlices(structure, z, faults.mixing)
      image = convolve(image, height, width, taps)
      if (faults.fringe > 0) {
        const wide = convolve(image, height, width, wideTaps)
        for (let i = 0; i < image.length; i++) image[i] += faults.fringe * (image[i] - wide[i])
      }
      const random = createRandom(seed, keys.noise, z)
      let noise: Float32Array = Float32Array.from(image, () => random.normal())
      if (faults.correlatedNoise) noise = convolve(noise, height, width, correlatedTaps)
      const jitter = createRandom(seed, keys.jitter, z)
      const [brightness, contrast] = drift.slice(z)
      const gain = 1 + faults.drift * (contrast + 0.2 * jitter.normal())
      const shift = faults.drift * 0.5 * (brightness + 0.2 * jitter.normal())
      const columns = faults.curtains > 0 ? curtainsAt(z) : new Float32Array(width)
      const { noiseFloor, noiseShot } = faults
      const recorded = new Uint16Array(image.length)
      for (let i = 0, y = 0; y < height; y++)
        for (let x = 0; x < width; x++, i++) {
          const signal = image[i] * factors[i] + offsets[i] + columns[x]
          const deviation = Math.sqrt(noiseFloor ** 2 + noiseShot ** 2 * Math.max(0, signal))
          const value = gain * (signal + deviation * noise[i]) + shift
          recorded[i] = Math.round(fullScale * Math.min(1, Math.max(0, value)))
        }
      return recorded
    },
  }
}

/** Blur of noise over neighbours, scaled so that the variance stays 1. */
const correlatedTaps = (() => {
  const taps = gaussianTaps(0.7)
  const power = taps.reduce((sum, tap) => sum + tap * tap, 0)
  return taps.map((tap) => tap / Math.sqrt(power))
})()

function gaussianTaps(deviation: number): number[] {
  const radius = Math.ceil(3 * deviation)
  const taps = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * deviation ** 2)),
  )
  const sum = taps.reduce((a, b) => a + b, 0)
  return taps.map((tap) => tap / sum)
}

function mixSlices(structure: Pick<SampleStructure, 'greyAt'>, z: number, mixing: number): Float32Array {
  const [before, own, after] = [z - 1, z, z + 1].map((position) => structure.greyAt(position))
  return own.map((value, i) => (1 - 2 * mixing) * value + mixing * (before[i] + after[i]))
}

/** Separable convolution with odd taps; edges repeat. A new array. */
function convolve(image: Float32Array, height: number, width: number, taps: readonly number[]): Float32Array {
  const radius = (taps.length - 1) / 2
  const rows = new Float32Array(image.length)
  const padded = new Float32Array(width + 2 * radius)
  for (let y = 0; y < height; y++) {
    const at = y * width
    padded.fill(image[at], 0, radius)
    padded.set(image.subarray(at, at + width), radius)
    padded.fill(image[at + width - 1], width + radius)
    for (let x = 0; x < width; x++) {
      let sum = 0
      for (let tap = 0; tap < taps.length; tap++) sum += taps[tap] * padded[x + tap]
      rows[at + x] = sum
    }
  }
  const result = new Float32Array(image.length)
  for (let y = 0; y < height; y++)
    for (let tap = 0; tap < taps.length; tap++) {
      const from = width * Math.min(height - 1, Math.max(0, y + tap - radius))
      const weight = taps[tap]
      for (let x = 0; x < width; x++) result[y * width + x] += weight * rows[from + x]
    }
  return result
}

/** Cupping and shading of every voxel, as a factor. */
function factorsOf(faults: ImagingFaults, { seed, height, width }: StructureOptions): Float32Array {
  const spacing = Math.max(height, width) / 1.5
  const shading = createLatticeField({ keys: [seed, keys.shading], height, width, spacing }).slice(0)
  const centre = axisOfRotation(height, width)
  const rim = Math.hypot(height, width) / 2
  return shading.map((value, i) => {
    const [y, x] = [Math.floor(i / width), i % width]
    const radius = Math.hypot(y - centre.y, x - centre.x) / rim
    return (1 + faults.shading * value) * (1 - faults.cupping * (1 - Math.min(1, radius ** 2)))
  })
}

/** Directions of streaks, in radians from the x axis. */
const streakAngles = [0.35, 1.25, 2.1, 2.75]

/** Rings and streaks of every voxel, as an offset: the same in all slices, as faults of a detector are. */
function offsetsOf(faults: ImagingFaults, { seed, height, width }: StructureOptions): Float32Array {
  const offsets = new Float32Array(height * width)
  const centre = axisOfRotation(height, width)
  const length = 2 * Math.ceil(Math.hypot(height, width)) + 2
  const profile = (key: readonly number[], spacing: number) =>
    createLatticeField({ keys: [seed, ...key], height: 1, width: length, spacing }).slice(0)
  const fine = profile([keys.rings], 1)
  const broad = profile([keys.rings, 1], 5)
  const rings = fine.map((value, i) => faults.rings * (0.7 * value + 0.7 * broad[i]))
  const streaks = streakAngles.map((angle, index) => ({
    sin: Math.sin(angle),
    cos: Math.cos(angle),
    profile: profile([keys.streaks, index], 3),
  }))
  for (let i = 0; i < offsets.length; i++) {
    const [dy, dx] = [Math.floor(i / width) - centre.y, (i % width) - centre.x]
    // Near the axis a ring holds few voxels and is strongest; it fades outwards.
    const radius = Math.hypot(dy, dx)
    offsets[i] = rings[Math.round(radius)] * (0.5 + 1 / (1 + radius / 40))
    for (const { sin, cos, profile: along } of streaks)
      offsets[i] += faults.streaks * along[Math.round(length / 2 + dx * sin + dy * cos)]
  }
  return offsets
}

/** A little off the middle, as in most scans that were cropped. */
function axisOfRotation(height: number, width: number): { y: number; x: number } {
  return { y: 0.46 * height, x: 0.53 * width }
}

import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createRandom } from '../../src/shared/random.ts'
import { encodeTiff, type TiffLayout } from './tiff-fixture.ts'

export interface SampleOptions {
  slices: number
  height: number
  width: number
  /** Slices that are really generated; the others are hard links to them. */
  distinctSlices: number
  layout: TiffLayout
}

/** A generated slice, both C order (y, x): uint16 grey values and the material (1…3) of each voxel. */
export interface SampleSlice {
  grey: Uint16Array
  materials: Uint8Array
}

const waves = 12
/** Grey values of the three materials, the noise on them, and the step of a 12-bit detector stretched to 16 bits. */
const materialGrey = [0, 18_000, 27_000, 39_000]
const noise = 2000
const detectorStep = 16

/**
 * A slice of a three-material sample: a sum of plane waves of random direction and phase, cut at two levels, with noise.
 * Neighbouring z continue each other.
 */
export function sampleSlice(z: number, height: number, width: number): SampleSlice {
  const directions = createRandom(7)
  const field = new Float32Array(height * width)
  for (let wave = 0; wave < waves; wave++) {
    const [kz, ky, kx] = [0, 1, 2].map(() => (directions.next() - 0.5) * 0.3) as [number, number, number]
    const phase = directions.next() * 2 * Math.PI + kz * z
    const cosX = Float32Array.from({ length: width }, (_, x) => Math.cos(kx * x))
    const sinX = Float32Array.from({ length: width }, (_, x) => Math.sin(kx * x))
    for (let y = 0, index = 0; y < height; y++) {
      const cosY = Math.cos(ky * y + phase)
      const sinY = Math.sin(ky * y + phase)
      for (let x = 0; x < width; x++, index++) field[index] += cosX[x] * cosY - sinX[x] * sinY
    }
  }
  const grain = createRandom(1000 + z)
  const grey = new Uint16Array(field.length)
  const materials = new Uint8Array(field.length)
  for (let index = 0; index < field.length; index++) {
    const material = field[index] < -1.5 ? 1 : field[index] < 1 ? 2 : 3
    materials[index] = material
    const value = materialGrey[material] + (grain.next() + grain.next() + grain.next() - 1.5) * noise
    grey[index] = Math.round(value / detectorStep) * detectorStep
  }
  return { grey, materials }
}

/** Plain TIFF, the whole slice as one strip. */
export const plainLayout: TiffLayout = { compression: 'none', predictor: false, rowsPerStrip: 1 << 20 }

/**
 * Writes a folder of TIFF slices `slice_0000.tif`, … and returns their paths; with `labelFolder`, also a folder of dense
 * label slices with the same names.
 */
export function writeSampleVolume(folder: string, options: SampleOptions, labelFolder?: string): string[] {
  const { slices, height, width, distinctSlices, layout } = options
  const names = Array.from({ length: slices }, (_, z) => `slice_${z.toString().padStart(4, '0')}.tif`)
  for (const target of [folder, labelFolder]) if (target !== undefined) mkdirSync(target, { recursive: true })
  names.forEach((name, z) => {
    const slice = z < distinctSlices ? sampleSlice(z, height, width) : null
    const write = (target: string, voxels: Uint16Array | Uint8Array | undefined) => {
      const file = path.join(target, name)
      if (voxels === undefined) linkSync(path.join(target, names[z % distinctSlices]), file)
      else writeFileSync(file, encodeTiff(voxels, height, width, layout))
    }
    write(folder, slice?.grey)
    if (labelFolder !== undefined) write(labelFolder, slice?.materials)
  })
  return names.map((name) => path.join(folder, name))
}

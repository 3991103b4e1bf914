import path from 'node:path'
import { openVolumeWriter } from '../../src/main/engine/output/volume-writer.ts'
import { createRandom } from '../../src/shared/random.ts'
import type { ListedMaterial } from '../../src/shared/materials.ts'
import type { TypedArray } from '../../src/shared/volume.ts'

/** A generated sample; slices C order (y, x). */
export interface SampleVolume {
  shape: readonly [z: number, y: number, x: number]
  grey: readonly Uint16Array[]
  /** Material of each voxel as a position in {@link sampleMaterials}. */
  truth: readonly Uint8Array[]
}

/** Values as label files might hold them: neither dense nor starting at zero. */
export const sampleMaterials: readonly ListedMaterial[] = [
  { value: 3, name: 'pore', colour: '#56b4e9' },
  { value: 10, name: 'ceramic', colour: '#e69f00' },
  { value: 40, name: 'metal', colour: '#009e73' },
]

/** So close together, measured by the noise on them, that a single voxel says little. */
const greys = [20_000, 26_000, 32_000]
const noise = 6000

/** A network of pores and particles of a third material in a matrix: waves in three dimensions, cut at levels. */
export function sampleVolume(depth: number, height: number, width: number, seed: number): SampleVolume {
  const random = createRandom(seed)
  const waves = Array.from({ length: 10 }, () => ({
    z: random.uniform(-0.25, 0.25),
    y: random.uniform(-0.35, 0.35),
    x: random.uniform(-0.35, 0.35),
    phase: random.uniform(0, 7),
  }))
  const grey: Uint16Array[] = []
  const truth: Uint8Array[] = []
  for (let z = 0; z < depth; z++) {
    const materials = new Uint8Array(height * width)
    for (let i = 0; i < materials.length; i++) {
      const [y, x] = [Math.floor(i / width), i % width]
      const level = waves.reduce(
        (sum, wave) => sum + Math.sin(wave.z * z + wave.y * y + wave.x * x + wave.phase),
        0,
      )
      materials[i] = level < -1.2 ? 0 : level < 1.6 ? 1 : 2
    }
    truth.push(materials)
    grey.push(Uint16Array.from(materials, (material) => greys[material] + noise * random.normal()))
  }
  return { shape: [depth, height, width], grey, truth }
}

/** What thresholds between the grey values give: as good as it gets without looking at neighbours. */
export function byThreshold(grey: Uint16Array): Uint8Array {
  return Uint8Array.from(grey, (value) => 1 + greys.slice(1).filter((level) => value > level - 3000).length)
}

/** `count` straight strokes of 3 × 12 voxels on each slice, unlabelled (255) elsewhere. */
export function scribble(truth: Uint8Array, width: number, seed: number, count: number): Uint8Array {
  const random = createRandom(seed)
  const height = truth.length / width
  const labels = new Uint8Array(truth.length).fill(255)
  for (let stroke = 0; stroke < count; stroke++) {
    const [y, x] = [random.integer(height - 3), random.integer(width - 12)]
    for (let dy = 0; dy < 3; dy++)
      for (let dx = 0; dx < 12; dx++) {
        const at = (y + dy) * width + x + dx
        labels[at] = sampleMaterials[truth[at]].value
      }
  }
  return labels
}

/** File values of a slice of materials. */
export function fileValues(truth: Uint8Array): Uint8Array {
  return truth.map((material) => sampleMaterials[material].value)
}

/** Names of the slices `chosen` of a sample, as {@link writeSlices} gives them. */
export function sliceName(z: number): string {
  return `scan_${z.toString().padStart(3, '0')}`
}

/** Writes slices as a folder of TIFF files with the product's own writer. */
export async function writeSlices(
  folder: string,
  [, height, width]: SampleVolume['shape'],
  slices: readonly { z: number; data: TypedArray }[],
  kind: { dtype: 'uint8' | 'uint16'; unlabelledValue?: number; voxelSizeUm?: number },
): Promise<string> {
  const { voxelSizeUm = 0.1 } = kind
  const labels =
    kind.dtype === 'uint8'
      ? { colourTable: sampleMaterials, unlabelledValue: kind.unlabelledValue ?? null }
      : {}
  const writer = await openVolumeWriter({
    path: folder,
    format: 'tiff-stack',
    shape: [slices.length, height, width],
    dtype: kind.dtype,
    voxelSize: { z: 0.2, y: voxelSizeUm, x: voxelSizeUm, unit: 'um' },
    sliceNames: slices.map(({ z }) => sliceName(z)),
    resume: false,
    ...labels,
  })
  for (const [index, { data }] of slices.entries()) await writer.writeSlice(index, data)
  await writer.close()
  return folder
}

/** Writes a sample as `<folder>/images` and dense labels of all its slices as `<folder>/labels`. */
export async function writeSample(
  folder: string,
  { shape, grey, truth }: SampleVolume,
): Promise<{ volume: string; labels: string }> {
  return {
    volume: await writeSlices(
      path.join(folder, 'images'),
      shape,
      grey.map((data, z) => ({ z, data })),
      {
        dtype: 'uint16',
      },
    ),
    labels: await writeSlices(
      path.join(folder, 'labels'),
      shape,
      truth.map((data, z) => ({ z, data: fileValues(data) })),
      { dtype: 'uint8' },
    ),
  }
}

import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { encodeTiffFile, imageDescription } from '../../src/main/engine/output/tiff-encoding.ts'
import { createRandom } from '../../src/shared/random.ts'
import type { Dtype, TypedArray, VoxelSize } from '../../src/shared/volume.ts'

export interface TomogramOptions {
  /** Default 8. */
  slices?: number
  /** Default 96 and 112: neither a multiple of the other, both smaller than a patch of training. */
  height?: number
  width?: number
  /** File values of the three materials, in order of grey value; default 1, 2, 3. */
  values?: readonly [number, number, number]
  /** Positions that get a label slice; default all. */
  labelled?: readonly number[]
  /** With a value, labels are scribbles: only every twelfth row is labelled, the rest has this value. */
  unlabelled?: number
  /** Stem of slice z; default `slice_000`. */
  stem?: (z: number) => string
  /** Of the label slices; default the same. */
  labelStem?: (z: number) => string
  voxelSize?: VoxelSize | null
  seed?: number
}

/** Where a generated tomogram lies. */
export interface Tomogram {
  images: string
  labels: string
}

/** Grey values of the three materials and the noise on them: told apart by eye, not by every single voxel. */
const materialGrey = [6000, 20_000, 36_000] as const
const noise = 2500
const scribbleEvery = 12

/**
 * Writes `images/` and `labels/` into `folder`: blobs of three materials with noise, as uint16 slices, and uint8 labels. The
 * same options give the same bytes.
 */
export function writeTomogram(folder: string, options: TomogramOptions = {}): Tomogram {
  const { slices = 8, height = 96, width = 112, values = [1, 2, 3], seed = 1 } = options
  const { stem = defaultStem, voxelSize = null } = options
  const [images, labels] = ['images', 'labels'].map((name) => path.join(folder, name))
  mkdirSync(images, { recursive: true })
  mkdirSync(labels, { recursive: true })
  for (let z = 0; z < slices; z++) {
    const materials = materialsOf(z, height, width, seed)
    const random = createRandom(seed, z)
    const grey = Uint16Array.from(materials, (material) =>
      Math.max(0, materialGrey[material] + noise * random.normal()),
    )
    writeSlice(path.join(images, `${stem(z)}.tif`), grey, { height, width, voxelSize })
    if (options.labelled?.includes(z) === false) continue
    const truth = Uint8Array.from(materials, (material, index) =>
      options.unlabelled !== undefined && Math.floor(index / width) % scribbleEvery !== 0
        ? options.unlabelled
        : values[material],
    )
    writeSlice(path.join(labels, `${(options.labelStem ?? stem)(z)}.tif`), truth, { height, width })
  }
  return { images, labels }
}

/** As {@link writeTomogram}, with `slices` slices of which only the first `distinct` (default 4) are files of their own: others are links to those. */
export function writeLongTomogram(
  folder: string,
  { slices, distinct = 4, ...options }: { slices: number; distinct?: number; height: number; width: number },
): Tomogram {
  const tomogram = writeTomogram(folder, { ...options, slices: distinct })
  for (const place of [tomogram.images, tomogram.labels])
    for (let z = distinct; z < slices; z++)
      linkSync(
        path.join(place, `${defaultStem(z % distinct)}.tif`),
        path.join(place, `${defaultStem(z)}.tif`),
      )
  return tomogram
}

export function defaultStem(z: number): string {
  return `slice_${String(z).padStart(3, '0')}`
}

export interface SliceFile {
  height: number
  width: number
  voxelSize?: VoxelSize | null
}

/** Writes one plain TIFF slice, C order (y, x), of the type of `voxels`. */
export function writeSlice(
  file: string,
  voxels: TypedArray,
  { height, width, voxelSize = null }: SliceFile,
): void {
  const description = voxelSize === null ? '' : imageDescription(voxelSize, 1, [])
  const format = { height, width, dtype: dtypeOf(voxels), voxelSize, description }
  writeFileSync(file, encodeTiffFile({ ...format, compression: 'none', palette: null }, voxels))
}

/** Material 0, 1 or 2 of each voxel (y, x) of slice `z`: a sum of plane waves that drift with z, cut at two levels. */
function materialsOf(z: number, height: number, width: number, seed: number): Uint8Array {
  const random = createRandom(seed)
  const waves = Array.from({ length: 8 }, () => ({
    y: random.uniform(-0.25, 0.25),
    x: random.uniform(-0.25, 0.25),
    phase: random.uniform(0, 2 * Math.PI) + z * random.uniform(-0.3, 0.3),
  }))
  return Uint8Array.from({ length: height * width }, (_, index) => {
    const [y, x] = [Math.floor(index / width), index % width]
    const field = waves.reduce((sum, wave) => sum + Math.sin(wave.y * y + wave.x * x + wave.phase), 0)
    return field < -1 ? 0 : field < 1 ? 1 : 2
  })
}

function dtypeOf(voxels: TypedArray): Dtype {
  if (voxels instanceof Uint8Array) return 'uint8'
  if (voxels instanceof Uint16Array) return 'uint16'
  if (voxels instanceof Float32Array) return 'float32'
  throw new Error(`expected uint8, uint16 or float32 voxels, found ${voxels.constructor.name}`)
}

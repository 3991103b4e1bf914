import type { ListedMaterial } from '../../../shared/materials.ts'
import type { VoxelSize } from '../../../shared/volume.ts'

/** In-plane size and seed: with these a structure is fixed, at any depth. */
export interface StructureOptions {
  seed: number
  height: number
  width: number
}

/** A structure without end along z. Slices are pure functions of their position (any integer). */
export interface SampleStructure {
  /** Position in the list of materials of each voxel of slice `z`, C order (y, x). Shared: not to be changed. */
  materialsAt(z: number): Uint8Array
  /** What an instrument without blur and noise would see of slice `z`: grey values of about 0…1, C order (y, x). */
  greyAt(z: number): Float32Array
}

/** Faults of an instrument. Amplitudes are in units of the full grey scale. */
export interface ImagingFaults {
  /** Standard deviation of the in-plane blur, in voxels. */
  blur: number
  /** Share of each neighbouring slice in a slice: the blur along z. */
  mixing: number
  /** Edge enhancement as in propagation phase contrast: share of the difference to a wider blur that is added. */
  fringe: number
  /** Noise: variance is `floor² + shot² × grey`. */
  noiseFloor: number
  noiseShot: number
  /** Whether noise is correlated over neighbouring voxels, as after a reconstruction. */
  correlatedNoise: boolean
  /** Concentric rings around the axis of rotation. */
  rings: number
  /** Straight streaks right across the slice, in a few directions. */
  streaks: number
  /** Vertical curtains of ion milling, which go on from slice to slice. */
  curtains: number
  /** Uneven illumination, slow in y and x. */
  shading: number
  /** Slow change of brightness and contrast along z, and a jump from slice to slice of a fifth of it. */
  drift: number
  /** Cupping by beam hardening: the middle is darker than the rim by this share. */
  cupping: number
}

/** Everything that belongs to one kind of sample. */
export interface SampleRecipe {
  title: string
  materials: readonly ListedMaterial[]
  voxelSize: VoxelSize
  faults: ImagingFaults
  /** Grey value of each material before faults. */
  grey: readonly number[]
  /** Further lengths and shares of the structure, for the record. */
  structure: Readonly<Record<string, number>>
  createStructure(options: StructureOptions): SampleStructure
}

/** Keeps the last slices that were made: neighbours are asked for again and again. */
export function rememberSlices<Slice>(kept: number, make: (z: number) => Slice): (z: number) => Slice {
  const slices = new Map<number, Slice>()
  return (z) => {
    const known = slices.get(z)
    if (known !== undefined) return known
    const made = make(z)
    slices.set(z, made)
    if (slices.size > kept) slices.delete(slices.keys().next().value!)
    return made
  }
}

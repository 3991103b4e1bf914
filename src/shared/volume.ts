/**
 * The words for grey volumes that all layers share. Axis order is z, y, x in every array, tuple and name.
 */

/** Element types of a volume on disk and in memory. */
export const dtypes = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64'] as const
export type Dtype = (typeof dtypes)[number]

export const bytesPerElement: Record<Dtype, number> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  float64: 8,
}

export type TypedArray =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array

/** Allocates a zeroed array of `length` elements of `dtype`. */
export function createTypedArray(dtype: Dtype, length: number): TypedArray {
  return new typedArrayConstructors[dtype](length)
}

export const typedArrayConstructors = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const satisfies Record<Dtype, unknown>

/** Units in which a voxel size may be given; `um` is the micrometre. */
export const lengthUnits = ['nm', 'um', 'mm', 'cm', 'm'] as const
export type LengthUnit = (typeof lengthUnits)[number]

export const micrometresPerUnit: Record<LengthUnit, number> = { nm: 1e-3, um: 1, mm: 1e3, cm: 1e4, m: 1e6 }

/**
 * Edge lengths of one voxel. An axis that no file states is `null`: the z step is never assumed from x and y, and an
 * integer screen resolution (72, 96, 300 dpi) is no voxel size. Its schema is in voxel-size-schema.ts.
 */
export interface VoxelSize {
  z: number | null
  y: number | null
  x: number | null
  unit: LengthUnit
}

/** Extent along z, y, x in voxels. */
export type Shape3 = readonly [z: number, y: number, x: number]

/** Something about a volume that its user should know but that does not stop the work. */
export interface VolumeWarning {
  kind: 'numbering-gap' | 'non-finite-voxels' | 'constant-slice' | 'intensity-drift' | 'other'
  /** One sentence that names the file or slice. */
  message: string
}

/** What is known of a volume without reading its voxels. */
export interface VolumeMeta {
  /** For people: `TIFF slices`, `multi-page TIFF`, `PNG slices`, `raw`, … */
  format: string
  /** The path as the user gave it. */
  path: string
  shape: Shape3
  dtype: Dtype
  /** `null` when no file states any axis. */
  voxelSize: VoxelSize | null
  /** Length shape[0]: the file stem of each slice, or `<file stem>_<zero-padded page>` for containers of several slices. */
  sliceNames: readonly string[]
  /** Size of the voxels when decoded: product of shape × bytes per element. */
  bytes: number
  /** Positions z such that numbering jumps between z-1 and z: neighbours across it are not neighbours in the sample. */
  gaps: readonly number[]
  warnings: readonly VolumeWarning[]
}

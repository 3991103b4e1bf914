import { createTypedArray, type Dtype, type TypedArray } from '../../../shared/volume.ts'
import type { LabelReader } from '../annotation/interfaces.ts'

/** The smallest type of whole numbers that holds all values. */
export function smallestDtype(values: readonly number[]): Dtype {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (low < 0) return 'int32'
  if (high <= 0xff) return 'uint8'
  return high <= 0xffff ? 'uint16' : 'uint32'
}

/** Label indices as file values: a new array; `values[index]` is the value of an index, entry 0 the unlabelled one. */
export function toFileValues(indices: Uint8Array, values: ArrayLike<number>, dtype: Dtype): TypedArray {
  const target = createTypedArray(dtype, indices.length)
  for (let i = 0; i < indices.length; i++) target[i] = values[indices[i]]
  return target
}

/** Slices with at least one voxel of the given materials, ascending. */
export function slicesWithMaterials(
  labels: Pick<LabelReader, 'labelledSlices' | 'countSlice'>,
  materials: readonly { index: number }[],
): number[] {
  return labels.labelledSlices.filter((z) => {
    const counts = labels.countSlice(z)
    return materials.some(({ index }) => counts[index] > 0)
  })
}

/** File value per label index, length 256: that of its material, and the unlabelled one for everything else. */
export function fileValuesOf(
  materials: readonly { index: number; value: number }[],
  unlabelled: number,
): Float64Array {
  const values = new Float64Array(256).fill(unlabelled)
  for (const { index, value } of materials) values[index] = value
  return values
}

import type { PlaneAxis } from '../../../../src/shared/annotation/edit.ts'
import type { VolumeShape } from '../../../../src/renderer/annotate/plane-geometry.ts'
import { voxelOf } from './model.ts'

export {
  boxOfEdit,
  planeShape,
  wholePlane,
  type VolumeShape,
} from '../../../../src/renderer/annotate/plane-geometry.ts'

/** Slice and place in it of a voxel of a plane. */
export function voxelOffset(
  axis: PlaneAxis,
  index: number,
  row: number,
  column: number,
  shape: VolumeShape,
): [z: number, at: number] {
  const [z, y, x] = voxelOf({ axis, index }, row, column)
  return [z, y * shape[2] + x]
}

import type { Plane, PlaneAxis } from '../../shared/annotation/edit.ts'
import { micrometresPerUnit, type Shape3, type VoxelSize } from '../../shared/volume.ts'

/** Where the planes of a volume lie: which axes they span and how large they are. Axis order z, y, x. */

/** A voxel of a volume. */
export interface VoxelPosition {
  z: number
  y: number
  x: number
}

export const planeAxes: readonly PlaneAxis[] = ['z', 'y', 'x']

/** The axes that rows and columns of a plane run along. */
export const axesOfPlane: Record<PlaneAxis, { row: PlaneAxis; column: PlaneAxis; name: string }> = {
  z: { row: 'y', column: 'x', name: 'XY' },
  y: { row: 'z', column: 'x', name: 'XZ' },
  x: { row: 'z', column: 'y', name: 'YZ' },
}

const position: Record<PlaneAxis, 0 | 1 | 2> = { z: 0, y: 1, x: 2 }

/** Extent of a volume along one axis in voxels. */
export function extentAlong(shape: Shape3, axis: PlaneAxis): number {
  return shape[position[axis]]
}

/**
 * One plane as it is drawn: its extents in voxels and how long a voxel is on screen at zoom 1. Edges are relative to the
 * shortest voxel edge of the volume, so that the same zoom means the same µm per pixel in all three planes.
 */
export interface PlaneGeometry {
  axis: PlaneAxis
  rows: number
  columns: number
  /** Number of planes along the axis. */
  count: number
  /** Edge of a voxel along a row step and a column step, in units of the volume's shortest edge (≥ 1). */
  rowEdge: number
  columnEdge: number
  /** Micrometres per unit edge; `null` while the voxel size is not known: then edges count as equal. */
  micrometresPerEdge: number | null
}

/**
 * Edges of a voxel in µm, or `null` when an axis is not known: a plane must not look right by accident, so the whole volume is
 * then drawn with cubic voxels and without a scale bar.
 */
export function voxelEdgesUm(voxelSize: VoxelSize | null): VoxelPosition | null {
  if (voxelSize?.z == null || voxelSize.y === null || voxelSize.x === null) return null
  const factor = micrometresPerUnit[voxelSize.unit]
  return { z: voxelSize.z * factor, y: voxelSize.y * factor, x: voxelSize.x * factor }
}

/** Geometry of the planes across `axis` of a volume of `shape` (z, y, x). */
export function planeGeometry(shape: Shape3, voxelSize: VoxelSize | null, axis: PlaneAxis): PlaneGeometry {
  const axes = axesOfPlane[axis]
  const edges = voxelEdgesUm(voxelSize)
  const shortest = edges === null ? 1 : Math.min(edges.z, edges.y, edges.x)
  return {
    axis,
    rows: extentAlong(shape, axes.row),
    columns: extentAlong(shape, axes.column),
    count: extentAlong(shape, axis),
    rowEdge: edges === null ? 1 : edges[axes.row] / shortest,
    columnEdge: edges === null ? 1 : edges[axes.column] / shortest,
    micrometresPerEdge: edges === null ? null : shortest,
  }
}

/** The voxel under (row, column) of a plane, rounded to the nearest centre. */
export function voxelAt(plane: Plane, row: number, column: number): VoxelPosition {
  const axes = axesOfPlane[plane.axis]
  const voxel: VoxelPosition = { z: 0, y: 0, x: 0 }
  voxel[plane.axis] = plane.index
  voxel[axes.row] = Math.round(row)
  voxel[axes.column] = Math.round(column)
  return voxel
}

/** Where a voxel lies in the planes across `axis`: (row, column). */
export function pointInPlane(voxel: VoxelPosition, axis: PlaneAxis): { row: number; column: number } {
  const axes = axesOfPlane[axis]
  return { row: voxel[axes.row], column: voxel[axes.column] }
}

/** The nearest voxel inside a volume of `shape`. */
export function clampVoxel(voxel: VoxelPosition, shape: Shape3): VoxelPosition {
  const clamp = (axis: PlaneAxis): number =>
    Math.min(Math.max(Math.round(voxel[axis]), 0), extentAlong(shape, axis) - 1)
  return { z: clamp('z'), y: clamp('y'), x: clamp('x') }
}

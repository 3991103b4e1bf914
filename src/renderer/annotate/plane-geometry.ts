import type {
  BrushEdit,
  Plane,
  PlaneAxis,
  PolygonEdit,
  Rectangle,
  VoxelBox,
} from '../../shared/annotation/edit.ts'

/** Extents of a volume in voxels, axes z, y, x. */
export type VolumeShape = readonly [number, number, number]

/** Edits that the window can draw by itself, before the data process has carried them out. */
export type DrawableEdit = BrushEdit | PolygonEdit

/** Which axes of (z, y, x) are the rows and columns of a plane. */
export const rowAndColumnAxes: Record<PlaneAxis, readonly [0 | 1, 1 | 2]> = {
  z: [1, 2],
  y: [0, 2],
  x: [0, 1],
}
export const normalAxes: Record<PlaneAxis, 0 | 1 | 2> = { z: 0, y: 1, x: 2 }

/** [rows, columns] of the planes of an axis. */
export function planeShape(axis: PlaneAxis, shape: VolumeShape): [number, number] {
  const [row, column] = rowAndColumnAxes[axis]
  return [shape[row], shape[column]]
}

/** How many planes an axis has. */
export function planeCount(axis: PlaneAxis, shape: VolumeShape): number {
  return shape[normalAxes[axis]]
}

export function planeKey(plane: Plane): string {
  return `${plane.axis}${plane.index}`
}

export function isSamePlane(a: Plane, b: Plane): boolean {
  return a.axis === b.axis && a.index === b.index
}

export function isEmpty(rectangle: Rectangle): boolean {
  return rectangle.bottom <= rectangle.top || rectangle.right <= rectangle.left
}

export function wholePlane(axis: PlaneAxis, shape: VolumeShape): Rectangle {
  const [rows, columns] = planeShape(axis, shape)
  return { top: 0, left: 0, bottom: rows, right: columns }
}

/** Smallest rectangle around both. */
export function joinRectangles(a: Rectangle | null, b: Rectangle): Rectangle {
  if (a === null) return b
  return {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  }
}

/** What both cover; `null` when they do not meet. */
export function meetRectangles(a: Rectangle, b: Rectangle): Rectangle | null {
  const meeting = {
    top: Math.max(a.top, b.top),
    left: Math.max(a.left, b.left),
    bottom: Math.min(a.bottom, b.bottom),
    right: Math.min(a.right, b.right),
  }
  return isEmpty(meeting) ? null : meeting
}

/** The part of a box that lies in a plane; `null` when the plane does not cut it. */
export function boxInPlane(box: VoxelBox, plane: Plane): Rectangle | null {
  const normal = normalAxes[plane.axis]
  if (plane.index < box.start[normal] || plane.index >= box.stop[normal]) return null
  const [row, column] = rowAndColumnAxes[plane.axis]
  const rectangle = {
    top: box.start[row],
    left: box.start[column],
    bottom: box.stop[row],
    right: box.stop[column],
  }
  return isEmpty(rectangle) ? null : rectangle
}

/** The smallest box that an edit stays in; `null` when it lies outside the volume. */
export function boxOfEdit(edit: DrawableEdit, shape: VolumeShape): VoxelBox | null {
  const reach = edit.kind === 'brush' ? edit.radius : 0
  let [top, left, bottom, right] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let at = 0; at + 1 < edit.points.length; at += 2) {
    const row = edit.points[at] ?? 0
    const column = edit.points[at + 1] ?? 0
    top = Math.min(top, row)
    bottom = Math.max(bottom, row)
    left = Math.min(left, column)
    right = Math.max(right, column)
  }
  const [row, column] = rowAndColumnAxes[edit.plane.axis]
  const normal = normalAxes[edit.plane.axis]
  const depth = edit.kind === 'brush' && edit.volumetric ? Math.ceil(reach) : 0
  const start: [number, number, number] = [0, 0, 0]
  const stop: [number, number, number] = [0, 0, 0]
  // One voxel more on each side than the exact outline: rounding must not leave one out.
  const extents = [
    [normal, edit.plane.index - depth, edit.plane.index + depth],
    [row, Math.floor(top - reach) - 1, Math.ceil(bottom + reach) + 1],
    [column, Math.floor(left - reach) - 1, Math.ceil(right + reach) + 1],
  ] as const
  for (const [axis, low, high] of extents) {
    start[axis] = Math.max(0, low)
    stop[axis] = Math.min(shape[axis], high + 1)
    if (start[axis] >= stop[axis]) return null
  }
  return { start, stop }
}

/** Smallest box around both. */
export function joinBoxes(a: VoxelBox | null, b: VoxelBox | null): VoxelBox | null {
  if (a === null) return b
  if (b === null) return a
  return {
    start: [
      Math.min(a.start[0], b.start[0]),
      Math.min(a.start[1], b.start[1]),
      Math.min(a.start[2], b.start[2]),
    ],
    stop: [Math.max(a.stop[0], b.stop[0]), Math.max(a.stop[1], b.stop[1]), Math.max(a.stop[2], b.stop[2])],
  }
}

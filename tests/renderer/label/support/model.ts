import type { LabelEdit, Plane, Rectangle, VoxelBox } from '../../../../src/shared/annotation/edit.ts'
import {
  normalAxes,
  planeShape,
  rowAndColumnAxes,
  wholePlane,
  type DrawableEdit,
  type VolumeShape,
} from '../../../../src/renderer/annotate/plane-geometry.ts'

/** Labels of a small volume kept the plainest way: every voxel is asked by itself whether an edit covers it. Worked by hand from edit.ts. */
export class ModelLabels {
  readonly shape: VolumeShape
  voxels: Uint8Array
  /** Labels that are never painted over. */
  readonly protectedLabels = new Set<number>()

  constructor(shape: VolumeShape) {
    this.shape = shape
    this.voxels = new Uint8Array(shape[0] * shape[1] * shape[2])
  }

  apply(edit: DrawableEdit): void {
    this.forEach((z, y, x, at) => {
      if (this.protectedLabels.has(this.voxels[at]) || !covers(edit, [z, y, x])) return
      if (edit.greyRange !== null) {
        const grey = greyAt(z, y, x)
        if (grey < edit.greyRange.low || grey > edit.greyRange.high) return
      }
      this.voxels[at] = edit.material
    })
  }

  /** The labels of a rectangle of a plane, C order. */
  read(plane: Plane, rectangle: Rectangle | null): { rectangle: Rectangle; data: Uint8Array } {
    const wanted = rectangle ?? wholePlane(plane.axis, this.shape)
    const data: number[] = []
    for (let row = wanted.top; row < wanted.bottom; row++)
      for (let column = wanted.left; column < wanted.right; column++)
        data.push(this.voxels[this.indexOf(voxelOf(plane, row, column))])
    return { rectangle: wanted, data: Uint8Array.from(data) }
  }

  /** Smallest box of voxels that differ from `before`. */
  changedSince(before: Uint8Array): VoxelBox | null {
    const start: [number, number, number] = [Infinity, Infinity, Infinity]
    const stop: [number, number, number] = [0, 0, 0]
    this.forEach((z, y, x, at) => {
      if (before[at] === this.voxels[at]) return
      for (const [axis, value] of [z, y, x].entries()) {
        start[axis] = Math.min(start[axis], value)
        stop[axis] = Math.max(stop[axis], value + 1)
      }
    })
    return stop[0] === 0 ? null : { start, stop }
  }

  private forEach(visit: (z: number, y: number, x: number, at: number) => void): void {
    const [depth, rows, columns] = this.shape
    let at = 0
    for (let z = 0; z < depth; z++)
      for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) visit(z, y, x, at++)
  }

  private indexOf([z, y, x]: readonly [number, number, number]): number {
    return (z * this.shape[1] + y) * this.shape[2] + x
  }
}

/** Grey values of the model: anything that is not constant along an axis. */
export function greyAt(z: number, y: number, x: number): number {
  return (z * 31 + y * 17 + x * 7) % 50
}

export function greyPlane(plane: Plane, shape: VolumeShape): Float32Array {
  const [rows, columns] = planeShape(plane.axis, shape)
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      values[row * columns + column] = greyAt(...voxelOf(plane, row, column))
  return values
}

export function voxelOf(plane: Plane, row: number, column: number): [number, number, number] {
  const voxel: [number, number, number] = [0, 0, 0]
  voxel[normalAxes[plane.axis]] = plane.index
  voxel[rowAndColumnAxes[plane.axis][0]] = row
  voxel[rowAndColumnAxes[plane.axis][1]] = column
  return voxel
}

function covers(edit: DrawableEdit, voxel: [number, number, number]): boolean {
  const [rowAxis, columnAxis] = rowAndColumnAxes[edit.plane.axis]
  const row = voxel[rowAxis]
  const column = voxel[columnAxis]
  const depth = Math.abs(voxel[normalAxes[edit.plane.axis]] - edit.plane.index)
  const corners = pairs(edit.points)
  if (edit.kind === 'polygon') return depth === 0 && isInside(corners, row, column)
  if (depth > 0 && (!edit.volumetric || depth > edit.radius)) return false
  if (edit.shape === 'square')
    return segments(corners).some(([a, b]) => isInSweptSquare(a, b, row, column, edit.radius))
  const reach = edit.radius * edit.radius - depth * depth
  return segments(corners).some(([a, b]) => isWithin(a, b, row, column, reach))
}

type Point = readonly [number, number]

function pairs(points: Float32Array): Point[] {
  return Array.from({ length: points.length / 2 }, (_, at) => [points[2 * at], points[2 * at + 1]])
}

function segments(points: Point[]): [Point, Point][] {
  if (points.length === 1) return [[points[0], points[0]]]
  return points.slice(1).map((point, at) => [points[at], point])
}

/** Whether the distance from (row, column) to the segment, squared, is at most `reach`; without division, so exact on quarters. */
function isWithin(a: Point, b: Point, row: number, column: number, reach: number): boolean {
  const [alongRows, alongColumns] = [b[0] - a[0], b[1] - a[1]]
  const squared = alongRows ** 2 + alongColumns ** 2
  const dot = (row - a[0]) * alongRows + (column - a[1]) * alongColumns
  if (dot <= 0) return (row - a[0]) ** 2 + (column - a[1]) ** 2 <= reach
  if (dot >= squared) return (row - b[0]) ** 2 + (column - b[1]) ** 2 <= reach
  const cross = (row - a[0]) * alongColumns - (column - a[1]) * alongRows
  return cross ** 2 <= reach * squared
}

/** A square of half-width `radius` anywhere on the way: the interval of the way for rows and that for columns must meet. */
function isInSweptSquare(a: Point, b: Point, row: number, column: number, radius: number): boolean {
  let [from, to] = [0, 1]
  for (const [start, end, at] of [
    [a[0], b[0], row],
    [a[1], b[1], column],
  ] as const) {
    const along = end - start
    if (along === 0) {
      if (Math.abs(at - start) > radius) return false
      continue
    }
    const first = (at - radius - start) / along
    const second = (at + radius - start) / along
    from = Math.max(from, Math.min(first, second))
    to = Math.min(to, Math.max(first, second))
  }
  return from <= to + 1e-12
}

/** Even-odd; a centre on an edge counts as beyond it. Without division, so exact on eighths. */
function isInside(corners: Point[], row: number, column: number): boolean {
  let inside = false
  corners.forEach((a, at) => {
    const b = corners[(at + 1) % corners.length]
    const [upper, lower] = a[0] < b[0] ? [a, b] : [b, a]
    if (row < upper[0] || row >= lower[0]) return
    const isBeyond = (column - upper[1]) * (lower[0] - upper[0]) >= (row - upper[0]) * (lower[1] - upper[1])
    if (isBeyond) inside = !inside
  })
  return inside
}

/** Reproducible numbers in [0, 1): mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** A random brush stroke or polygon in any plane of the volume, partly outside now and then. */
export function randomEdit(random: () => number, shape: VolumeShape, materials = 3): DrawableEdit {
  const whole = (limit: number): number => Math.floor(random() * limit)
  const axis = (['z', 'y', 'x'] as const)[whole(3)]
  const plane: Plane = { axis, index: whole(shape[normalAxes[axis]]) }
  const [rows, columns] = planeShape(axis, shape)
  // Quarters are exact in single precision; an eighth beside them keeps corners off the rows and columns of voxels.
  const position = (extent: number, offset: number): number => whole(4 * (extent + 4)) / 4 - 2 + offset
  const points = (count: number, offset: number): Float32Array =>
    Float32Array.from({ length: 2 * count }, (_, at) => position(at % 2 === 0 ? rows : columns, offset))
  const common = {
    plane,
    material: whole(materials + 1),
    greyRange: random() < 0.3 ? { low: 5 + whole(20), high: 25 + whole(20) } : null,
  }
  if (random() < 0.25) return { kind: 'polygon', ...common, points: points(3 + whole(4), 0.125) }
  return {
    kind: 'brush',
    ...common,
    points: points(1 + whole(4), 0),
    radius: [0, 0.5, 1, 1.5, 2.5, 4][whole(6)],
    shape: random() < 0.6 ? 'round' : 'square',
    volumetric: random() < 0.4,
  }
}

export function isDrawable(edit: LabelEdit): edit is DrawableEdit {
  return edit.kind === 'brush' || edit.kind === 'polygon'
}

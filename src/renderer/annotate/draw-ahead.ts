import { brushTip, strokeSpans } from '../../shared/annotation/brush-raster.ts'
import type { Plane, Rectangle } from '../../shared/annotation/edit.ts'
import { paintSpan, type GreyLimit } from '../../shared/annotation/paint.ts'
import { polygonSpans } from '../../shared/annotation/polygon-raster.ts'
import type { DrawAhead, DrawingTarget } from './label-planes.ts'
import {
  boxInPlane,
  boxOfEdit,
  meetRectangles,
  normalAxes,
  planeShape,
  rowAndColumnAxes,
  type DrawableEdit,
  type VolumeShape,
} from './plane-geometry.ts'

export interface DrawAheadOptions {
  shape: VolumeShape
  /** Which labels may be painted over, by label (`overwritableLabels`), as it is now. */
  allowed(): Uint8Array
  /** Grey values of a plane at full resolution, C order; `null` while they are not at hand. */
  greyOf(plane: Plane): ArrayLike<number> | null
}

/** One run of voxels in the plane of the target: along its row or along its column. */
type EmitRun = (line: number, from: number, to: number) => void

/**
 * Draws edits with the same rule as the data process, in whichever plane is on show: that of the stroke, its neighbours (a
 * volumetric brush) and those across it. With a grey range it draws only where grey values are at hand; the rest comes with the answer.
 */
export function createDrawAhead(options: DrawAheadOptions): DrawAhead {
  return (edit, target) => {
    const box = boxOfEdit(edit, options.shape)
    const reached = box === null ? null : boxInPlane(box, target.plane)
    const touched = reached === null ? null : meetRectangles(reached, target.clip)
    if (touched === null) return null
    let grey: GreyLimit | null = null
    if (edit.greyRange !== null) {
      const values = options.greyOf(target.plane)
      if (values === null) return null
      grey = { values, ...edit.greyRange }
    }
    const painter = new PlanePainter(target, touched, edit.material, options.allowed(), grey)
    if (edit.plane.axis === target.plane.axis) drawParallel(edit, target, painter)
    else drawAcross(edit, target.plane, options.shape, painter)
    return touched
  }
}

/** Paints runs of voxels inside a rectangle of a plane. */
class PlanePainter {
  readonly #target: DrawingTarget
  readonly #clip: Rectangle
  readonly #material: number
  readonly #allowed: Uint8Array
  readonly #grey: GreyLimit | null

  constructor(
    target: DrawingTarget,
    clip: Rectangle,
    material: number,
    allowed: Uint8Array,
    grey: GreyLimit | null,
  ) {
    this.#target = target
    this.#clip = clip
    this.#material = material
    this.#allowed = allowed
    this.#grey = grey
  }

  /** Columns [from, to) of a row. */
  alongRow: EmitRun = (row, from, to) => {
    const { top, bottom, left, right } = this.#clip
    if (row < top || row >= bottom) return
    const offset = row * this.#target.shape[1]
    paintSpan(
      this.#target.labels,
      offset + Math.max(from, left),
      offset + Math.min(to, right),
      this.#material,
      this.#allowed,
      this.#grey,
    )
  }

  /** Rows [from, to) of a column. */
  alongColumn: EmitRun = (column, from, to) => {
    for (let row = from; row < to; row++) this.alongRow(row, column, column + 1)
  }
}

/** Into the plane of the edit or a parallel one. */
function drawParallel(edit: DrawableEdit, target: DrawingTarget, painter: PlanePainter): void {
  const extent = { rows: target.shape[0], columns: target.shape[1] }
  const depth = target.plane.index - edit.plane.index
  if (edit.kind === 'polygon') {
    if (depth === 0) polygonSpans(edit.points, extent, painter.alongRow)
    return
  }
  if (depth !== 0 && !edit.volumetric) return
  const tip = brushTip(edit.shape, edit.radius, depth)
  if (tip !== null) strokeSpans(edit.points, tip, extent, painter.alongRow)
}

/** Into a plane across that of the edit: they share a line of voxels, a volumetric brush covers several parallel ones. */
function drawAcross(edit: DrawableEdit, plane: Plane, shape: VolumeShape, painter: PlanePainter): void {
  const editNormal = normalAxes[edit.plane.axis]
  const cutsRows = rowAndColumnAxes[edit.plane.axis][0] === normalAxes[plane.axis]
  const emit = rowAndColumnAxes[plane.axis][0] === editNormal ? painter.alongRow : painter.alongColumn
  const [rows, columns] = planeShape(edit.plane.axis, shape)
  if (edit.kind === 'polygon') {
    polygonSpans(edit.points, { rows, columns }, (row, from, to) => {
      if (cutsRows) {
        if (row === plane.index) emit(edit.plane.index, from, to)
      } else if (plane.index >= from && plane.index < to) emit(edit.plane.index, row, row + 1)
    })
    return
  }
  // Only the one line that the planes share is wanted: it becomes row 0, and the plane ends after it.
  const line = movedToRowZero(edit.points, plane.index, cutsRows)
  const extent = { rows: 1, columns: cutsRows ? columns : rows }
  const depth = edit.volumetric ? Math.floor(edit.radius) : 0
  const first = Math.max(0, edit.plane.index - depth)
  const last = Math.min(shape[editNormal] - 1, edit.plane.index + depth)
  for (let index = first; index <= last; index++) {
    const tip = brushTip(edit.shape, edit.radius, index - edit.plane.index)
    if (tip !== null) strokeSpans(line, tip, extent, (_row, from, to) => emit(index, from, to))
  }
}

/** Points whose row (or column, then swapped) `line` becomes row 0. */
function movedToRowZero(points: Float32Array, line: number, isRow: boolean): Float32Array {
  const moved = new Float32Array(points.length)
  for (let at = 0; at + 1 < points.length; at += 2) {
    const row = points[at] ?? 0
    const column = points[at + 1] ?? 0
    moved[at] = (isRow ? row : column) - line
    moved[at + 1] = isRow ? column : row
  }
  return moved
}

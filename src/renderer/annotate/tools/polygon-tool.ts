import type { Plane } from '../../../shared/annotation/edit.ts'
import type { PlanePointerEvent, PointerTool } from '../../viewer/interfaces.ts'
import { isSamePlane } from '../plane-geometry.ts'
import { PointList } from '../point-list.ts'
import type { EditSink, GreyRange } from './edit-sink.ts'

export interface PolygonToolOptions {
  /** Read when the outline is closed. */
  settings(): { material: number; greyRange: GreyRange }
  sink: EditSink
}

/** Two clicks within this time at one place close the outline. */
const doubleClickMs = 400
/** CSS pixels within which two places are the same to a hand. */
const samePlacePixels = 5

interface Outline {
  plane: Plane
  points: PointList
  /** Number of points before each corner or free line was added, for taking back the last one. */
  marks: number[]
  closing: boolean
}

/**
 * Polygon and lasso in one: a click sets a corner, a drag draws a free line. Enter, a double click or a click on the first corner
 * closes it; `removeLast` takes back a corner (or a line), `cancel` all. Leaving the slice keeps the outline waiting there.
 */
export class PolygonTool implements PointerTool {
  readonly #options: PolygonToolOptions
  #outline: Outline | null = null
  #pressed = false
  #pointer: readonly [number, number] | null = null
  #lastClick: { row: number; column: number; timeStamp: number } | null = null
  readonly #listeners = new Set<() => void>()

  constructor(options: PolygonToolOptions) {
    this.#options = options
  }

  readonly cursor = null

  get isDrawing(): boolean {
    return this.#outline !== null
  }

  get sketch(): { plane: Plane; points: Float32Array; closed: boolean } | null {
    const outline = this.#outline
    if (outline === null) return null
    const points = outline.points.points()
    if (this.#pointer === null || this.#pressed) return { plane: outline.plane, points, closed: false }
    const withPointer = new Float32Array(points.length + 2)
    withPointer.set(points)
    withPointer.set(this.#pointer, points.length)
    return { plane: outline.plane, points: withPointer, closed: true }
  }

  onLookChanged(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  handle(event: PlanePointerEvent): void {
    switch (event.type) {
      case 'down':
        this.#press(event)
        break
      case 'move':
        this.#move(event)
        break
      case 'up':
        this.#release(event)
        break
      case 'cancel':
      case 'leave':
        this.#pressed = false
        this.#pointer = null
        break
    }
    this.#lookChanged()
  }

  /** Paints what the outline encloses. Returns whether there was anything to close. */
  close(): boolean {
    const outline = this.#outline
    if (outline === null || outline.points.count < 3) return false
    const { material, greyRange } = this.#options.settings()
    const reason = this.#options.sink.refusal(material)
    if (reason !== null) {
      // The outline stays: showing or unlocking the material is all that is needed.
      this.#options.sink.refused(reason)
      return false
    }
    this.#reset()
    const id = this.#options.sink.newStroke()
    const edit = {
      kind: 'polygon' as const,
      plane: outline.plane,
      points: outline.points.points(),
      material,
      greyRange,
    }
    this.#options.sink.drawAhead(id, edit)
    this.#options.sink.finish(id, edit)
    this.#lookChanged()
    return true
  }

  /** Takes back the last corner or free line. */
  removeLast(): void {
    const outline = this.#outline
    if (outline === null) return
    outline.points.truncate(outline.marks.pop() ?? 0)
    if (outline.points.count === 0) this.#reset()
    this.#lookChanged()
  }

  cancel(): void {
    this.#reset()
    this.#lookChanged()
  }

  #reset(): void {
    this.#outline = null
    this.#pressed = false
    this.#lastClick = null
  }

  #press(event: PlanePointerEvent): void {
    const at = currentPoint(event)
    if (at === null) return
    const [row, column] = at
    if (this.#outline !== null && !isSamePlane(this.#outline.plane, event.plane)) this.#reset()
    if (this.#closesAt(event, row, column)) {
      if (this.#outline !== null) this.#outline.closing = true
      return
    }
    this.#outline ??= {
      plane: { axis: event.plane.axis, index: event.plane.index },
      points: new PointList(),
      marks: [],
      closing: false,
    }
    this.#lastClick = { row, column, timeStamp: event.timeStamp }
    if (this.#outline.points.isFull) return
    this.#outline.marks.push(this.#outline.points.count)
    this.#outline.points.add(row, column)
    this.#pressed = true
    this.#pointer = at
  }

  #move(event: PlanePointerEvent): void {
    const outline = this.#outline
    if (outline === null || !isSamePlane(outline.plane, event.plane)) return
    this.#pointer = currentPoint(event)
    if (!this.#pressed) return
    for (let at = 0; at + 1 < event.points.length && !outline.points.isFull; at += 2)
      outline.points.add(event.points[at] ?? 0, event.points[at + 1] ?? 0)
  }

  #release(event: PlanePointerEvent): void {
    if (this.#pressed) this.#move(event)
    this.#pressed = false
    const outline = this.#outline
    if (!outline?.closing) return
    outline.closing = false
    this.close()
  }

  /** Whether a press there is the second of a double click or lies on the first corner. */
  #closesAt(event: PlanePointerEvent, row: number, column: number): boolean {
    const outline = this.#outline
    if (outline === null || outline.points.count < 3) return false
    const { pixelsPerVoxel } = event
    const isAt = (otherRow: number, otherColumn: number): boolean =>
      Math.hypot((row - otherRow) * pixelsPerVoxel.row, (column - otherColumn) * pixelsPerVoxel.column) <=
      samePlacePixels
    const last = this.#lastClick
    const doubled =
      last !== null && event.timeStamp - last.timeStamp <= doubleClickMs && isAt(last.row, last.column)
    const [firstRow = Infinity, firstColumn = Infinity] = outline.points.points()
    return doubled || isAt(firstRow, firstColumn)
  }

  #lookChanged(): void {
    for (const listener of this.#listeners) listener()
  }
}

function currentPoint(event: PlanePointerEvent): readonly [number, number] | null {
  const row = event.points.at(-2)
  const column = event.points.at(-1)
  return row === undefined || column === undefined ? null : [row, column]
}

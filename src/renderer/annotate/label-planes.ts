import type { Plane, PlaneAxis, Rectangle, VoxelBox } from '../../shared/annotation/edit.ts'
import { cancelled, PhasemarkError } from '../../shared/errors.ts'
import type { LabelPlaneSource } from '../viewer/interfaces.ts'
import {
  boxInPlane,
  boxOfEdit,
  joinBoxes,
  joinRectangles,
  planeKey,
  planeShape,
  wholePlane,
  type DrawableEdit,
  type VolumeShape,
} from './plane-geometry.ts'

/** Labels of one plane to draw into, C order, and the part of it that may be changed. */
export interface DrawingTarget {
  plane: Plane
  /** [rows, columns] */
  shape: readonly [number, number]
  labels: Uint8Array
  clip: Rectangle
}

/** Draws an edit where it meets the plane. Returns the rectangle that it may have changed, `null` when it does not meet it. */
export type DrawAhead = (edit: DrawableEdit, target: DrawingTarget) => Rectangle | null

export interface PlaneReading {
  rectangle: Rectangle
  /** C order, one byte per voxel of the rectangle. */
  data: Uint8Array
  /** Position of the journal that the data are of. */
  sequence: number
}

export interface LabelPlanesOptions {
  /** Extents in voxels (z, y, x). */
  shape: VolumeShape
  /** Labels of a plane, or of a rectangle in it, as the data process has them now. */
  readPlane(
    plane: Plane,
    rectangle: Rectangle | null,
    options: { signal: AbortSignal },
  ): Promise<PlaneReading>
  draw: DrawAhead
  /** A plane on show could not be read again; it is tried anew with `readAgain`. */
  onReadingFailed(plane: Plane, error: unknown): void
  /** Memory for planes that are not on show, in bytes. */
  spareBytes?: number
}

/** One plane of 4096² is 16 MiB: this keeps a few neighbours of such planes and dozens of smaller ones. */
const defaultSpareBytes = 96 * 2 ** 20

/** A plane in memory. */
interface HeldPlane {
  readonly plane: Plane
  readonly shape: readonly [number, number]
  /** `null` until it was read for the first time. */
  labels: Uint8Array | null
  /** What has to be read again. */
  stale: Rectangle | null
  reading: { controller: AbortController; startedAfter: number } | null
  waiting: Set<{ resolve: (labels: Uint8Array) => void; reject: (error: unknown) => void }>
}

/** A stroke that is drawn ahead of its answer. */
interface AheadStroke {
  edits: DrawableEdit[]
  /** Journal position at which the data process carried it out; `null` while that is not known. */
  sequence: number | null
  /** Every voxel that it may change. */
  box: VoxelBox | null
}

/**
 * The labels of the planes on show. What the data process has is the truth; strokes that it has not answered yet are drawn on
 * top of it, in their order.
 *
 * Invariant: a plane shows the labels of some journal position S, and on top of them every stroke whose position is unknown or
 * above S. A change makes the part of each plane that it meets stale; a stale part is read until it is not. Readings of one plane
 * follow one another, so an older one never covers a newer one. When nothing is ahead and nothing stale, planes equal the journal.
 */
export class LabelPlanes implements LabelPlaneSource {
  readonly #options: LabelPlanesOptions
  /** In the order of their last use, newest last. */
  readonly #planes = new Map<string, HeldPlane>()
  /** The plane asked for last per axis: the one that is looked at. Never forgotten. */
  readonly #onShow = new Map<PlaneAxis, string>()
  readonly #ahead = new Map<string, AheadStroke>()
  /** Newest journal position that an answer has named. */
  #answeredUpTo = 0
  readonly #changedListeners = new Set<(plane: Plane, rectangle: Rectangle) => void>()
  #closed = false

  constructor(options: LabelPlanesOptions) {
    this.#options = options
  }

  /** Labels of a plane, C order; the array stays ours and changes in place. Rejects with `Cancelled` when the signal fires. */
  load(plane: Plane, { signal }: { signal: AbortSignal }): Promise<Uint8Array> {
    const held = this.#hold(plane)
    if (signal.aborted) return Promise.reject(cancelled())
    if (held.labels !== null) {
      void this.#read(held)
      return Promise.resolve(held.labels)
    }
    return new Promise((resolve, reject) => {
      const stopped = (): void => {
        held.waiting.delete(waiter)
        // Slices that were passed while scrubbing need not be read any more.
        if (held.waiting.size === 0 && held.labels === null) this.#forget(held)
        reject(cancelled())
      }
      const waiter = {
        resolve: (labels: Uint8Array) => {
          signal.removeEventListener('abort', stopped)
          resolve(labels)
        },
        reject: (error: unknown) => {
          signal.removeEventListener('abort', stopped)
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      }
      held.waiting.add(waiter)
      signal.addEventListener('abort', stopped, { once: true })
      void this.#read(held)
    })
  }

  onChanged(listener: (plane: Plane, rectangle: Rectangle) => void): () => void {
    this.#changedListeners.add(listener)
    return () => this.#changedListeners.delete(listener)
  }

  /** Planes change in place here, however much of them; there is nothing to load anew. */
  onReset(): () => void {
    return () => undefined
  }

  /** Material index at (row, column) of a plane in memory, `null` elsewhere. */
  labelAt(plane: Plane, row: number, column: number): number | null {
    const held = this.#planes.get(planeKey(plane))
    if (held?.labels == null) return null
    const [rows, columns] = held.shape
    if (row < 0 || column < 0 || row >= rows || column >= columns) return null
    return held.labels[row * columns + column] ?? null
  }

  /** Draws a part of the stroke `id` at once; further calls add to it. The data process hears of it through the queue. */
  drawAhead(id: string, edit: DrawableEdit): void {
    const stroke = this.#ahead.get(id) ?? { edits: [], sequence: null, box: null }
    this.#ahead.set(id, stroke)
    stroke.edits.push(edit)
    stroke.box = joinBoxes(stroke.box, boxOfEdit(edit, this.#options.shape))
    for (const held of this.#planes.values()) {
      const touched = this.#drawInto(held, edit, wholePlane(held.plane.axis, this.#options.shape))
      if (touched !== null) this.#announce(held.plane, touched)
    }
  }

  /**
   * The labels have changed in the data process: at journal position `sequence`, within `box` (`null`: nothing). `strokeId`: the
   * stroke drawn ahead that was carried out. Reads that part of the planes on show again.
   */
  changed(sequence: number, box: VoxelBox | null, strokeId: string | null = null): void {
    this.#answeredUpTo = Math.max(this.#answeredUpTo, sequence)
    const stroke = strokeId === null ? undefined : this.#ahead.get(strokeId)
    if (stroke !== undefined) stroke.sequence = sequence
    // What was drawn ahead may be more than what was changed: another material was locked, the grey value was outside.
    this.#makeStale(joinBoxes(box, stroke?.box ?? null))
    this.#forgetCarriedOut()
  }

  /** The stroke will not be carried out: takes it from the planes. */
  withdraw(strokeId: string): void {
    const stroke = this.#ahead.get(strokeId)
    this.#ahead.delete(strokeId)
    if (stroke !== undefined) this.#makeStale(stroke.box)
  }

  /** Reads all planes on show again and forgets the others: the connection was lost, or a part could not be read. */
  readAgain(): void {
    for (const held of [...this.#planes.values()]) {
      if (!this.#isNeeded(held)) this.#forget(held)
      else if (held.labels === null) void this.#read(held)
      else {
        held.stale = wholePlane(held.plane.axis, this.#options.shape)
        void this.#read(held)
      }
    }
  }

  /** Whether planes show exactly what the data process had when it was last heard of. */
  get isSettled(): boolean {
    if (this.#ahead.size > 0) return false
    return [...this.#planes.values()].every(({ reading, stale }) => reading === null && stale === null)
  }

  /** Stops all reading; the source is not used any more. */
  close(): void {
    this.#closed = true
    for (const held of [...this.#planes.values()]) this.#forget(held)
    this.#changedListeners.clear()
  }

  #hold(plane: Plane): HeldPlane {
    const key = planeKey(plane)
    const held = this.#planes.get(key) ?? {
      plane: { axis: plane.axis, index: plane.index },
      shape: planeShape(plane.axis, this.#options.shape),
      labels: null,
      stale: null,
      reading: null,
      waiting: new Set(),
    }
    this.#planes.delete(key)
    this.#planes.set(key, held)
    this.#onShow.set(plane.axis, key)
    this.#forgetLongUnused()
    return held
  }

  #forget(held: HeldPlane): void {
    const key = planeKey(held.plane)
    if (this.#planes.get(key) === held) this.#planes.delete(key)
    held.reading?.controller.abort()
    for (const waiter of held.waiting) waiter.reject(cancelled())
    held.waiting.clear()
  }

  #forgetLongUnused(): void {
    let spare = this.#options.spareBytes ?? defaultSpareBytes
    for (const held of [...this.#planes.values()].reverse()) {
      if (this.#isNeeded(held)) continue
      spare -= held.shape[0] * held.shape[1]
      if (spare < 0) this.#forget(held)
    }
  }

  #isNeeded(held: HeldPlane): boolean {
    return held.waiting.size > 0 || this.#onShow.get(held.plane.axis) === planeKey(held.plane)
  }

  #makeStale(box: VoxelBox | null): void {
    if (box === null) return
    for (const held of [...this.#planes.values()]) {
      const rectangle = boxInPlane(box, held.plane)
      if (rectangle === null) continue
      if (!this.#isNeeded(held)) {
        this.#forget(held)
        continue
      }
      held.stale = joinRectangles(held.stale, rectangle)
      void this.#read(held)
    }
  }

  async #read(held: HeldPlane): Promise<void> {
    if (held.reading !== null || this.#closed) return
    const rectangle = held.labels === null ? null : held.stale
    if (held.labels !== null && rectangle === null) return
    // A change during the reading makes it stale again; this reading covers what came before.
    held.stale = null
    const controller = new AbortController()
    held.reading = { controller, startedAfter: this.#answeredUpTo }
    try {
      const reading = await this.#options.readPlane(held.plane, rectangle, { signal: controller.signal })
      held.reading = null
      if (controller.signal.aborted) return
      this.#take(held, reading)
    } catch (error) {
      held.reading = null
      if (controller.signal.aborted) return
      this.#readingFailed(held, rectangle, error)
      return
    }
    this.#forgetCarriedOut()
    await this.#read(held)
  }

  #readingFailed(held: HeldPlane, rectangle: Rectangle | null, error: unknown): void {
    if (held.labels === null) {
      const waiting = [...held.waiting]
      held.waiting.clear()
      this.#forget(held)
      for (const waiter of waiting) waiter.reject(error)
      return
    }
    if (rectangle !== null) held.stale = joinRectangles(held.stale, rectangle)
    this.#options.onReadingFailed(held.plane, error)
  }

  #take(held: HeldPlane, { rectangle, data, sequence }: PlaneReading): void {
    const [rows, columns] = held.shape
    const [height, width] = [rectangle.bottom - rectangle.top, rectangle.right - rectangle.left]
    if (data.length !== width * height || (held.labels === null && data.length !== rows * columns))
      throw new PhasemarkError(
        'Internal',
        `labels of plane ${held.plane.axis} ${held.plane.index} (${rows} × ${columns}): expected ${height} × ${width} values, got ${data.length}`,
        {},
      )
    const missing = [...this.#ahead.values()].filter((stroke) => (stroke.sequence ?? Infinity) > sequence)
    let changed: Rectangle | null = rectangle
    if (held.labels === null) {
      held.labels = data.slice()
      for (const { edits } of missing) for (const edit of edits) this.#drawInto(held, edit, rectangle)
    } else if (missing.length === 0) {
      // What was drawn ahead is nearly always what the data process answers: then nothing has to be drawn again.
      changed = copyRows(data, rectangle, held.labels, columns)
    } else {
      const before = cutRows(held.labels, rectangle, columns)
      copyRows(data, rectangle, held.labels, columns)
      for (const { edits } of missing) for (const edit of edits) this.#drawInto(held, edit, rectangle)
      changed = differingPart(before, rectangle, held.labels, columns)
    }
    for (const waiter of held.waiting) waiter.resolve(held.labels)
    held.waiting.clear()
    if (changed !== null) this.#announce(held.plane, changed)
  }

  #drawInto(held: HeldPlane, edit: DrawableEdit, clip: Rectangle): Rectangle | null {
    if (held.labels === null) return null
    return this.#options.draw(edit, { plane: held.plane, shape: held.shape, labels: held.labels, clip })
  }

  /** Forgets strokes that every reading still to come contains. */
  #forgetCarriedOut(): void {
    let contained = this.#answeredUpTo
    for (const { reading } of this.#planes.values())
      if (reading !== null) contained = Math.min(contained, reading.startedAfter)
    for (const [id, { sequence }] of this.#ahead)
      if (sequence !== null && sequence <= contained) this.#ahead.delete(id)
  }

  #announce(plane: Plane, rectangle: Rectangle): void {
    for (const listener of this.#changedListeners) listener(plane, rectangle)
  }
}

/** Puts the values of `rectangle` into a plane of that many columns. Returns the smallest rectangle in which they differed. */
function copyRows(
  data: Uint8Array,
  rectangle: Rectangle,
  labels: Uint8Array,
  columns: number,
): Rectangle | null {
  const differing = differingPart(data, rectangle, labels, columns)
  const width = rectangle.right - rectangle.left
  for (let row = differing?.top ?? 0; row < (differing?.bottom ?? 0); row++) {
    const from = (row - rectangle.top) * width
    labels.set(data.subarray(from, from + width), row * columns + rectangle.left)
  }
  return differing
}

/** The values of `rectangle` in a plane of that many columns, C order. */
function cutRows(labels: Uint8Array, { top, left, bottom, right }: Rectangle, columns: number): Uint8Array {
  const width = right - left
  const data = new Uint8Array((bottom - top) * width)
  for (let row = top; row < bottom; row++)
    data.set(labels.subarray(row * columns + left, row * columns + right), (row - top) * width)
  return data
}

/** The smallest rectangle in which `data`, the values of `rectangle`, differ from those of a plane; `null` when they do not. */
function differingPart(
  data: Uint8Array,
  rectangle: Rectangle,
  labels: Uint8Array,
  columns: number,
): Rectangle | null {
  const width = rectangle.right - rectangle.left
  let [top, left, bottom, right] = [-1, width, 0, 0]
  for (let row = rectangle.top; row < rectangle.bottom; row++) {
    const from = (row - rectangle.top) * width
    const to = row * columns + rectangle.left
    let first = 0
    while (first < width && data[from + first] === labels[to + first]) first++
    if (first === width) continue
    let last = width - 1
    while (data[from + last] === labels[to + last]) last--
    if (top < 0) top = row
    bottom = row + 1
    left = Math.min(left, first)
    right = Math.max(right, last + 1)
  }
  if (top < 0) return null
  return { top, left: rectangle.left + left, bottom, right: rectangle.left + right }
}

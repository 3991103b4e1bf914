import { brushPosition } from '../../../shared/annotation/brush-raster.ts'
import type { BrushEdit, Plane } from '../../../shared/annotation/edit.ts'
import type { PlanePointerEvent, PointerTool } from '../../viewer/interfaces.ts'
import { isSamePlane } from '../plane-geometry.ts'
import { PointList } from '../point-list.ts'
import type { EditSink, GreyRange } from './edit-sink.ts'

export interface BrushSettings {
  /** Width in voxels, ≥ 1; 1 paints single voxels. */
  size: number
  shape: 'round' | 'square'
  /** A ball (cube) instead of a disc in the plane. */
  volumetric: boolean
  /** Material index; 0 erases. */
  material: number
  greyRange: GreyRange
}

export interface BrushToolOptions {
  /** Read when a stroke begins; the stroke keeps them. */
  settings(): BrushSettings
  sink: EditSink
  /** Threshold brush: the range around the grey value where the stroke begins. May take a while; nothing drawn meanwhile is lost. */
  rangeAt?: (plane: Plane, row: number, column: number) => Promise<GreyRange>
  /** Whether the stroke that begins now waits for `rangeAt`; always unless given. */
  waitsForRange?: () => boolean
}

/** A stroke on its way. */
interface Stroke {
  id: string
  plane: Plane
  settings: BrushSettings
  points: PointList
  /** How many points were drawn; the last of them begins the next part. */
  drawn: number
  /** `false` until the grey range of a threshold stroke is known. */
  ready: boolean
  ended: boolean
}

/** A brush of `size` voxels paints all centres within this distance: size 1 is one voxel, size 3 reaches one further. */
export function brushRadius(size: number): number {
  return (size - 1) / 2
}

/**
 * Brush, eraser and threshold brush: press, draw, let go = one undo step. A stroke longer than an edit may be goes on in a next
 * edit from the same point. Losing the pointer ends the stroke and keeps it.
 */
export class BrushTool implements PointerTool {
  readonly #options: BrushToolOptions
  #stroke: Stroke | null = null
  readonly #listeners = new Set<() => void>()

  constructor(options: BrushToolOptions) {
    this.#options = options
  }

  get cursor(): { radius: number; shape: 'round' | 'square' } {
    const { size, shape } = this.#options.settings()
    return { radius: size / 2, shape }
  }

  readonly sketch = null

  onLookChanged(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The settings have changed: the cursor looks different. */
  lookChanged(): void {
    for (const listener of this.#listeners) listener()
  }

  handle(event: PlanePointerEvent): void {
    switch (event.type) {
      case 'down':
        this.#end()
        this.#begin(event)
        break
      case 'move':
        this.#extend(event)
        break
      case 'up':
        this.#extend(event)
        this.#end()
        break
      case 'cancel':
        this.#end()
        break
      case 'leave':
        // Only the pointer left; while the button is down the stroke goes on outside.
        break
    }
  }

  #begin(event: PlanePointerEvent): void {
    const settings = this.#options.settings()
    const reason = this.#options.sink.refusal(settings.material)
    if (reason !== null) {
      this.#options.sink.refused(reason)
      return
    }
    const stroke = this.#newStroke(event.plane, { ...settings })
    this.#stroke = stroke
    addAll(stroke, event.points)
    const at = stroke.points.last
    const { rangeAt } = this.#options
    if (stroke.ready || rangeAt === undefined || at === null) this.#draw(stroke)
    else void this.#learnRange(stroke, rangeAt, at)
  }

  #newStroke(plane: Plane, settings: BrushSettings): Stroke {
    return {
      id: this.#options.sink.newStroke(),
      plane: { axis: plane.axis, index: plane.index },
      settings,
      points: new PointList(),
      drawn: 0,
      ready: this.#options.rangeAt === undefined || this.#options.waitsForRange?.() === false,
      ended: false,
    }
  }

  async #learnRange(
    stroke: Stroke,
    rangeAt: NonNullable<BrushToolOptions['rangeAt']>,
    [row, column]: readonly [number, number],
  ): Promise<void> {
    try {
      stroke.settings.greyRange = await rangeAt(stroke.plane, row, column)
    } catch (error) {
      if (this.#stroke === stroke) this.#stroke = null
      const detail = error instanceof Error ? error.message : String(error)
      this.#options.sink.refused(
        `The grey value under the brush could not be read, so nothing was painted: ${detail}`,
      )
      return
    }
    stroke.ready = true
    this.#draw(stroke)
    if (stroke.ended) this.#send(stroke)
  }

  #extend(event: PlanePointerEvent): void {
    const stroke = this.#stroke
    if (stroke === null) return
    if (!isSamePlane(stroke.plane, event.plane)) {
      // The slice was changed with the button down: what was drawn belongs to the slice where it was drawn.
      this.#end()
      this.#begin(event)
      return
    }
    let current = stroke
    for (let at = 0; at + 1 < event.points.length; at += 2) {
      if (current.points.isFull) current = this.#continueFrom(current)
      addPoint(current, event.points[at] ?? 0, event.points[at + 1] ?? 0)
    }
    this.#draw(current)
  }

  /** Ends a stroke that is as long as an edit may be and begins the next one where it ended. */
  #continueFrom(stroke: Stroke): Stroke {
    const next = this.#newStroke(stroke.plane, { ...stroke.settings })
    next.ready = true
    const last = stroke.points.last
    if (last !== null) next.points.add(...last)
    this.#draw(stroke)
    this.#end()
    this.#stroke = next
    return next
  }

  #draw(stroke: Stroke): void {
    if (!stroke.ready || stroke.drawn === stroke.points.count) return
    const first = Math.max(0, stroke.drawn - 1)
    stroke.drawn = stroke.points.count
    this.#options.sink.drawAhead(stroke.id, editOf(stroke, first))
  }

  #end(): void {
    const stroke = this.#stroke
    this.#stroke = null
    if (stroke === null) return
    stroke.ended = true
    if (stroke.ready) this.#send(stroke)
  }

  #send(stroke: Stroke): void {
    if (stroke.points.count > 0) this.#options.sink.finish(stroke.id, editOf(stroke, 0))
  }
}

function editOf({ plane, settings, points }: Stroke, first: number): BrushEdit {
  return {
    kind: 'brush',
    plane,
    points: points.points(first),
    radius: brushRadius(settings.size),
    shape: settings.shape,
    volumetric: settings.volumetric,
    material: settings.material,
    greyRange: settings.greyRange,
  }
}

function addAll(stroke: Stroke, added: Float32Array): void {
  for (let at = 0; at + 1 < added.length; at += 2) addPoint(stroke, added[at] ?? 0, added[at + 1] ?? 0)
}

function addPoint({ points, settings }: Stroke, row: number, column: number): void {
  const radius = brushRadius(settings.size)
  points.add(brushPosition(row, radius), brushPosition(column, radius))
}

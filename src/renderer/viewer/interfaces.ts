import type { Plane, PlaneAxis, Rectangle } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'

/** The seams of the slice viewer. Nothing here knows Vue, the contract or where data come from. */

/** Grey planes, coarse first. Implementations keep what was read last. */
export interface GreyPlaneSource {
  /**
   * Calls `show` with the best that is at hand and again with better until `level` is reached, the plane is as good as it can
   * be, or the signal fires. Rejects when the plane cannot be read.
   */
  load(
    plane: Plane,
    level: number,
    show: (data: PlaneData) => void,
    options: { signal: AbortSignal },
  ): Promise<void>
  /** Called when planes of an axis may have become better (the pyramid grew). Returns a function that forgets the listener. */
  onBetter(listener: (axis: PlaneAxis) => void): () => void
}

/**
 * Label planes at full resolution: C order (row, column), 0 = unlabelled, else material index. The array belongs to the source,
 * which changes it in place while somebody paints and then announces the rectangle.
 */
export interface LabelPlaneSource {
  load(plane: Plane, options: { signal: AbortSignal }): Promise<Uint8Array>
  onChanged(listener: (plane: Plane, rectangle: Rectangle) => void): () => void
  /** Called when all planes of an axis must be loaded anew. */
  onReset(listener: () => void): () => void
}

/** How one material is drawn. */
export interface MaterialStyle {
  index: number
  /** `#rrggbb` */
  colour: string
  /** For the readout under the pointer. */
  name?: string
  visible: boolean
  /** Opacity of its fill, 0…1; that of the overlay when absent. Thin materials need more than bulk ones. */
  opacity?: number
  /** Whether a hatch tells it from others of its colour; by default from index 9 on. */
  hatched?: boolean
}

export type ColourMapName = 'grey' | 'inverted' | 'viridis' | 'inferno' | 'ice'

export interface DisplayOptions {
  /** Grey values shown black and white. */
  window: { low: number; high: number }
  colourMap: ColourMapName
  overlay: { visible: boolean; opacity: number; style: 'fill' | 'outline' | 'fill-and-outline' }
}

/**
 * A pointer event on a plane: `down`, `move` while pressed, `up` or `cancel` of the primary button, and `move` and `leave` of the
 * pointer without a button. Positions are already in plane coordinates (row, column; voxel centres at whole numbers). */
export interface PlanePointerEvent {
  type: 'down' | 'move' | 'up' | 'cancel' | 'leave'
  plane: Plane
  /** Every position since the last event (coalesced), interleaved (row, column), oldest first; the last one is current. */
  points: Float32Array
  /** Whether the current position is inside the plane. */
  inside: boolean
  /** Length of a step of one row and of one column on screen, in CSS pixels: how exact a hand can be there. */
  pixelsPerVoxel: { row: number; column: number }
  /** Pressed while the event happened. */
  shift: boolean
  control: boolean
  alt: boolean
  /** `performance.now()` clock of the browser event, for traces. */
  timeStamp: number
}

/** What the primary button does on a plane. Without a tool it moves the crosshair (inspect). */
export interface PointerTool {
  /** Handles the event; called in the order in which events happened. */
  handle(event: PlanePointerEvent): void
  /** Cursor outline: radius in voxels and shape; `null` = the plain cross. */
  readonly cursor: { radius: number; shape: 'round' | 'square' } | null
  /** Open or closed line drawn over the plane while a tool is at work (polygon, lasso), interleaved (row, column). */
  readonly sketch: { plane: Plane; points: Float32Array; closed: boolean } | null
  onLookChanged(listener: () => void): () => void
}

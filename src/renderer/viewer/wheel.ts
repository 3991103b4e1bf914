/** What a turn of the wheel means, as pure functions: mice send notches, touchpads many small pieces. */

/** CSS pixels that count as one notch; a touchpad adds up its pieces to this. */
const notchPixels = 40
/** Height of a line, for browsers that count lines. */
const linePixels = 40
/** Zoom of one notch of a mouse. */
const zoomPerNotch = 1.25
/** A pinch on a touchpad arrives as small pieces with Ctrl. */
const zoomPerPixel = 0.01

export interface WheelTurn {
  deltaX: number
  deltaY: number
  deltaMode: number
}

/** Vertical turn in CSS pixels; with Shift, browsers turn it into a horizontal one. */
export function wheelPixels(event: WheelTurn): number {
  const delta = event.deltaY !== 0 ? event.deltaY : event.deltaX
  return event.deltaMode === 0 ? delta : delta * linePixels
}

/** Factor by which the zoom grows; turning away from oneself enlarges. */
export function wheelZoom(pixels: number): number {
  return Math.abs(pixels) >= notchPixels
    ? zoomPerNotch ** -Math.sign(pixels)
    : Math.exp(-pixels * zoomPerPixel)
}

/** Adds turns up to whole steps. */
export class WheelSteps {
  private rest = 0

  /** Steps (+ towards oneself) that this turn completes: one per notch of a mouse. */
  add(pixels: number): number {
    if (Math.abs(pixels) >= notchPixels) {
      this.rest = 0
      return Math.sign(pixels)
    }
    if (Math.sign(pixels) !== Math.sign(this.rest)) this.rest = 0
    this.rest += pixels
    // Adding 0 turns −0 into 0.
    const steps = Math.trunc(this.rest / notchPixels) + 0
    this.rest -= steps * notchPixels
    return steps
  }
}

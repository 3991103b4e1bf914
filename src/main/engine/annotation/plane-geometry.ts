import type { Plane, PlaneAxis, Rectangle } from '../../../shared/annotation/edit.ts'
import type { PlaneExtent } from '../../../shared/annotation/brush-raster.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import type { Box } from '../volume/volume-source.ts'

/** Positions in planes and in volumes; see `shared/annotation/edit.ts`. */

const axes: Record<PlaneAxis, { depth: 0 | 1 | 2; row: 0 | 1 | 2; column: 0 | 1 | 2 }> = {
  z: { depth: 0, row: 1, column: 2 },
  y: { depth: 1, row: 0, column: 2 },
  x: { depth: 2, row: 0, column: 1 },
}

/** Number of rows, columns and planes along an axis. */
export function extentAlong(axis: PlaneAxis, shape: Shape3): PlaneExtent & { depth: number } {
  const { depth, row, column } = axes[axis]
  return { depth: shape[depth], rows: shape[row], columns: shape[column] }
}

/** The box of a rectangle in planes [first, end). */
export function boxOf(axis: PlaneAxis, first: number, end: number, rectangle: Rectangle): Box {
  const { top, left, bottom, right } = rectangle
  switch (axis) {
    case 'z':
      return { start: [first, top, left], stop: [end, bottom, right] }
    case 'y':
      return { start: [top, first, left], stop: [bottom, end, right] }
    case 'x':
      return { start: [top, left, first], stop: [bottom, right, end] }
  }
}

/** Throws `WrongUsage` when the volume has no such plane. */
export function requirePlane({ axis, index }: Plane, shape: Shape3): void {
  const { depth } = extentAlong(axis, shape)
  if (index >= depth)
    throw new PhasemarkError(
      'WrongUsage',
      `expected a plane ${axis} from 0 to ${depth - 1}, found ${index}`,
      { argument: 'plane' },
    )
}

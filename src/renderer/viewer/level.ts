import type { PlaneCamera } from './camera.ts'
import type { PlaneGeometry } from './geometry.ts'

/** Coarsest level that is ever asked for; the contract's limit. */
const coarsestLevel = 16

/**
 * The level to draw with: the coarsest whose elements are at most as large as two screen pixels would hide, that is, one screen pixel
 * covers more than 1 and at most 2 elements along the axis that is seen largest. Full resolution from zoom 0.5 on. A level is thus
 * never enlarged, and the rest of the reduction is the shader's exact mean.
 */
export function levelFor(camera: PlaneCamera, geometry: PlaneGeometry, devicePixelRatio: number): number {
  const largestEdge = Math.max(geometry.rowEdge, geometry.columnEdge)
  const voxelsPerPixel = 1 / (camera.zoom * devicePixelRatio * largestEdge)
  // A zoom of exactly 1/2ⁿ must not become the next level through rounding.
  const level = Math.ceil(Math.log2(voxelsPerPixel) - 1e-6) - 1
  return Math.min(Math.max(level, 0), coarsestLevel)
}

/** The coarsest level at which a plane still has at least `extent` elements on its longer side: for a first picture. */
export function quickLevel(geometry: { rows: number; columns: number }, extent = 384): number {
  const level = Math.floor(Math.log2(Math.max(geometry.rows, geometry.columns) / extent))
  return Math.min(Math.max(level, 0), coarsestLevel)
}

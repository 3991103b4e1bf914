import type { PlaneGeometry } from './geometry.ts'

/**
 * From screen to plane and back, as pure functions. Screen positions are CSS pixels from the canvas' top left corner; plane
 * positions are (row, column) in voxels with voxel centres at whole numbers, so the plane covers [−0.5, rows − 0.5].
 */

/** What of a plane is seen. */
export interface PlaneCamera {
  /** CSS pixels per shortest voxel edge of the volume. */
  zoom: number
  /** Plane position in the middle of the canvas. */
  row: number
  column: number
}

/** Size of a canvas in CSS pixels. */
export interface ViewportSize {
  width: number
  height: number
}

export interface ScreenPoint {
  x: number
  y: number
}

export interface PlanePoint {
  row: number
  column: number
}

/** Largest zoom: a voxel is then a 64 px square; more shows nothing more. */
export const maxZoom = 64
/** A plane is never drawn smaller than this part of what fits. */
const smallestPartOfFit = 0.25
/** Part of the canvas that a fitted plane takes. */
const fitMargin = 0.98

/** Plane position under a screen position. */
export function screenToPlane(
  point: ScreenPoint,
  camera: PlaneCamera,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
): PlanePoint {
  return {
    row: camera.row + (point.y - viewport.height / 2) / (camera.zoom * geometry.rowEdge),
    column: camera.column + (point.x - viewport.width / 2) / (camera.zoom * geometry.columnEdge),
  }
}

/** Screen position of a plane position. */
export function planeToScreen(
  point: PlanePoint,
  camera: PlaneCamera,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
): ScreenPoint {
  return {
    x: viewport.width / 2 + (point.column - camera.column) * camera.zoom * geometry.columnEdge,
    y: viewport.height / 2 + (point.row - camera.row) * camera.zoom * geometry.rowEdge,
  }
}

/** Whether a plane position lies on a voxel. */
export function isInsidePlane(point: PlanePoint, geometry: PlaneGeometry): boolean {
  return (
    point.row >= -0.5 &&
    point.column >= -0.5 &&
    point.row < geometry.rows - 0.5 &&
    point.column < geometry.columns - 0.5
  )
}

/** Zoom at which the whole plane is seen. */
export function fitZoom(viewport: ViewportSize, geometry: PlaneGeometry): number {
  const width = geometry.columns * geometry.columnEdge
  const height = geometry.rows * geometry.rowEdge
  return Math.min(maxZoom, fitMargin * Math.min(viewport.width / width, viewport.height / height))
}

/** The whole plane, in the middle. */
export function fitCamera(viewport: ViewportSize, geometry: PlaneGeometry): PlaneCamera {
  return {
    zoom: fitZoom(viewport, geometry),
    row: (geometry.rows - 1) / 2,
    column: (geometry.columns - 1) / 2,
  }
}

/** The nearest camera within the limits: zoom, and some of the plane always stays in the middle of the canvas. */
export function clampCamera(
  camera: PlaneCamera,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
): PlaneCamera {
  const smallest = Math.min(1, smallestPartOfFit * fitZoom(viewport, geometry))
  return {
    zoom: Math.min(Math.max(camera.zoom, smallest), maxZoom),
    row: Math.min(Math.max(camera.row, -0.5), geometry.rows - 0.5),
    column: Math.min(Math.max(camera.column, -0.5), geometry.columns - 0.5),
  }
}

/** Zooms so that the plane position under `point` stays where it is on screen (unless a limit stops it). */
export function zoomAt(
  camera: PlaneCamera,
  point: ScreenPoint,
  factor: number,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
): PlaneCamera {
  const { zoom } = clampCamera({ ...camera, zoom: camera.zoom * factor }, viewport, geometry)
  const fixed = screenToPlane(point, camera, viewport, geometry)
  return clampCamera(
    {
      zoom,
      row: fixed.row - (point.y - viewport.height / 2) / (zoom * geometry.rowEdge),
      column: fixed.column - (point.x - viewport.width / 2) / (zoom * geometry.columnEdge),
    },
    viewport,
    geometry,
  )
}

/** Moves the plane with the pointer by (dx, dy) CSS pixels. */
export function panBy(
  camera: PlaneCamera,
  dx: number,
  dy: number,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
): PlaneCamera {
  return clampCamera(
    {
      zoom: camera.zoom,
      row: camera.row - dy / (camera.zoom * geometry.rowEdge),
      column: camera.column - dx / (camera.zoom * geometry.columnEdge),
    },
    viewport,
    geometry,
  )
}

/** The same camera while `point` is on the canvas; else the smallest move after which it is `margin` CSS pixels inside. */
export function revealPoint(
  camera: PlaneCamera,
  point: PlanePoint,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
  margin = 24,
): PlaneCamera {
  const at = planeToScreen(point, camera, viewport, geometry)
  if (at.x >= 0 && at.y >= 0 && at.x <= viewport.width && at.y <= viewport.height) return camera
  const marginX = Math.min(margin, viewport.width / 2)
  const marginY = Math.min(margin, viewport.height / 2)
  const dx = Math.min(Math.max(at.x, marginX), viewport.width - marginX) - at.x
  const dy = Math.min(Math.max(at.y, marginY), viewport.height - marginY) - at.y
  return panBy(camera, dx, dy, viewport, geometry)
}

/**
 * Camera at a given zoom around a point: the whole plane in the middle where it fits, else the point as near to the middle as possible
 * without showing more void than needed.
 */
export function cameraAround(
  zoom: number,
  point: PlanePoint,
  viewport: ViewportSize,
  geometry: PlaneGeometry,
): PlaneCamera {
  const along = (at: number, extent: number, edge: number, pixels: number): number => {
    const half = pixels / (2 * zoom * edge)
    const middle = (extent - 1) / 2
    return 2 * half >= extent ? middle : Math.min(Math.max(at, half - 0.5), extent - 0.5 - half)
  }
  return {
    zoom,
    row: along(point.row, geometry.rows, geometry.rowEdge, viewport.height),
    column: along(point.column, geometry.columns, geometry.columnEdge, viewport.width),
  }
}

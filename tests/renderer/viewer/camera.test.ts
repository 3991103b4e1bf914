import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cameraAround,
  clampCamera,
  fitCamera,
  fitZoom,
  isInsidePlane,
  maxZoom,
  panBy,
  planeToScreen,
  revealPoint,
  screenToPlane,
  zoomAt,
} from '../../../src/renderer/viewer/camera.ts'
import { planeGeometry } from '../../../src/renderer/viewer/geometry.ts'
import { levelFor, quickLevel } from '../../../src/renderer/viewer/level.ts'

const viewport = { width: 400, height: 200 }
/** XY plane of 100 × 300 voxels, twice as tall as wide each. */
const tall = planeGeometry([50, 100, 300], { z: 4, y: 2, x: 1, unit: 'um' }, 'z')

const cameras = fc.record({
  zoom: fc.double({ min: 0.1, max: 20, noNaN: true }),
  row: fc.double({ min: 0, max: 99, noNaN: true }),
  column: fc.double({ min: 0, max: 299, noNaN: true }),
})
const points = fc.record({
  x: fc.double({ min: 0, max: 400, noNaN: true }),
  y: fc.double({ min: 0, max: 200, noNaN: true }),
})

describe('geometry of planes', () => {
  it('relates edges to the shortest one of the volume, so that one scale holds for all planes', () => {
    expect(tall).toMatchObject({ rows: 100, columns: 300, rowEdge: 2, columnEdge: 1, micrometresPerEdge: 1 })
    const xz = planeGeometry([50, 100, 300], { z: 4000, y: 2000, x: 1000, unit: 'nm' }, 'y')
    expect(xz).toMatchObject({ rows: 50, columns: 300, rowEdge: 4, columnEdge: 1, count: 100 })
    expect(xz.micrometresPerEdge).toBeCloseTo(1)
  })

  it('draws cubes without a scale when an axis is not known', () => {
    const unknown = planeGeometry([50, 100, 300], { z: null, y: 2, x: 1, unit: 'um' }, 'z')
    expect(unknown).toMatchObject({ rowEdge: 1, columnEdge: 1, micrometresPerEdge: null })
  })
})

describe('camera', () => {
  it('puts voxels where they belong (worked by hand)', () => {
    const camera = { zoom: 2, row: 50, column: 150 }
    expect(screenToPlane({ x: 200, y: 100 }, camera, viewport, tall)).toEqual({ row: 50, column: 150 })
    // 20 px right = 10 columns; 20 px down = 5 rows, which are twice as tall.
    expect(screenToPlane({ x: 220, y: 120 }, camera, viewport, tall)).toEqual({ row: 55, column: 160 })
  })

  it('goes from screen to plane and back', () => {
    fc.assert(
      fc.property(cameras, points, (camera, point) => {
        const there = screenToPlane(point, camera, viewport, tall)
        const back = planeToScreen(there, camera, viewport, tall)
        expect(back.x).toBeCloseTo(point.x, 6)
        expect(back.y).toBeCloseTo(point.y, 6)
      }),
    )
  })

  it('keeps the voxel under the pointer while zooming, unless a limit stops it', () => {
    fc.assert(
      fc.property(cameras, points, fc.double({ min: 0.5, max: 2, noNaN: true }), (camera, point, factor) => {
        const start = clampCamera(camera, viewport, tall)
        const next = zoomAt(start, point, factor, viewport, tall)
        const free = clampCamera(next, viewport, tall)
        expect(free).toEqual(next)
        const edge = [next.row, 99.5 - next.row, next.column, 299.5 - next.column].some(
          (at) => at < 0.001 || at <= -0.499,
        )
        if (edge) return
        const before = screenToPlane(point, start, viewport, tall)
        const after = screenToPlane(point, next, viewport, tall)
        expect(after.row).toBeCloseTo(before.row, 6)
        expect(after.column).toBeCloseTo(before.column, 6)
      }),
    )
  })

  it('fits the tighter side with a little margin, and clamps zoom', () => {
    // 100 rows of 2 = 200 units in 200 px; 300 in 400 px: the height is tighter.
    expect(fitZoom(viewport, tall)).toBeCloseTo(0.98)
    expect(fitCamera(viewport, tall)).toEqual({ zoom: fitZoom(viewport, tall), row: 49.5, column: 149.5 })
    const camera = { zoom: 1000, row: -50, column: 1000 }
    expect(clampCamera(camera, viewport, tall)).toEqual({ zoom: maxZoom, row: -0.5, column: 299.5 })
    expect(clampCamera({ ...camera, zoom: 0 }, viewport, tall).zoom).toBeCloseTo(0.245)
  })

  it('pans with the pointer', () => {
    expect(panBy({ zoom: 2, row: 50, column: 150 }, 20, 20, viewport, tall)).toEqual({
      zoom: 2,
      row: 45,
      column: 140,
    })
  })

  it('says which positions are on a voxel', () => {
    expect(isInsidePlane({ row: -0.5, column: -0.5 }, tall)).toBe(true)
    expect(isInsidePlane({ row: 99.49, column: 299.49 }, tall)).toBe(true)
    expect(isInsidePlane({ row: 99.5, column: 0 }, tall)).toBe(false)
  })

  it('moves only as far as needed to show a point', () => {
    const camera = { zoom: 2, row: 50, column: 150 }
    expect(revealPoint(camera, { row: 50, column: 200 }, viewport, tall)).toBe(camera)
    // Column 260 lies at 420 px: it has to come to 400 − 24 px, 22 columns further.
    expect(revealPoint(camera, { row: 50, column: 260 }, viewport, tall).column).toBeCloseTo(172)
  })

  it('stands around a point without showing void where the plane is larger than the canvas', () => {
    // 200 columns of 2 px fill the canvas: the middle cannot come closer than 100 columns to an edge.
    expect(cameraAround(2, { row: 50, column: 3 }, viewport, tall)).toEqual({
      zoom: 2,
      row: 50,
      column: 99.5,
    })
    expect(cameraAround(0.5, { row: 3, column: 3 }, viewport, tall)).toEqual({
      zoom: 0.5,
      row: 49.5,
      column: 149.5,
    })
  })
})

describe('levels', () => {
  const square = planeGeometry([10, 4096, 4096], null, 'z')
  it.each([
    [4, 1, 0],
    [1, 1, 0],
    [0.5, 1, 0],
    [0.499, 1, 1],
    [0.25, 1, 1],
    [0.24, 1, 2],
    [0.25, 2, 0],
    [0.001, 1, 9],
  ])('zoom %d at %d screen pixels per CSS pixel is drawn with level %d', (zoom, ratio, level) => {
    expect(levelFor({ zoom, row: 0, column: 0 }, square, ratio)).toBe(level)
  })

  it('loses nothing along the axis that is seen largest', () => {
    // Rows are four times as tall: at zoom 0.25 a row is a whole screen pixel.
    const flat = planeGeometry([10, 100, 100], { z: 1, y: 4, x: 1, unit: 'um' }, 'z')
    expect(levelFor({ zoom: 0.25, row: 0, column: 0 }, flat, 1)).toBe(0)
  })

  it('starts with a picture of a few hundred elements', () => {
    expect(quickLevel({ rows: 2048, columns: 2048 })).toBe(2)
    expect(quickLevel({ rows: 300, columns: 300 })).toBe(0)
  })
})

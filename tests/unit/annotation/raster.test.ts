import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  brushPosition,
  brushTip,
  strokeBounds,
  strokeSpans,
  type BrushShape,
  type EmitSpan,
} from '../../../src/shared/annotation/brush-raster.ts'
import { polygonSpans } from '../../../src/shared/annotation/polygon-raster.ts'

/** Coordinates are whole eighths: the definitions below are then exact in whole numbers. */
const grid = 8
const extent = { rows: 23, columns: 29 }
const coordinate = (limit: number) => fc.integer({ min: -6 * grid, max: (limit + 6) * grid })
const corner = fc.tuple(coordinate(extent.rows), coordinate(extent.columns))
const pointsArbitrary = fc.array(corner, { minLength: 1, maxLength: 6 })
const shapeArbitrary = fc.constantFrom<BrushShape>('round', 'square')
const radiusArbitrary = fc.integer({ min: 0, max: 9 * grid })

const interleaved = (points: readonly (readonly [number, number])[]) =>
  Float32Array.from(points.flat(), (value) => value / grid)

function masked(draw: (emit: EmitSpan) => void): Uint8Array {
  const mask = new Uint8Array(extent.rows * extent.columns)
  draw((row, from, to) => {
    expect(row).toBeGreaterThanOrEqual(0)
    expect(row).toBeLessThan(extent.rows)
    expect(from).toBeGreaterThanOrEqual(0)
    expect(from).toBeLessThan(to)
    expect(to).toBeLessThanOrEqual(extent.columns)
    mask.fill(1, row * extent.columns + from, row * extent.columns + to)
  })
  return mask
}

const everyVoxel = (inside: (row: number, column: number) => boolean) =>
  Uint8Array.from({ length: extent.rows * extent.columns }, (_, i) =>
    inside(Math.floor(i / extent.columns), i % extent.columns) ? 1 : 0,
  )

/** Is the position within `radius` of the segment a-b? All in eighths, so everything is a whole number. */
function near(
  [row, column]: readonly [number, number],
  a: readonly [number, number],
  b: readonly [number, number],
  shape: BrushShape,
  radius: number,
  depth: number,
): boolean {
  if (shape === 'round') {
    const along = [b[0] - a[0], b[1] - a[1]]
    const squaredLength = along[0] ** 2 + along[1] ** 2
    const dot = (row - a[0]) * along[0] + (column - a[1]) * along[1]
    const squaredRadius = radius ** 2 - depth ** 2
    if (dot > 0 && dot < squaredLength) {
      // Pythagoras: distance² · length² = |p − a|² · length² − dot².
      const squared = ((row - a[0]) ** 2 + (column - a[1]) ** 2) * squaredLength - dot ** 2
      return squared <= squaredRadius * squaredLength
    }
    const end = dot <= 0 ? a : b
    return (row - end[0]) ** 2 + (column - end[1]) ** 2 <= squaredRadius
  }
  // Exists t in [0, 1] with |row − row(t)| ≤ radius and |column − column(t)| ≤ radius: two intervals of t that meet, compared
  // by cross multiplication.
  let [low, lowOver, high, highOver] = [0, 1, 1, 1]
  for (const [at, from, to] of [
    [row, a[0], b[0]],
    [column, a[1], b[1]],
  ]) {
    const along = to - from
    if (along === 0) {
      if (Math.abs(at - from) > radius) return false
      continue
    }
    const sign = Math.sign(along)
    const [start, end, over] = [sign * (at - from) - radius, sign * (at - from) + radius, Math.abs(along)]
    if (start * lowOver > low * over) [low, lowOver] = [start, over]
    if (end * highOver < high * over) [high, highOver] = [end, over]
  }
  return low * highOver <= high * lowOver
}

describe('a brush', () => {
  test('paints just the voxels whose centres are within its radius of the line', () => {
    fc.assert(
      fc.property(
        pointsArbitrary,
        shapeArbitrary,
        radiusArbitrary,
        fc.nat(9),
        (points, shape, radius, depth) => {
          const tip = brushTip(shape, radius / grid, depth)
          if (tip === null) {
            expect(depth * grid).toBeGreaterThan(radius)
            return
          }
          const painted = masked((emit) => strokeSpans(interleaved(points), tip, extent, emit))
          const expected = everyVoxel((row, column) =>
            points.some((point, i) =>
              near(
                [row * grid, column * grid],
                points[Math.max(0, i - 1)],
                point,
                shape,
                radius,
                depth * grid,
              ),
            ),
          )
          expect(painted).toEqual(expected)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('painted piece by piece is the whole stroke, with any coordinates', () => {
    const anywhere = fc.tuple(
      fc.float({ min: -40, max: 60, noNaN: true }),
      fc.float({ min: -40, max: 60, noNaN: true }),
    )
    fc.assert(
      fc.property(
        fc.array(anywhere, { minLength: 1, maxLength: 20 }),
        shapeArbitrary,
        fc.double({ min: 0, max: 12, noNaN: true }),
        fc.array(fc.nat(19)),
        (points, shape, radius, cuts) => {
          const all = Float32Array.from(points.flat())
          const tip = brushTip(shape, radius)!
          const whole = masked((emit) => strokeSpans(all, tip, extent, emit))
          const steps = [...new Set([0, ...cuts.filter((cut) => cut < points.length), points.length])]
          steps.sort((a, b) => a - b)
          const pieces = masked((emit) => {
            for (let i = 0; i + 1 < steps.length; i++)
              strokeSpans(all.subarray(0, 2 * steps[i + 1]), tip, extent, emit, steps[i])
          })
          expect(pieces).toEqual(whole)
          const { top, left, bottom, right } = strokeBounds(all, radius, extent)
          const outside = everyVoxel((y, x) => y < top || y >= bottom || x < left || x >= right)
          expect(whole.every((value, i) => value === 0 || outside[i] === 0)).toBe(true)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('of radius 1 on a voxel is a plus, squared a block of nine; worked by hand', () => {
    const draw = (shape: BrushShape) =>
      masked((emit) => strokeSpans(Float32Array.of(5, 5), brushTip(shape, 1)!, extent, emit))
    const plus = everyVoxel((y, x) => Math.abs(y - 5) + Math.abs(x - 5) <= 1)
    expect(draw('round')).toEqual(plus)
    expect(draw('square')).toEqual(everyVoxel((y, x) => Math.abs(y - 5) <= 1 && Math.abs(x - 5) <= 1))
  })

  test('of one voxel always paints, and without holes, when its points lie on centres', () => {
    fc.assert(
      fc.property(corner, corner, (from, to) => {
        const clamp = (value: number, limit: number) => Math.min(limit - 1, Math.max(0, value / grid))
        const at = ([row, column]: [number, number]) => [
          brushPosition(clamp(row, extent.rows), 0.5),
          brushPosition(clamp(column, extent.columns), 0.5),
        ]
        const points = Float32Array.from([...at(from), ...at(to)])
        const mask = masked((emit) => strokeSpans(points, brushTip('round', 0.5)!, extent, emit))
        const [rows, columns] = [Math.abs(points[2] - points[0]), Math.abs(points[3] - points[1])]
        const seen = new Set<number>()
        for (const [i, value] of mask.entries())
          if (value === 1) seen.add(rows > columns ? Math.floor(i / extent.columns) : i % extent.columns)
        expect(seen.size).toBe(Math.max(rows, columns) + 1)
      }),
    )
  })
})

describe('a polygon', () => {
  test('holds the voxels with an odd number of edges before them', () => {
    fc.assert(
      fc.property(fc.array(corner, { minLength: 1, maxLength: 9 }), (points) => {
        const painted = masked((emit) => polygonSpans(interleaved(points), extent, emit))
        const expected = everyVoxel((row, column) => {
          const [y, x] = [row * grid, column * grid]
          const crossed = points.filter((a, i) => {
            const b = points[(i + 1) % points.length]
            if (a[0] <= y === b[0] <= y) return false
            const sign = Math.sign(b[0] - a[0])
            return sign * (x - a[1]) * (b[0] - a[0]) >= sign * (y - a[0]) * (b[1] - a[1])
          })
          return crossed.length % 2 === 1
        })
        expect(painted).toEqual(expected)
      }),
      { numRuns: 400 },
    )
  })

  test('that is cut in two loses and doubles no voxel', () => {
    fc.assert(
      fc.property(corner, corner, corner, corner, (a, b, c, d) => {
        const count = (...points: [number, number][]) =>
          masked((emit) => polygonSpans(interleaved(points), extent, emit))
        const [first, second, whole] = [count(a, b, c), count(a, c, d), count(a, b, c, d)]
        expect(first.map((value, i) => value ^ second[i])).toEqual(whole)
      }),
    )
  })

  test('around four centres holds those on its upper and left edge; worked by hand', () => {
    const points = Float32Array.of(2, 2, 2, 4, 4, 4, 4, 2)
    const mask = masked((emit) => polygonSpans(points, extent, emit))
    expect(mask).toEqual(everyVoxel((y, x) => y >= 2 && y < 4 && x >= 2 && x < 4))
  })
})

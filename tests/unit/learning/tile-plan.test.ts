import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planTiles } from '../../../src/main/engine/learning/prediction/tile-plan.ts'

const plan = fc.record({
  rows: fc.integer({ min: 1, max: 40 }),
  columns: fc.integer({ min: 1, max: 40 }),
  stride: fc.constantFrom(1, 2, 4, 16),
  halo: fc.integer({ min: 0, max: 100 }),
  maxVoxels: fc.integer({ min: 1, max: 500_000 }),
})

test('tiles cover the slice once, see their halo, lie on the grid and keep to the memory', () => {
  fc.assert(
    fc.property(plan, ({ rows, columns, stride, halo, maxVoxels }) => {
      const [height, width] = [rows * stride, columns * stride]
      const tiles = planTiles(height, width, { maxVoxels, halo, stride })
      const covered = new Uint8Array(rows * columns)
      for (const { input, output } of tiles) {
        for (const { y, x, height: h, width: w } of [input, output]) {
          for (const value of [y, x, h, w]) expect(value % stride).toBe(0)
          expect(y >= 0 && x >= 0 && h > 0 && w > 0 && y + h <= height && x + w <= width).toBe(true)
        }
        // Each side reaches the halo or the border.
        expect(output.y - input.y).toBeGreaterThanOrEqual(Math.min(halo, output.y))
        expect(output.x - input.x).toBeGreaterThanOrEqual(Math.min(halo, output.x))
        const [outBottom, outRight] = [output.y + output.height, output.x + output.width]
        expect(input.y + input.height - outBottom).toBeGreaterThanOrEqual(Math.min(halo, height - outBottom))
        expect(input.x + input.width - outRight).toBeGreaterThanOrEqual(Math.min(halo, width - outRight))
        for (let y = output.y / stride; y < outBottom / stride; y++)
          for (let x = output.x / stride; x < outRight / stride; x++) {
            covered[y * columns + x] = covered[y * columns + x] + 1
          }
      }
      expect(covered.every((times) => times === 1)).toBe(true)

      // The smallest tile that makes progress sees one step of the grid and its halo, or the whole side.
      const reach = 2 * Math.ceil(halo / stride) * stride + stride
      const smallest = Math.min(height, reach) * Math.min(width, reach)
      const largest = Math.max(...tiles.map(({ input }) => input.height * input.width))
      expect(largest).toBeLessThanOrEqual(Math.max(maxVoxels, smallest))
      if (height * width <= maxVoxels) expect(tiles).toHaveLength(1)
    }),
    { numRuns: 300 },
  )
})

test('no other grid of tiles that fits computes fewer voxels', () => {
  const small = fc.record({
    rows: fc.integer({ min: 1, max: 14 }),
    columns: fc.integer({ min: 1, max: 14 }),
    halo: fc.integer({ min: 0, max: 4 }),
    maxVoxels: fc.integer({ min: 10, max: 150 }),
  })
  const spans = (length: number, count: number, halo: number) =>
    Array.from({ length: count }, (_, i) => {
      const start = Math.round((i * length) / count)
      const end = Math.round(((i + 1) * length) / count)
      return Math.min(length, end + halo) - Math.max(0, start - halo)
    })
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
  fc.assert(
    fc.property(small, ({ rows, columns, halo, maxVoxels }) => {
      const tiles = planTiles(rows, columns, { maxVoxels, halo, stride: 1 })
      const cost = sum(tiles.map(({ input }) => input.height * input.width))
      let best = Infinity
      for (let ny = 1; ny <= rows; ny++)
        for (let nx = 1; nx <= columns; nx++) {
          const [down, across] = [spans(rows, ny, halo), spans(columns, nx, halo)]
          if (Math.max(...down) * Math.max(...across) <= maxVoxels)
            best = Math.min(best, sum(down) * sum(across))
        }
      if (best < Infinity) expect(cost).toBe(best)
    }),
    { numRuns: 300 },
  )
})

test('a slice of 4096 × 4096 is planned at once', () => {
  const began = performance.now()
  const tiles = planTiles(4096, 4096, { maxVoxels: 1_000_000, halo: 96, stride: 16 })
  expect(performance.now() - began).toBeLessThan(500)
  const computed = tiles.reduce((total, { input }) => total + input.height * input.width, 0)
  // Square tiles of a million voxels with a halo of 96 compute (1000 / 808)² = 1.53 times the slice.
  expect(computed / 4096 ** 2).toBeLessThan(1.6)
})

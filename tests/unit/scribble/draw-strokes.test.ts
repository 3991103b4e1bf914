import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { depthInMaterial } from '../../../src/main/engine/labels/scribble/depth-map.ts'
import { drawStrokes } from '../../../src/main/engine/labels/scribble/draw-strokes.ts'
import { createRandom } from '../../../src/shared/random.ts'

/** Label slices from patchy to noisy: squares of random material, with unlabelled ones between them. */
const slices = fc
  .record({
    height: fc.integer({ min: 1, max: 40 }),
    width: fc.integer({ min: 1, max: 40 }),
    materials: fc.integer({ min: 1, max: 5 }),
    square: fc.integer({ min: 1, max: 16 }),
    seed: fc.nat(),
  })
  .map(({ height, width, materials, square, seed }) => ({
    height,
    width,
    materials,
    labels: Uint8Array.from({ length: height * width }, (_, i) => {
      const [y, x] = [Math.floor(i / width), i % width]
      const random = createRandom(seed, Math.floor(y / square), Math.floor(x / square))
      return random.integer(materials + 1)
    }),
  }))

const brushes = fc.double({ min: 1, max: 9, noNaN: true })

function countOf(values: Uint8Array, material: number): number {
  return values.reduce((count, value) => count + (value === material ? 1 : 0), 0)
}

describe('strokes', () => {
  test('never differ from the dense labels, and every material that occurs gets at least one', () => {
    fc.assert(
      fc.property(
        slices,
        brushes,
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        (slice, brush, strokes, seed) => {
          const { labels, ...size } = slice
          const before = labels.slice()
          const drawn = drawStrokes(labels, {
            ...size,
            brush,
            amount: { kind: 'strokes', strokes },
            keys: [seed, 0],
          })
          expect(labels).toEqual(before)
          drawn.scribbles.forEach((value, i) => {
            if (value !== 0 && value !== labels[i]) throw new Error(`pixel ${i}: ${value}, not ${labels[i]}`)
          })
          for (let material = 1; material <= slice.materials; material++) {
            const occurs = labels.includes(material)
            expect(drawn.scribbles.includes(material)).toBe(occurs)
            expect(drawn.strokes[material]).toBeLessThanOrEqual(strokes)
            expect(drawn.strokes[material] > 0).toBe(occurs)
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  test('are the same for the same keys', () => {
    fc.assert(
      fc.property(slices, brushes, fc.nat(), ({ labels, ...size }, brush, seed) => {
        const draw = () =>
          drawStrokes(labels, { ...size, brush, amount: { kind: 'strokes', strokes: 2 }, keys: [seed, 3] })
        expect(draw()).toEqual(draw())
      }),
      { numRuns: 50 },
    )
  })

  test('cover the share of each material that was asked for, to the pixel', () => {
    fc.assert(
      fc.property(
        slices,
        brushes,
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        fc.nat(),
        ({ labels, ...size }, brush, fraction, seed) => {
          const amount = { kind: 'fraction', fraction } as const
          const { scribbles } = drawStrokes(labels, { ...size, brush, amount, keys: [seed, 0] })
          for (let material = 1; material <= size.materials; material++) {
            const dense = countOf(labels, material)
            const wanted = dense === 0 ? 0 : Math.max(1, Math.round(fraction * dense))
            expect(countOf(scribbles, material)).toBe(wanted)
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  test('of one material stay where they are when another one changes elsewhere', () => {
    // Left half material 1; right half material 2 or half unlabelled: the left border is the same.
    const [height, width] = [60, 80]
    const whole = Uint8Array.from({ length: height * width }, (_, i) => (i % width < 40 ? 1 : 2))
    const less = whole.map((value, i) => (i % width >= 60 ? 0 : value))
    const draw = (labels: Uint8Array) =>
      drawStrokes(labels, {
        height,
        width,
        materials: 2,
        brush: 3,
        amount: { kind: 'strokes', strokes: 3 },
        keys: [1, 0],
      }).scribbles.map((value) => (value === 1 ? 1 : 0))
    expect(draw(less)).toEqual(draw(whole))
  })

  test('keep away from borders where there is room, and are long and thin', () => {
    const [height, width] = [200, 200]
    const labels = Uint8Array.from({ length: height * width }, (_, i) => (i % width < 100 ? 1 : 2))
    const { scribbles, strokes } = drawStrokes(labels, {
      height,
      width,
      materials: 2,
      brush: 3,
      amount: { kind: 'strokes', strokes: 3 },
      keys: [7, 0],
    })
    expect(strokes).toEqual([0, 3, 3])
    const columns = [...scribbles.keys()].filter((i) => scribbles[i] !== 0).map((i) => i % width)
    // Depth 1 is column 99 or 100; centres stay at depth 3.5 or more, with a radius of 1.5.
    expect(columns.filter((x) => x >= 98 && x <= 101)).toEqual([])
    // Six strokes of 12 to 50 pixels, three pixels wide; some overlap.
    expect(columns.length).toBeGreaterThan(6 * 12)
    expect(columns.length).toBeLessThan(6 * 50 * 4)
  })
})

describe('the depth of a pixel in its material', () => {
  test('counts from the border inwards, and the edge of the slice is none', () => {
    // Worked by hand: columns 0 and 1 are material 1, the rest material 2.
    const labels = Uint8Array.from({ length: 3 * 6 }, (_, i) => (i % 6 < 2 ? 1 : 2))
    const row = [2, 1, 1, 2, 3, 4]
    expect([...depthInMaterial(labels, 3, 6)]).toEqual([...row, ...row, ...row])
  })

  test('goes round corners by the chamfer weights 3 and 4', () => {
    // One pixel of material 2 in the middle of 5 × 5: its neighbours have 1, the corners are one step across away from (1, 1),
    // which itself is a step to the side away from a border pixel: 1 + 1 + 4 / 3 at most, 1 + 4 / 3 by way of (0, 1).
    const labels = new Uint8Array(25).fill(1)
    labels[12] = 2
    const depth = depthInMaterial(labels, 5, 5)
    expect(depth[7]).toBe(1)
    expect(depth[6]).toBeCloseTo(2)
    expect(depth[2]).toBeCloseTo(2)
    expect(depth[0]).toBeCloseTo(1 + 1 + 4 / 3)
    expect(depth[1]).toBeCloseTo(1 + 4 / 3)
  })
})

import { describe, expect, test } from 'vitest'
import { createLatticeField } from '../../../src/main/engine/sample/lattice-field.ts'

const size = { height: 64, width: 80 }

function moments(values: Float32Array): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return { mean, variance }
}

describe('a lattice field', () => {
  test('gives the same slice whenever and in whatever order it is asked for', () => {
    const field = () => createLatticeField({ keys: [3, 1], ...size, spacing: 5.3, bandPass: true })
    const forwards = field()
    const slices = [0, 1, 2, 40].map((z) => forwards.slice(z))
    const backwards = field()
    expect([40, 2, 1, 0].map((z) => backwards.slice(z)).reverse()).toEqual(slices)
  })

  test('differs with its keys', () => {
    const [a, b] = [1, 2].map((key) => createLatticeField({ keys: [key], ...size, spacing: 4 }).slice(0))
    expect(a).not.toEqual(b)
  })

  // Over many independent fields, the values at one pixel have mean 0 and variance 1, on lattice points and between them.
  // With 4000 draws the standard error of a variance is sqrt(2 / 4000) = 0.022: five of them are 0.11.
  test.each([false, true])('has variance 1 at every pixel, band pass %s', (bandPass) => {
    const pixels = [0, 1, 2, 3, 4].map((x) => new Float32Array(4000).fill(x))
    for (let key = 0; key < 4000; key++) {
      const values = createLatticeField({ keys: [key], height: 1, width: 5, spacing: 4, bandPass }).slice(1)
      pixels.forEach((draws, x) => (draws[key] = values[x]))
    }
    for (const draws of pixels) {
      const { mean, variance } = moments(draws)
      expect(Math.abs(mean)).toBeLessThan(0.08)
      expect(Math.abs(variance - 1)).toBeLessThan(0.11)
    }
  })

  test('changes little from pixel to pixel and from slice to slice, compared with its spacing', () => {
    const field = createLatticeField({ keys: [9], ...size, spacing: 10 })
    const [first, second] = [field.slice(0), field.slice(1)]
    const step = first.map((value, i) => second[i] - value)
    expect(moments(step).variance).toBeLessThan(0.05)
    const across = first.map((value, i) => (i % size.width === 0 ? 0 : value - first[i - 1]))
    expect(moments(across).variance).toBeLessThan(0.05)
  })
})

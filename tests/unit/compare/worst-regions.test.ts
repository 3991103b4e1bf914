import { describe, expect, it } from 'vitest'
import { WorstRegions } from '../../../src/main/engine/compare/worst-regions.ts'
import { numberMaterials } from '../../../src/shared/materials.ts'

const materials = numberMaterials([
  { value: 1, name: 'pore' },
  { value: 5, name: 'solid' },
])
const [height, width] = [192, 288]
const filled = (value: number) => new Uint8Array(height * width).fill(value)
const place = { dataSet: 'seen', volume: 0, z: 7, name: 'slice' } as const

describe('WorstRegions', () => {
  it('finds where both models together are wrong most often', () => {
    const truth = filled(1)
    const [a, b] = [filled(1), filled(1)]
    // A square of solid in the lower right corner that A misses, and B half of it.
    for (let y = 140; y < 180; y++)
      for (let x = 230; x < 270; x++) {
        truth[y * width + x] = 2
        if (x >= 250) b[y * width + x] = 2
      }
    const worst = new WorstRegions()
    worst.add(place, materials, { truth, a, b, height, width })
    const [region] = worst.regions()
    expect(region).toMatchObject({
      ...{ z: 7, y: 96, x: 192, height: 96, width: 96 },
      material: { id: 5, name: 'solid' },
      wrong: { A: 1600, B: 800 },
    })
    expect(region.f1.A).toBe(0)
    // By hand: 2 · 800 / (1600 + 800).
    expect(region.f1.B).toBeCloseTo(2 / 3, 12)
  })

  it('passes over what is right and what is hardly labelled', () => {
    const worst = new WorstRegions()
    worst.add(place, materials, { truth: filled(1), a: filled(1), b: filled(1), height, width })
    const scribble = filled(0)
    scribble.fill(1, 0, 20)
    worst.add(place, materials, { truth: scribble, a: filled(2), b: filled(2), height, width })
    expect(worst.regions()).toEqual([])
  })

  it('does not let one bad slice fill the list, and takes slices smaller than a region', () => {
    const worst = new WorstRegions()
    worst.add(place, materials, { truth: filled(1), a: filled(2), b: filled(2), height, width })
    const small = new Uint8Array(20 * 30).fill(1)
    worst.add({ ...place, z: 8 }, materials, {
      ...{ truth: small, a: small.map(() => 2), b: small, height: 20, width: 30 },
    })
    expect(worst.regions().map(({ z, height: tall }) => [z, tall])).toEqual([
      [7, 96],
      [7, 96],
      [8, 20],
    ])
  })
})

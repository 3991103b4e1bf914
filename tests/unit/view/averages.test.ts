import fc from 'fast-check'
import { expect, test } from 'vitest'
import { averagePlane, CellSums } from '../../../src/main/engine/view/averages.ts'
import { everMoreFinely } from '../../../src/main/engine/view/pyramid/build.ts'

/** Worked by hand: cells of a 3 × 5 plane at level 1 have 4, 4, 2 voxels above and 2, 2, 1 below. */
test('the last row and column of cells cover fewer voxels', () => {
  // prettier-ignore
  const voxels = Uint8Array.of(
    0, 1,   10, 20,  7,
    2, 4,   30, 41,  8,
    5, 6,  255, 254, 9,
  )
  // 7/4 = 1.75 → 2; 101/4 = 25.25 → 25; 15/2 = 7.5 → 8 (halves upwards); 11/2 → 6; 509/2 = 254.5 → 255; 9
  expect(averagePlane(voxels, 3, 5, 1, 'uint8')).toEqual(Uint8Array.of(2, 25, 8, 6, 255, 9))
  // Level 2: cells of 12 and 3 voxels: (7 + 101 + 11 + 509) / 12 = 52.33; (7 + 8 + 9) / 3 = 8
  expect(averagePlane(voxels, 3, 5, 2, 'uint8')).toEqual(Uint8Array.of(52, 8))
  expect(averagePlane(voxels, 3, 5, 0, 'uint8')).toBe(voxels)
})

test('halves of negative integers are rounded upwards', () => {
  // −1/2 = −0.5 → 0 and −3/2 = −1.5 → −1
  expect(averagePlane(Int16Array.of(-1, 0, -1, -2), 2, 2, 1, 'int16')).toEqual(Int16Array.of(-1))
  expect(averagePlane(Int16Array.of(-1, 0), 1, 2, 1, 'int16')).toEqual(Int16Array.of(0))
  expect(averagePlane(Int16Array.of(-1, -2), 1, 2, 1, 'int16')).toEqual(Int16Array.of(-1))
})

test('sums of the widest integers are exact', () => {
  const voxels = new Uint32Array(64).fill(4_294_967_295)
  expect(averagePlane(voxels, 8, 8, 3, 'uint32')).toEqual(Uint32Array.of(4_294_967_295))
})

test('NaN and infinity are left out of means of floats', () => {
  const voxels = Float32Array.of(1, Number.NaN, Number.NaN, Infinity, 3, 2, Number.NaN, -Infinity)
  // Cells of 2 × 2: 1, 3, 2 are finite in the first, nothing in the second.
  expect([...averagePlane(voxels, 2, 4, 1, 'float32')]).toEqual([2, Number.NaN])
})

/** Rounding only at the end: means of means would give 1 for 0, 1, 1, 1 | 0, 0, 0, 0. */
test('a level is averaged from voxels and not from rounded means', () => {
  const [rows, columns] = [5, 7]
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 105, maxLength: 105 }), (values) => {
      const slices = [0, 1, 2].map((z) => Uint8Array.from(values.slice(z * 35, (z + 1) * 35)))
      const fine = new CellSums(rows, columns, 1, 'uint8')
      const coarse = new CellSums(rows, columns, 2, 'uint8')
      const direct = new CellSums(rows, columns, 2, 'uint8')
      for (const slice of slices) {
        fine.add(slice)
        direct.add(slice)
      }
      coarse.addFiner(fine)
      expect(coarse.slices).toBe(3)
      expect(coarse.means()).toEqual(direct.means())
      let sum = 0
      for (const slice of slices)
        for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) sum += slice[y * 7 + x]
      expect(coarse.means()[0]).toBe(Math.round(sum / 48))
    }),
  )
})

test('the overview goes from coarse to fine and leaves nothing out', () => {
  expect(everMoreFinely(10)).toEqual([0, 8, 4, 2, 6, 1, 3, 5, 7, 9])
  for (const count of [1, 2, 3, 8, 33, 250]) {
    expect([...everMoreFinely(count)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: count }, (_, z) => z),
    )
  }
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  isPackedTile,
  packTile,
  replaceLabel,
  tileEdge,
  tileVoxels,
  unpackRow,
  unpackTile,
  wordsOf,
} from '../../../src/main/engine/annotation/tile.ts'

/** Runs of any length, one behind the other, to the end of the tile. */
const tile = fc
  .array(fc.record({ label: fc.constantFrom(0, 1, 2, 128, 255), length: fc.integer({ min: 1, max: 300 }) }), {
    minLength: 1,
    maxLength: 400,
  })
  .map((runs) => {
    const plain = new Uint8Array(tileVoxels)
    let at = 0
    for (const { label, length } of runs) {
      plain.fill(label, at, Math.min(tileVoxels, at + length))
      at += length
    }
    return plain
  })

test('a tile is unpacked as it was packed, as a whole and by parts of rows', () => {
  const noise = Uint8Array.from({ length: tileVoxels }, (_, i) => (i * 7919) % 251)
  expect(packTile(new Uint8Array(tileVoxels))).toBeNull()
  expect(packTile(noise)![0]).toBe(1)
  fc.assert(
    fc.property(
      fc.oneof({ weight: 20, arbitrary: tile }, { weight: 1, arbitrary: fc.constant(noise) }),
      fc.nat(tileEdge - 1),
      fc.nat(tileEdge),
      fc.nat(tileEdge),
      (plain, row, a, b) => {
        const packed = packTile(plain)
        if (packed === null) {
          expect(plain.every((label) => label === 0)).toBe(true)
          return
        }
        expect(isPackedTile(packed)).toBe(true)
        const whole = new Uint8Array(tileVoxels).fill(7)
        unpackTile(packed, whole)
        expect(Buffer.compare(whole, plain)).toBe(0)
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const part = new Uint8Array(tileEdge + 2).fill(9)
        unpackRow(packed, row, from, to, part, 1)
        expect([...part.subarray(1, 1 + to - from)]).toEqual([
          ...plain.subarray(row * tileEdge + from, row * tileEdge + to),
        ])
        expect([part[0], part[1 + to - from]]).toEqual([9, 9])
      },
    ),
  )
})

test('a label is replaced where it is, up to the first voxel that has another', () => {
  fc.assert(
    fc.property(
      fc.nat(200),
      fc.integer({ min: 1, max: 100 }),
      fc.option(fc.nat(99), { nil: null }),
      fc.constantFrom([0, 255], [255, 1], [128, 0], [3, 4]),
      (from, length, odd, [before, after]) => {
        const plain = new Uint8Array(tileVoxels).fill(77)
        const to = from + length
        plain.fill(before, from, to)
        const wrong = odd === null || odd >= length ? -1 : from + odd
        if (wrong !== -1) plain[wrong] = 78
        const expected = plain.slice()
        expected.fill(after, from, wrong === -1 ? to : wrong)
        expect(replaceLabel(plain, wordsOf(plain), from, to, before, after)).toBe(wrong)
        expect(Buffer.compare(plain, expected)).toBe(0)
      },
    ),
  )
})

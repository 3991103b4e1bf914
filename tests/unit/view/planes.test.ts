import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { dtypes, type Dtype } from '../../../src/shared/volume.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { never, planeByDefinition, startService, writeVolume } from './sample-service.ts'

const scratch = temporaryFolder('view-planes')

/** Odd in every axis; 37 × 21 × 19 in 16 bits has three levels under the limits of the tests, and two units. */
const shape = [37, 21, 19] as const
/** Largest values of the type, so that a loss of bits would show; different in all voxels of a column, row and depth. */
function valueOf(dtype: Dtype): (z: number, y: number, x: number) => number {
  const pattern = (z: number, y: number, x: number) => (z * 7919 + y * 104_729 + x * 1299 + x * y * z) % 9973
  switch (dtype) {
    case 'uint8':
      return (z, y, x) => pattern(z, y, x) % 256
    case 'int8':
      return (z, y, x) => (pattern(z, y, x) % 256) - 128
    case 'uint16':
      return (z, y, x) => 65_535 - pattern(z, y, x)
    case 'int16':
      return (z, y, x) => pattern(z, y, x) - 32_768
    case 'uint32':
      return (z, y, x) => 4_294_967_295 - pattern(z, y, x)
    case 'int32':
      return (z, y, x) => pattern(z, y, x) - 2_147_483_648
    case 'float32':
    case 'float64':
      return (z, y, x) => (pattern(z, y, x) === 17 ? Number.NaN : pattern(z, y, x) / 7)
  }
}

describe.each(dtypes)('planes of %s', (dtype) => {
  test.each(['deflate', 'none'] as const)('are what the voxels say, slices %s', async (compression) => {
    const sample = { shape, dtype, value: valueOf(dtype) }
    const { path: folder } = await writeVolume(scratch, `${dtype}-${compression}`, sample, compression)
    const service = startService(path.join(scratch, `${dtype}-${compression}-home`))
    const volumeId = await service.add(folder)
    const { summary, pyramid } = await service.implementation.open({ volumeId }, { signal: never })
    expect(summary).toMatchObject({ shape: [...shape], dtype })
    const end = await service.pyramidEnd(volumeId)
    expect(end).toMatchObject({ state: 'ready', reason: null, finestLevel: 0, blocksTotal: 2, blocksDone: 2 })
    expect(pyramid.levels).toBeGreaterThan(0)
    for (const level of Array.from({ length: pyramid.levels + 1 }, (_, index) => index)) {
      for (const [axis, indices] of [
        ['z', [0, 18, 36]],
        ['y', [0, 9, 20]],
        ['x', [1, 8, 18]],
      ] as const) {
        for (const index of indices) {
          const request = { volumeId, axis, index, level, quick: false }
          const plane = await service.implementation.readPlane(request, { signal: never })
          const wanted = planeByDefinition(sample, axis, index, level)
          expect(plane).toMatchObject({ axis, index, level, dtype, coverage: 1, shape: wanted.shape })
          expect(plane.data.constructor).toBe(wanted.data.constructor)
          if (dtype === 'float64' || dtype === 'float32') {
            // Sums in another order differ in the last bit.
            expect(plane.data.length).toBe(wanted.data.length)
            const furthest = Array.from(plane.data).reduce(
              (most, value, at) =>
                // NaN must be NaN on both sides.
                Object.is(value, wanted.data[at]) ? most : Math.max(most, Math.abs(value - wanted.data[at])),
              0,
            )
            expect(furthest).toBeLessThan(1e-3)
          } else expect(plane.data).toEqual(wanted.data)
        }
      }
    }
    await service.close()
  })
})

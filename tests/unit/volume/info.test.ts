import { expect, test } from 'vitest'
import { info } from '../../../src/main/engine/volume/info.ts'
import { folderOf, sampleTiff } from './sample-volumes.ts'
import { temporaryFolder } from './temporary-folder.ts'

const scratch = temporaryFolder('info')

test('describes a short volume completely', async () => {
  // Slices of x + 10 y + 100 z: 0 … 158, mean 4 + 25 + 50.
  const voxelSize = { z: null, y: 0.5, x: 0.25, unit: 'um' } as const
  const slice = (z: number) => sampleTiff({ value: (y, x) => x + 10 * y + 100 * z, voxelSize })
  const folder = folderOf(scratch, 'short', { 's_0.tif': slice(0), 's_1.tif': slice(1) })
  expect(await info(folder)).toEqual({
    path: folder,
    format: 'TIFF slices',
    shape: [2, 6, 9],
    dtype: 'uint16',
    voxelSize,
    bytes: 216,
    min: 0,
    max: 158,
    mean: 79,
    statistics: 'full',
    statisticsSlices: 2,
    warnings: [],
  })
})

test('a sample of a long volume is enough, and says so; the full count is taken on request', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, z) => [
      `s_${z}.tif`,
      sampleTiff({ value: (_y, x) => (z === 2 ? 1000 : x) }),
    ]),
  )
  const folder = folderOf(scratch, 'long', files)
  // Slice 2 is not among the 32 that are read.
  expect(await info(folder)).toMatchObject({ max: 8, statistics: 'sample', statisticsSlices: 32 })
  const full = await info(folder, { full: true })
  expect(full).toMatchObject({ max: 1000, statistics: 'full', statisticsSlices: 40 })
  expect(full.warnings).toMatchObject([{ kind: 'constant-slice' }])
})

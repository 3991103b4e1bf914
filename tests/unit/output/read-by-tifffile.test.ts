import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openVolumeWriter, type OutputFormat } from '../../../src/main/engine/output/volume-writer.ts'
import { createTypedArray, type Dtype } from '../../../src/shared/volume.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

// The reference reader, where there is one: PHASEMARK_PYTHON names a Python with tifffile, else python3 is tried.
const python = process.env['PHASEMARK_PYTHON'] ?? 'python3'
const hasTifffile = spawnSync(python, ['-c', 'import tifffile, imagecodecs']).status === 0
const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'read-by-tifffile.py')
const scratch = temporaryFolder('read-by-tifffile')
const [depth, height, width] = [3, 700, 901]
const cases: { format: OutputFormat; dtype: Dtype; coloured: boolean; compression?: 'deflate' }[] = [
  { format: 'tiff-stack', dtype: 'uint8', coloured: true },
  { format: 'bigtiff', dtype: 'uint8', coloured: true },
  { format: 'tiff-stack', dtype: 'uint16', coloured: false },
  { format: 'bigtiff', dtype: 'int32', coloured: false },
  { format: 'tiff-stack', dtype: 'float32', coloured: false },
  { format: 'bigtiff', dtype: 'float32', coloured: false, compression: 'deflate' },
]

/** Writes a volume and returns the sum of its values, each times its position in a cycle of 1009. */
async function write(
  place: string,
  { format, dtype, coloured, compression }: (typeof cases)[number],
): Promise<number> {
  const writer = await openVolumeWriter({
    path: place,
    format,
    shape: [depth, height, width],
    dtype,
    voxelSize: { z: 2, y: 0.5, x: 0.25, unit: 'um' },
    sliceNames: ['s_0', 's_1', 's_2'],
    ...(coloured ? { colourTable: [{ value: 2, name: 'nickel', colour: '#e69f00' }] } : {}),
    ...(compression === undefined ? {} : { compression }),
    resume: false,
  })
  let checksum = 0
  for (let z = 0; z < depth; z++) {
    const slice = createTypedArray(dtype, height * width)
    for (let index = 0; index < slice.length; index++) {
      slice[index] = dtype === 'uint8' ? (index >> 6) % 4 : (index * 7 + z) % 50_000
      checksum += slice[index] * ((z * slice.length + index + 1) % 1009)
    }
    await writer.writeSlice(z, slice)
  }
  await writer.close()
  return checksum
}

test.skipIf(!hasTifffile)('tifffile reads what we write: values, colours, voxel size', async () => {
  const places = cases.map(({ format, dtype }) => path.join(scratch, `${format}-${dtype}`))
  const checksums: number[] = []
  for (const [index, place] of places.entries()) checksums.push(await write(place, cases[index]))
  const { stdout, stderr, status } = spawnSync(python, [script, ...places], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const found = JSON.parse(stdout) as Record<string, unknown>[]
  expect(found).toEqual(
    cases.map(({ format, dtype, coloured }, index) => ({
      bigTiff: format === 'bigtiff',
      photometric: coloured ? 'PALETTE' : 'MINISBLACK',
      resolution: [4, 2],
      imagej: { unit: 'um', spacing: 2, slices: format === 'bigtiff' ? depth : null },
      colours: coloured
        ? [
            [0, 0, 0],
            [0, 0, 0],
            [0xe6, 0x9f, 0],
            [0, 0, 0],
          ]
        : null,
      shape: [depth, height, width],
      dtype,
      checksum: checksums[index],
    })),
  )
})

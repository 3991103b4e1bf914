import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { openVolumeWriter, type VolumeWriterOptions } from '../../../src/main/engine/output/volume-writer.ts'
import { parseLabelDescription } from '../../../src/main/engine/labels/label-metadata.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { withPositionedFile } from '../../../src/main/engine/volume/positioned-file.ts'
import { TiffDirectoryReader, tiffTags } from '../../../src/main/engine/volume/tiff-directory.ts'
import { createTypedArray, type Dtype, type TypedArray } from '../../../src/shared/volume.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('volume-writer')
const [depth, height, width] = [5, 33, 70]
const voxelSize = { z: 0.5, y: 0.065, x: 0.065, unit: 'um' } as const
const colourTable = [
  { value: 0, name: 'pore', colour: '#56b4e9' },
  { value: 3, name: 'nickel', colour: '#e69f00' },
]
let outputs = 0

function optionsFor(changes: Partial<VolumeWriterOptions>): VolumeWriterOptions {
  return {
    path: path.join(scratch, `output-${outputs++}`),
    format: 'tiff-stack',
    shape: [depth, height, width],
    dtype: 'uint8',
    voxelSize,
    sliceNames: ['a_1', 'a_2', 'a_5', 'a_10', 'a_11'],
    resume: false,
    ...changes,
  }
}

function sliceOf(z: number, dtype: Dtype): TypedArray {
  const slice = createTypedArray(dtype, height * width)
  for (let index = 0; index < slice.length; index++)
    slice[index] = ((index * 31 + z * 7) % 113) + (dtype === 'float32' ? 0.5 : 0)
  return slice
}

async function writeAll(options: VolumeWriterOptions, from = 0, to = depth): Promise<void> {
  const writer = await openVolumeWriter(options)
  expect(writer.nextSlice).toBe(from)
  for (let z = from; z < to; z++) await writer.writeSlice(z, sliceOf(z, options.dtype))
  await (to === depth ? writer.close() : writer.abort())
}

async function expectWritten(options: VolumeWriterOptions): Promise<void> {
  expect(existsSync(`${options.path}.partial`)).toBe(false)
  const source = await openVolume(options.path)
  expect(source.meta).toMatchObject({ shape: [depth, height, width], dtype: options.dtype })
  for (let z = 0; z < depth; z++) expect(await source.readSlice(z)).toEqual(sliceOf(z, options.dtype))
  await source.close()
}

const tagsOf = (file: string) =>
  withPositionedFile(file, async (opened) => {
    const reader = await TiffDirectoryReader.open(opened)
    return await reader.readDirectory(reader.header.firstDirectory)
  })

/** Every file below a place with its bytes. */
function contentOf(place: string): Record<string, string> {
  if (statSync(place).isFile()) return { '': readFileSync(place, 'base64') }
  return Object.fromEntries(
    readdirSync(place)
      .sort()
      .map((name) => [name, readFileSync(path.join(place, name), 'base64')]),
  )
}

describe.each(['tiff-stack', 'bigtiff'] as const)('a %s', (format) => {
  test.each<Dtype>(['uint8', 'uint16', 'int32', 'float32'])('of %s comes back as it was', async (dtype) => {
    const options = optionsFor({ format, dtype })
    await writeAll(options)
    await expectWritten(options)
  })

  test('keeps voxel size, materials, colours and the unlabelled value', async () => {
    const options = optionsFor({ format, colourTable, unlabelledValue: 255, description: ['made=here'] })
    await writeAll(options)
    const source = await openVolume(options.path)
    expect(source.meta.voxelSize).toEqual(voxelSize)
    await source.close()
    const file = format === 'bigtiff' ? options.path : path.join(options.path, 'a_5.tif')
    const { texts, numbers } = await tagsOf(file)
    const description = texts.get(tiffTags.imageDescription) ?? ''
    expect(description).toContain('\nmade=here\n')
    expect(parseLabelDescription(file, description)).toEqual({ materials: colourTable, unlabelled: 255 })
    // TIFF 6.0: 256 reds, greens and blues of 16 bits; value 3 is #e69f00.
    const colours = numbers.get(tiffTags.colorMap) ?? []
    expect(colours).toHaveLength(768)
    expect([colours[3], colours[259], colours[515]]).toEqual([0xe6e6, 0x9f9f, 0])
  })

  test('with a value above 255 has no palette', async () => {
    const options = optionsFor({ format, dtype: 'uint16', colourTable: [{ value: 300, name: 'steel' }] })
    await writeAll(options)
    const file = format === 'bigtiff' ? options.path : path.join(options.path, 'a_5.tif')
    expect((await tagsOf(file)).numbers.has(tiffTags.colorMap)).toBe(false)
  })

  test('that was interrupted is resumed to the same bytes', async () => {
    const whole = optionsFor({ format, colourTable })
    await writeAll(whole)
    const options = optionsFor({ format, colourTable })
    await writeAll(options, 0, 2)
    expect(existsSync(options.path)).toBe(false)
    await writeAll({ ...options, resume: true }, 2, 3)
    await writeAll({ ...options, resume: true }, 3)
    expect(contentOf(options.path)).toEqual(contentOf(whole.path))
    // Once complete, there is nothing left to do.
    const again = await openVolumeWriter({ ...options, resume: true })
    expect(again.nextSlice).toBe(depth)
    await again.close()
  })

  test('refuses to resume what was begun with other settings', async () => {
    const options = optionsFor({ format })
    await writeAll(options, 0, 2)
    const changes: Partial<VolumeWriterOptions>[] = [
      { dtype: 'uint16' },
      { shape: [depth, height, width + 1] },
      { voxelSize: null },
      { description: ['model=another'] },
    ]
    for (const change of changes) {
      const resumed = openVolumeWriter({ ...options, ...change, resume: true })
      await expect(resumed).rejects.toMatchObject({ _tag: 'WrongUsage', fields: { argument: '--resume' } })
    }
  })

  test('does not overwrite', async () => {
    const options = optionsFor({ format })
    await writeAll(options, 0, 1)
    const before = contentOf(`${options.path}.partial`)
    await expect(openVolumeWriter(options)).rejects.toMatchObject({ _tag: 'OutputExists' })
    expect(contentOf(`${options.path}.partial`)).toEqual(before)
    const finished = optionsFor({ format })
    await writeAll(finished)
    await expect(openVolumeWriter(finished)).rejects.toMatchObject({ _tag: 'OutputExists' })
  })

  test('leaves the array of the caller alone, who may go on using it', async () => {
    const options = optionsFor({ format })
    const writer = await openVolumeWriter(options)
    const slice = createTypedArray('uint8', height * width)
    for (let z = 0; z < depth; z++) {
      slice.set(sliceOf(z, 'uint8'))
      await writer.writeSlice(z, slice)
      slice.fill(0)
    }
    await writer.close()
    await expectWritten(options)
  })

  test('stops through the signal and keeps what it has', async () => {
    const options = optionsFor({ format })
    const writer = await openVolumeWriter(options)
    await writer.writeSlice(0, sliceOf(0, 'uint8'))
    const write = writer.writeSlice(1, sliceOf(1, 'uint8'), { signal: AbortSignal.abort() })
    await expect(write).rejects.toMatchObject({ _tag: 'Cancelled' })
    await writer.abort()
    expect((await openVolumeWriter({ ...options, resume: true })).nextSlice).toBe(1)
  })

  test('takes slices only in order and only of its size', async () => {
    const writer = await openVolumeWriter(optionsFor({ format }))
    await expect(writer.writeSlice(1, sliceOf(1, 'uint8'))).rejects.toMatchObject({ _tag: 'Internal' })
    await expect(writer.writeSlice(0, new Uint8Array(3))).rejects.toMatchObject({ _tag: 'Internal' })
    await expect(writer.close()).rejects.toMatchObject({ _tag: 'Internal' })
    await writer.abort()
  })
})

describe('what a killed process leaves', () => {
  test('tiff-stack: unfinished files go, whole slices stay', async () => {
    const options = optionsFor({})
    await writeAll(options, 0, 2)
    const unfinished = path.join(`${options.path}.partial`, 'a_5.tif.unfinished')
    writeFileSync(unfinished, 'half a slice')
    await writeAll({ ...options, resume: true }, 2)
    await expectWritten(options)
    expect(readdirSync(options.path)).toHaveLength(depth)
  })

  test('tiff-stack: a damaged slice and those after it are written again', async () => {
    const options = optionsFor({})
    await writeAll(options, 0, 4)
    const damaged = path.join(`${options.path}.partial`, 'a_2.tif')
    truncateSync(damaged, statSync(damaged).size - 5)
    await writeAll({ ...options, resume: true }, 1)
    await expectWritten(options)
  })

  test('tiff-stack: slices of another output are refused', async () => {
    const options = optionsFor({})
    mkdirSync(`${options.path}.partial`)
    writeFileSync(path.join(`${options.path}.partial`, 'b_1.tif'), 'x')
    const resumed = openVolumeWriter({ ...options, resume: true })
    await expect(resumed).rejects.toThrow(/also b_1\.tif/)
  })

  test('bigtiff: cut anywhere, it goes on after the last whole page', async () => {
    const whole = optionsFor({ format: 'bigtiff' })
    await writeAll(whole)
    const expected = contentOf(whole.path)
    const length = statSync(whole.path).size
    for (const cut of [0, 7, 16, 100, Math.floor(length / 2), Math.floor(length * 0.9), length - 9]) {
      const options = optionsFor({ format: 'bigtiff' })
      writeFileSync(`${options.path}.partial`, readFileSync(whole.path))
      truncateSync(`${options.path}.partial`, cut)
      const writer = await openVolumeWriter({ ...options, resume: true })
      expect(writer.nextSlice).toBeLessThan(depth)
      for (let z = writer.nextSlice; z < depth; z++) await writer.writeSlice(z, sliceOf(z, 'uint8'))
      await writer.close()
      expect(contentOf(options.path)).toEqual(expected)
    }
  })

  test('bigtiff: pages that no directory points to yet are written again', async () => {
    const options = optionsFor({ format: 'bigtiff' })
    await writeAll(options, 0, 3)
    const bytes = readFileSync(`${options.path}.partial`)
    const first = Number(bytes.readBigUInt64LE(8))
    const entries = Number(bytes.readBigUInt64LE(first))
    bytes.writeBigUInt64LE(0n, first + 8 + 20 * entries)
    writeFileSync(`${options.path}.partial`, bytes)
    await writeAll({ ...options, resume: true }, 1)
    await expectWritten(options)
  })
})

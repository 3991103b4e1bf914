import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import type { Dtype, TypedArray } from '../../../src/shared/volume.ts'

// Files made by tests/golden/volume.py with tifffile and Pillow; the formula of their voxels is there and here.
const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'golden', 'volume')
const [height, width] = [11, 19]

function expectedVoxels(dtype: Dtype, depth: number): number[] {
  const values: number[] = []
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const value = ((7 * z + 13 * y + 29 * x) % 101) - (dtype.startsWith('u') ? 0 : 50)
        values.push(dtype.startsWith('f') ? value / 8 : value)
      }
    }
  }
  return values
}

async function read(name: string) {
  const source = await openVolume(path.join(folder, name))
  try {
    const { shape } = source.meta
    const voxels = await source.readBox({ start: [0, 0, 0], stop: shape })
    const slices: TypedArray[] = []
    for (let z = 0; z < shape[0]; z++) slices.push(await source.readSlice(z))
    const box = await source.readBox({ start: [shape[0] - 1, 3, 2], stop: [shape[0], 9, 17] })
    return { meta: source.meta, voxels, slices, box }
  } finally {
    await source.close()
  }
}

/** Checks the whole volume, its slices and an inner box against the formula. */
async function expectGolden(name: string, dtype: Dtype, depth: number): Promise<void> {
  const { meta, voxels, slices, box } = await read(name)
  const expected = expectedVoxels(dtype, depth)
  expect(meta).toMatchObject({ shape: [depth, height, width], dtype })
  expect([...voxels]).toEqual(expected)
  expect(slices.flatMap((slice) => [...slice])).toEqual(expected)
  const inner: number[] = []
  for (let y = 3; y < 9; y++) {
    const row = ((depth - 1) * height + y) * width
    inner.push(...expected.slice(row + 2, row + 17))
  }
  expect([...box]).toEqual(inner)
}

describe('reading what tifffile wrote', () => {
  const dtypes: Dtype[] = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64']
  test.each(dtypes)('%s, plain and big-endian deflated in strips', async (dtype) => {
    await expectGolden(`${dtype}-plain.tif`, dtype, 1)
    await expectGolden(`${dtype}-big-endian-deflate.tif`, dtype, 1)
  })

  test.each<[string, Dtype, number]>([
    ['uint16-big-endian-plain-strips.tif', 'uint16', 2],
    ['uint16-lzw.tif', 'uint16', 2],
    ['uint16-packbits.tif', 'uint16', 2],
    ['uint16-zlib.tif', 'uint16', 2],
    ['uint8-deflate-32946.tif', 'uint8', 1],
    ['uint16-lzw-predictor2-big-endian.tif', 'uint16', 2],
    ['uint16-zlib-predictor2-big-endian.tif', 'uint16', 2],
    ['float32-lzw-predictor3.tif', 'float32', 2],
    ['float32-zlib-predictor3.tif', 'float32', 2],
    ['float64-zlib-predictor3-big-endian.tif', 'float64', 1],
    ['uint16-tiles.tif', 'uint16', 2],
    ['uint8-tiles-lzw-predictor2.tif', 'uint8', 2],
    ['int16-bigtiff.tif', 'int16', 2],
    ['int16-bigtiff-big-endian-strips.tif', 'int16', 2],
    ['rgb-equal.tif', 'uint8', 1],
    ['rgb-planar-equal.tif', 'uint8', 1],
    ['rgba-equal.tif', 'uint8', 1],
    ['miniswhite.tif', 'uint8', 1],
    ['imagej.tif', 'uint16', 2],
    ['imagej-contiguous.tif', 'uint16', 2],
    ['shaped-truncated.tif', 'uint16', 2],
    ['ome.ome.tif', 'uint16', 2],
    ['grey8.png', 'uint8', 1],
    ['grey16.png', 'uint16', 1],
    ['rgba-equal.png', 'uint8', 1],
  ])('%s', expectGolden)

  test.each(['palette.tif', 'palette.png'])('%s gives palette indices', async (name) => {
    const { voxels } = await read(name)
    expect([...voxels]).toEqual(expectedVoxels('uint8', 1).map((value) => value % 4))
  })

  test.each([
    ['bilevel.tif', 1],
    ['bilevel.png', 1],
  ])('%s gives one value per bit', async (name, on) => {
    const { voxels, meta } = await read(name)
    expect(meta.dtype).toBe('uint8')
    expect([...voxels]).toEqual(expectedVoxels('uint8', 1).map((value) => (value > 50 ? on : 0)))
  })

  test('a file whose 0 means white is read as stored, with a warning', async () => {
    const { meta } = await read('miniswhite.tif')
    expect(meta.warnings[0].message).toContain('0 means white')
  })
})

describe('voxel sizes', () => {
  test('ImageJ: unit and spacing of the description, pixels per unit of the tags', async () => {
    const { voxelSize } = (await read('imagej.tif')).meta
    expect(voxelSize).toMatchObject({ z: 2.5, unit: 'um' })
    expect(voxelSize?.y).toBeCloseTo(0.6, 6)
    expect(voxelSize?.x).toBeCloseTo(0.65, 6)
  })

  test('ImageJ without resolution tags: only z is known', async () => {
    expect((await read('imagej-contiguous.tif')).meta.voxelSize).toEqual({
      z: 3,
      y: null,
      x: null,
      unit: 'um',
    })
  })

  test('OME: each axis with its own unit', async () => {
    const { voxelSize } = (await read('ome.ome.tif')).meta
    expect(voxelSize?.unit).toBe('um')
    expect(voxelSize?.z).toBeCloseTo(0.2, 9)
    expect(voxelSize?.y).toBeCloseTo(0.066, 9)
    expect(voxelSize?.x).toBeCloseTo(0.065, 9)
  })

  test('pixels per centimetre; z stays unknown', async () => {
    // 2000 pixels per centimetre are 5 µm, 1000 are 10 µm.
    const { voxelSize } = (await read('centimetre.tif')).meta
    expect(voxelSize).toEqual({ z: null, y: 10, x: 5, unit: 'um' })
  })

  test('a PNG with pixels per metre', async () => {
    // 10160 dpi are 400 000 pixels per metre, 2.5 µm.
    const { voxelSize } = (await read('micrometre.png')).meta
    expect(voxelSize).toMatchObject({ z: null, unit: 'um' })
    expect(voxelSize?.x).toBeCloseTo(2.5, 9)
  })

  test.each(['screen-dpi.tif', 'screen-dpi.png', 'uint8-plain.tif'])('%s has none', async (name) => {
    expect((await read(name)).meta.voxelSize).toBeNull()
  })

  test('what the caller says wins', async () => {
    const voxelSize = { z: 1, y: 2, x: 3, unit: 'nm' } as const
    const source = await openVolume(path.join(folder, 'imagej.tif'), { voxelSize })
    expect(source.meta.voxelSize).toEqual(voxelSize)
    await source.close()
  })
})

describe('refused with a reason', () => {
  test.each([
    ['rgb-colour.tif', 'channels differ at y 4, x 5'],
    ['rgb-colour.png', 'channels differ at y 4, x 5'],
    ['ome-channels.ome.tif', '2 channels'],
  ])('%s', async (name, reason) => {
    await expect(read(name)).rejects.toMatchObject({ _tag: 'BadInput' })
    await expect(read(name)).rejects.toThrow(reason)
  })
})

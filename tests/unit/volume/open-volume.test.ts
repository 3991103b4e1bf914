import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { parseRawHeader } from '../../../src/main/engine/volume/raw-source.ts'
import { voxelSizeFromTiff } from '../../../src/main/engine/volume/voxel-size.ts'
import { sharedData } from '../../support/shared-data.ts'
import { folderOf, sampleSlice, sampleTiff } from './sample-volumes.ts'
import { temporaryFolder } from './temporary-folder.ts'

const scratch = temporaryFolder('open-volume')

describe('a folder of slices', () => {
  const folder = folderOf(scratch, 'scan', {
    's_10.tif': sampleTiff({ value: () => 10 }),
    's_9.TIFF': sampleTiff({ value: () => 9 }),
    's_2.tif': sampleTiff({ value: () => 2 }),
    'Thumbs.db': 'x',
    '.DS_Store': 'x',
    'dataset.json': '{}',
    'notes.txt': 'x',
  })

  test('comes in natural order, with gaps and a warning, without the other files', async () => {
    const source = await openVolume(folder)
    expect(source.meta).toMatchObject({
      format: 'TIFF slices',
      path: folder,
      shape: [3, 6, 9],
      dtype: 'uint16',
      voxelSize: null,
      sliceNames: ['s_2', 's_9', 's_10'],
      bytes: 3 * 6 * 9 * 2,
      gaps: [1],
      warnings: [{ kind: 'numbering-gap' }],
    })
    const column = await source.readBox({ start: [0, 2, 3], stop: [3, 3, 4] })
    expect([...column]).toEqual([2, 9, 10])
    await source.close()
  })

  test('reads after closing and outside the volume are refused', async () => {
    const source = await openVolume(folder)
    await expect(source.readSlice(3)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    await expect(source.readBox({ start: [0, 0, 0], stop: [1, 7, 9] })).rejects.toThrow('0 to 6')
    await source.close()
    await expect(source.readSlice(0)).rejects.toMatchObject({ _tag: 'Internal' })
  })

  test('a signal that has fired stops opening and reading', async () => {
    const signal = AbortSignal.abort()
    await expect(openVolume(folder, { signal })).rejects.toMatchObject({ _tag: 'Cancelled' })
    const source = await openVolume(folder)
    await expect(source.readSlice(0, { signal })).rejects.toMatchObject({ _tag: 'Cancelled' })
    await source.close()
  })

  test('a single slice is a volume, with a warning', async () => {
    const source = await openVolume(folderOf(scratch, 'one', { 'only.tif': sampleTiff() }))
    expect(source.meta).toMatchObject({
      shape: [1, 6, 9],
      sliceNames: ['only'],
      warnings: [{ kind: 'other' }],
    })
    expect(source.meta.warnings[0].message).toContain('one slice only')
    await source.close()
  })
})

describe('raw files', () => {
  test('big-endian after a header', async () => {
    const slice = sampleSlice({ dtype: 'int16', value: (y, x) => x - 3 * y })
    const bytes = Buffer.from(slice.buffer)
    const file = path.join(scratch, 'scan.raw')
    writeFileSync(file, Buffer.concat([Buffer.alloc(5), Buffer.from(bytes).swap16()]))
    const source = await openVolume(file, { raw: parseRawHeader('2,3,9,int16,big,5') })
    expect(source.meta.sliceNames).toEqual(['scan_0000', 'scan_0001'])
    expect([...(await source.readSlice(1))]).toEqual([...slice.subarray(27)])
    await source.close()
  })

  test('bytes behind the voxels are a warning', async () => {
    const file = path.join(scratch, 'long.raw')
    writeFileSync(file, new Uint8Array(13))
    const source = await openVolume(file, { raw: parseRawHeader('1,3,4,uint8,little') })
    expect(source.meta.warnings).toMatchObject([{ kind: 'other' }])
    expect(source.meta.warnings[0].message).toContain('1 bytes follow')
    await source.close()
  })
})

test('an interlaced PNG', async () => {
  // Adam7 (PNG standard, section 8.2): start and step of x and y of the seven passes; filter 0 everywhere.
  const passes = [
    [0, 8, 0, 8],
    [4, 8, 0, 8],
    [0, 4, 4, 8],
    [2, 4, 0, 4],
    [0, 2, 2, 4],
    [1, 2, 0, 2],
    [0, 1, 1, 2],
  ]
  const [height, width] = [11, 13]
  const rows: number[] = []
  for (const [x0, xStep, y0, yStep] of passes) {
    for (let y = y0; y < height; y += yStep) {
      if (x0 < width) rows.push(0)
      for (let x = x0; x < width; x += xStep) rows.push((x + 10 * y) & 255)
    }
  }
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const frame = Buffer.alloc(body.length + 8)
    frame.writeUInt32BE(data.length)
    body.copy(frame, 4)
    frame.writeUInt32BE(crc32(body), body.length + 4)
    return frame
  }
  const header = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, 0, 0, 0, 1])
  const png = Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Uint8Array.from(rows))),
    chunk('IEND', new Uint8Array()),
  ])
  const source = await openVolume(folderOf(scratch, 'interlaced', { 'a.png': png }))
  const expected = sampleSlice({ height, width, dtype: 'uint8', value: (y, x) => (x + 10 * y) & 255 })
  expect(await source.readSlice(0)).toEqual(expected)
  await source.close()
})

describe('voxel sizes as programs write them', () => {
  const pixelsPerUnit = { x: 2, y: 4, unit: 'none' } as const

  test.each([
    ['micron', 0.5, 'um'],
    ['\\u00B5m', 0.5, 'um'],
    ['µm', 0.5, 'um'],
    ['um', 0.5, 'um'],
    ['nm', 0.5, 'nm'],
    ['mm', 0.5, 'mm'],
    ['inch', 12.7, 'mm'],
  ])('ImageJ unit %s', (unit, x, expectedUnit) => {
    // The resolution of 2.5 dots per inch cannot be a setting of a screen; 2 could, so the inch has its own.
    const resolution = unit === 'inch' ? { ...pixelsPerUnit, x: 2.5, y: 5 } : pixelsPerUnit
    const size = voxelSizeFromTiff(`ImageJ=1.53t\nunit=${unit}\nspacing=3\n`, resolution)
    expect(size).toMatchObject({ unit: expectedUnit })
    expect(size?.x).toBeCloseTo(unit === 'inch' ? 25.4 / 2.5 : x, 9)
    expect(size?.z).toBeCloseTo(unit === 'inch' ? 76.2 : 3, 9)
  })

  test.each(['pixel', 'furlong', ''])('ImageJ unit %s is none', (unit) => {
    expect(voxelSizeFromTiff(`ImageJ=1.53t\nunit=${unit}\n`, pixelsPerUnit)).toBeNull()
  })

  test.each([72, 96, 300, 600])('%s dots per inch, in inches and centimetres', (dpi) => {
    expect(voxelSizeFromTiff('', { x: dpi, y: dpi, unit: 'inch' })).toBeNull()
    expect(voxelSizeFromTiff('', { x: dpi / 2.54, y: dpi / 2.54, unit: 'centimetre' })).toBeNull()
  })

  test('a fine resolution is a voxel size, in inches too', () => {
    // 25400 dots per inch are 1000 per millimetre: 1 µm.
    const size = voxelSizeFromTiff('', { x: 25_400, y: 25_400, unit: 'inch' })
    expect(size).toEqual({ z: null, y: 1, x: 1, unit: 'um' })
  })
})

const batteries = sharedData('battery-nmc-nanoct')
test.skipIf(batteries === null)('a real tomogram: battery-nmc-nanoct', async () => {
  const source = await openVolume(path.join(batteries ?? '', 'A', 'images'))
  // Size, type and slice numbers as its dataset.json says.
  expect(source.meta).toMatchObject({ shape: [3, 499, 601], dtype: 'uint16', gaps: [1, 2] })
  expect(source.meta.sliceNames).toEqual(['A_0001', 'A_0200', 'A_0400'])
  await source.close()
})

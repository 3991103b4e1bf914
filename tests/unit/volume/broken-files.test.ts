import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openVolume, type OpenVolumeOptions } from '../../../src/main/engine/volume/open-volume.ts'
import { parseRawHeader } from '../../../src/main/engine/volume/raw-source.ts'
import { isPhasemarkError, type PhasemarkError } from '../../../src/shared/errors.ts'
import { folderOf, sampleTiff } from './sample-volumes.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { withoutPrivileges } from './without-privileges.ts'

const scratch = temporaryFolder('broken-files')
const goldens = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'golden', 'volume')

/** Opens a volume, reads all of it and returns the error that this must end in. */
async function failureOf(volumePath: string, options?: OpenVolumeOptions): Promise<PhasemarkError> {
  try {
    const source = await openVolume(volumePath, options)
    for (let z = 0; z < source.meta.shape[0]; z++) await source.readSlice(z)
    await source.close()
  } catch (error) {
    if (isPhasemarkError(error)) return error
    throw error
  }
  throw new Error(`${volumePath} was read without an error`)
}

async function expectBadInput(
  volumePath: string,
  parts: (string | RegExp)[],
  options?: OpenVolumeOptions,
): Promise<void> {
  const error = await failureOf(volumePath, options)
  expect(error._tag).toBe('BadInput')
  for (const part of parts) expect(error.message).toMatch(part)
}

/** Sets the value of a tag whose value stands in the entry itself, in a little-endian classic TIFF. */
function withTag(tiff: Uint8Array, tag: number, value: number): Uint8Array {
  const copy = Buffer.from(tiff)
  const directory = copy.readUInt32LE(4)
  for (let index = 0; index < copy.readUInt16LE(directory); index++) {
    const at = directory + 2 + 12 * index
    if (copy.readUInt16LE(at) === tag) copy.writeUInt32LE(value, at + 8)
  }
  return copy
}

describe('volumes that cannot be opened', () => {
  test('a path that does not exist', async () => {
    const error = await failureOf(path.join(scratch, 'nowhere'))
    expect(error).toMatchObject({ _tag: 'NotFound', fields: { path: path.join(scratch, 'nowhere') } })
  })

  test('an empty folder, and one with other files only', async () => {
    await expectBadInput(folderOf(scratch, 'empty', {}), ['empty', 'a folder of TIFF or PNG slices'])
    const others = folderOf(scratch, 'others', { 'Thumbs.db': 'x', 'notes.txt': 'x', '.hidden.tif': 'x' })
    await expectBadInput(others, ['a folder without any'])
  })

  test('slices of two sizes', async () => {
    const folder = folderOf(scratch, 'sizes', {
      'a_1.tif': sampleTiff(),
      'a_2.tif': sampleTiff(),
      'a_3.tif': sampleTiff({ height: 5 }),
    })
    await expectBadInput(folder, [/a_3\.tif/, '6 × 9 uint16 like a_1.tif', 'found 5 × 9 uint16'])
  })

  test('slices of two types', async () => {
    const folder = folderOf(scratch, 'types', {
      'a_1.tif': sampleTiff(),
      'a_2.tif': sampleTiff({ dtype: 'uint8' }),
    })
    await expectBadInput(folder, [/a_2\.tif/, '6 × 9 uint16', 'found 6 × 9 uint8'])
  })

  test('TIFF and PNG slices in one folder', async () => {
    const folder = folderOf(scratch, 'formats', {
      'a_1.tif': sampleTiff(),
      'a_1.png': readFileSync(path.join(goldens, 'grey8.png')),
    })
    await expectBadInput(folder, ['1 TIFF and 1 PNG'])
  })

  test('the same name twice', async () => {
    const folder = folderOf(scratch, 'twice', { 'a_1.tif': sampleTiff(), 'a_1.tiff': sampleTiff() })
    await expectBadInput(folder, ['several files named a_1'])
  })

  test('a multi-page file among slices', async () => {
    const folder = folderOf(scratch, 'pages', { 'a_1.tif': sampleTiff() })
    copyFileSync(path.join(goldens, 'uint16-lzw.tif'), path.join(folder, 'a_2.tif'))
    await expectBadInput(folder, [/a_2\.tif/, 'one image per file', '2 images'])
  })

  test.each([
    ['scan.h5', 'HDF5'],
    ['scan.nii', 'NIfTI'],
    ['photo.jpg', 'JPEG'],
    ['scan.xyz', 'another kind'],
  ])('%s: a format that is not read', async (name, found) => {
    const folder = folderOf(scratch, 'other-formats', { [name]: 'some bytes of another format' })
    await expectBadInput(path.join(folder, name), [name, found, 'a folder of TIFF or PNG slices'])
  })

  test.skipIf(process.platform === 'win32')('permission denied', async () => {
    const folder = folderOf(scratch, 'permission', { 'a_1.tif': sampleTiff() })
    chmodSync(scratch, 0o755)
    chmodSync(path.join(folder, 'a_1.tif'), 0)
    await withoutPrivileges(() => expectBadInput(folder, [/a_1\.tif/, 'permission denied']))
  })

  test('a folder in the place of a slice is not a slice', async () => {
    const folder = folderOf(scratch, 'folder-slice', { 'a_1.tif': sampleTiff() })
    mkdirSync(path.join(folder, 'a_2.tif'))
    const source = await openVolume(folder)
    expect(source.meta.shape).toEqual([1, 6, 9])
    await source.close()
  })
})

describe('damaged slices', () => {
  test('a truncated slice is found when the folder is opened', async () => {
    const whole = sampleTiff({ height: 60 })
    const folder = folderOf(scratch, 'truncated', {
      'a_1.tif': whole,
      'a_2.tif': whole.subarray(0, whole.length - 100),
    })
    await expect(openVolume(folder)).rejects.toThrow(/a_2\.tif.*inside the file.*truncated/)
  })

  test('garbage and emptiness', async () => {
    const garbage = folderOf(scratch, 'garbage', {
      'a_1.tif': sampleTiff(),
      'a_2.tif': 'this is no image at all',
    })
    await expectBadInput(garbage, [/a_2\.tif/, 'a TIFF file', 'the bytes 74686973'])
    const empty = folderOf(scratch, 'empty-slice', { 'a_1.tif': sampleTiff(), 'a_2.tif': '' })
    await expectBadInput(empty, [/a_2\.tif/, 'a TIFF file', 'only 0 bytes'])
  })

  test('deflate data that do not inflate', async () => {
    const tiff = Buffer.from(sampleTiff({ compression: 'deflate', height: 50, width: 50 }))
    tiff.fill(0x55, tiff.length - 60)
    const folder = folderOf(scratch, 'damaged', { 'a_1.tif': tiff })
    await expectBadInput(path.join(folder, 'a_1.tif'), [/a_1\.tif/, 'readable deflate data', 'damaged'])
  })

  test('a slice that grew smaller after the volume was opened', async () => {
    const folder = folderOf(scratch, 'changed', { 'a_1.tif': sampleTiff(), 'a_2.tif': sampleTiff() })
    const source = await openVolume(folder)
    writeFileSync(path.join(folder, 'a_2.tif'), sampleTiff({ width: 4 }))
    await expect(source.readSlice(1)).rejects.toMatchObject({ _tag: 'BadInput' })
    await expect(source.readSlice(1)).rejects.toThrow(/a_2\.tif.*6 × 9 uint16.*found 6 × 4 uint16/)
    await source.close()
  })

  test('a truncated and a damaged PNG', async () => {
    const png = readFileSync(path.join(goldens, 'grey16.png'))
    const cut = folderOf(scratch, 'png-cut', { 'a_1.png': png.subarray(0, png.length - 20) })
    await expectBadInput(cut, [/a_1\.png/, 'truncated'])
    const damaged = Buffer.from(png)
    damaged[Math.floor(png.length / 2)] ^= 0xff
    await expectBadInput(folderOf(scratch, 'png-damaged', { 'a_1.png': damaged }), [
      'checksum',
      'a wrong one',
    ])
  })
})

describe('files that lie about themselves', () => {
  const tags = { width: 256, bits: 258, compression: 259, photometric: 262, offsets: 273, samples: 277 }

  test.each([
    ['a width that the file has no room for', tags.width, 100_000, 'bytes in strip or tile 0'],
    ['an absurd width', tags.width, 4_000_000_000, 'image width of 1 to'],
    ['no width', tags.width, 0, 'image width of 1 to'],
    ['a strip behind the end of the file', tags.offsets, 1_000_000, 'inside the file'],
    ['12-bit samples', tags.bits, 12, '12-bit uint'],
    ['JPEG compression', tags.compression, 7, 'JPEG compression (7)'],
    ['an unknown compression', tags.compression, 4711, 'compression 4711'],
    ['CMYK', tags.photometric, 5, 'photometric interpretation 5'],
    ['200 samples per pixel', tags.samples, 200, '200'],
  ])('%s', async (_, tag, value, reason) => {
    const name = `lie-${tag}-${value}.tif`
    const folder = folderOf(scratch, 'lies', { [name]: withTag(sampleTiff(), tag, value) })
    const error = await failureOf(path.join(folder, name))
    expect(error._tag).toBe('BadInput')
    expect(error.message).toContain(name)
    expect(error.message).toContain(reason)
  })

  test('directories that point at each other', async () => {
    const tiff = Buffer.from(sampleTiff())
    const directory = tiff.readUInt32LE(4)
    tiff.writeUInt32LE(directory, directory + 2 + 12 * tiff.readUInt16LE(directory))
    const folder = folderOf(scratch, 'loop', { 'loop.tif': tiff })
    await expectBadInput(path.join(folder, 'loop.tif'), ['a loop'])
  })

  test('a small file that promises gigabytes of deflated pixels', async () => {
    const tiff = withTag(withTag(sampleTiff({ compression: 'deflate' }), 256, 40_000), 257, 20_000)
    const folder = folderOf(scratch, 'bomb', { 'bomb.tif': withTag(tiff, 278, 20_000) })
    await expectBadInput(path.join(folder, 'bomb.tif'), ['bytes in strip or tile 0'])
  })

  test('an ImageJ stack with fewer bytes than images', async () => {
    const stack = readFileSync(path.join(goldens, 'imagej-contiguous.tif'))
    const folder = folderOf(scratch, 'imagej', { 'stack.tif': stack.subarray(0, stack.length - 10) })
    await expectBadInput(path.join(folder, 'stack.tif'), ['2 images one after the other', 'truncated'])
  })
})

describe('raw files', () => {
  const folder = folderOf(scratch, 'raw', { 'v.raw': new Uint8Array(2 * 3 * 4 * 2 + 7) })
  const file = path.join(folder, 'v.raw')

  test('too small for the header', async () => {
    const raw = parseRawHeader('2,3,5,uint16,little,7')
    await expectBadInput(file, [/v\.raw/, '67 bytes', '55 bytes'], { raw })
  })

  test('a header beyond all limits', async () => {
    await expectBadInput(file, ['at most'], { raw: parseRawHeader('9,2000000,2000000,float64,big,0') })
  })

  test('a folder', async () => {
    const error = await failureOf(folder, { raw: parseRawHeader('2,3,4,uint16,little,7') })
    expect(error._tag).toBe('WrongUsage')
  })

  test('described exactly', async () => {
    const source = await openVolume(file, { raw: parseRawHeader('2,3,4,uint16,little,7') })
    expect(source.meta).toMatchObject({ shape: [2, 3, 4], dtype: 'uint16', warnings: [] })
    await source.close()
  })

  test.each([
    '',
    '1,2,3',
    '1,2,3,uint12,little,0',
    '1,2,3,uint8,middle,0',
    '0,2,3,uint8,big,0',
    '1,2,3,uint8,big,-1',
  ])("'%s' is no raw header", (text) => {
    expect(() => parseRawHeader(text)).toThrow(/^expected z,y,x,dtype,endianness,offset/)
  })
})

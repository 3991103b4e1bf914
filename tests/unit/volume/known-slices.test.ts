import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode } from 'fast-png'
import { beforeAll, describe, expect, test } from 'vitest'
import type { KnownSlices } from '../../../src/main/engine/volume/known-slices.ts'
import { openKnownVolume, openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { openVolumeInThread } from '../../../src/main/engine/volume/volume-thread.ts'
import { folderOf, sampleSlice, sampleTiff } from './sample-volumes.ts'
import { temporaryFolder } from './temporary-folder.ts'

const scratch = temporaryFolder('known-slices')
const valueOf = (z: number) => (y: number, x: number) => x + 10 * y + 100 * z
const tiffOf = (z: number) => sampleTiff({ value: valueOf(z) })
const names = ['s_1.tif', 's_2.tif', 's_3.tif', 's_4.tif']

/** Files that are younger than this are not trusted; see file-state.ts. */
const settlingMs = 2100

/** Seconds since 1970: when all files were modified, to a fraction that every system keeps. */
const longAgo = 1e9

const changes: Record<string, (folder: string) => void> = {
  'another size of image, of the same bytes': (folder) => {
    writeFileSync(path.join(folder, 's_3.tif'), sampleTiff({ height: 9, width: 6 }))
  },
  'other voxels in place, with its time set back': (folder) => {
    const file = path.join(folder, 's_3.tif')
    writeFileSync(file, tiffOf(7))
    utimesSync(file, longAgo, longAgo)
  },
  'another file of the same size and time in its place': (folder) => {
    const file = path.join(folder, 's_3.tif')
    writeFileSync(path.join(scratch, 'other'), tiffOf(8))
    utimesSync(path.join(scratch, 'other'), longAgo, longAgo)
    renameSync(path.join(scratch, 'other'), file)
  },
  'a copy that a program wrote beside it and renamed': (folder) => {
    const file = path.join(folder, 's_2.tif')
    copyFileSync(file, `${file}.part`)
    renameSync(`${file}.part`, file)
  },
  'two names exchanged': (folder) => {
    const [one, two, between] = ['s_1.tif', 's_4.tif', 'between'].map((name) => path.join(folder, name))
    renameSync(one, between)
    renameSync(two, one)
    renameSync(between, two)
  },
  'a file renamed': (folder) => {
    renameSync(path.join(folder, 's_4.tif'), path.join(folder, 's_9.tif'))
  },
  'a file removed': (folder) => {
    rmSync(path.join(folder, 's_2.tif'))
  },
  'a file added': (folder) => {
    writeFileSync(path.join(folder, 's_5.tif'), tiffOf(5))
  },
  'a file cut short': (folder) => {
    truncateSync(path.join(folder, 's_2.tif'), 100)
  },
}

const folders = new Map<string, string>()
const folderFor = (name: string): string => folders.get(name)!

beforeAll(async () => {
  for (const name of [...Object.keys(changes), 'unchanged', 'kind', 'gone', 'one', 'two', 'damaged']) {
    const files = Object.fromEntries(names.map((file, z) => [file, tiffOf(z)]))
    const folder = folderOf(scratch, `folder-${folders.size}`, files)
    for (const file of names) utimesSync(path.join(folder, file), longAgo, longAgo)
    folders.set(name, folder)
  }
  folders.set(
    'pictures',
    folderOf(scratch, 'pictures', { 'p_1.png': pngOf(0, 2, 3), 'p_2.png': pngOf(1, 2, 3) }),
  )
  await sleep(settlingMs)
})

/** 8-bit grey values that count up from `first`. */
function pngOf(first: number, height: number, width: number): Uint8Array {
  const data = Uint8Array.from({ length: height * width }, (_, index) => first + index)
  return encode({ width, height, data, depth: 8, channels: 1 })
}

async function knownOf(folder: string): Promise<KnownSlices> {
  const { known } = await openVolume(folder)
  expect(known).toBeDefined()
  return known!
}

describe('a folder that is known', () => {
  test('is the same volume again, with no file opened before a slice is read', async () => {
    const folder = folderFor('unchanged')
    const first = await openVolume(folder)
    const again = await openKnownVolume(folder, first.known!)
    expect(again?.meta).toEqual(first.meta)
    expect(again?.rowAddressable).toBe(true)
    expect(again?.known).toBe(first.known)
    // Twice: where the pixels are is found out by the first read.
    for (const z of [2, 2, 0]) expect(await again!.readSlice(z)).toEqual(sampleSlice({ value: valueOf(z) }))
  })

  test('may be of PNG slices', async () => {
    const folder = folderFor('pictures')
    const first = await openVolume(folder)
    const again = await openKnownVolume(folder, first.known!)
    expect(again?.meta).toEqual(first.meta)
    expect(again?.meta.format).toBe('PNG slices')
    expect([...(await again!.readSlice(1))]).toEqual([1, 2, 3, 4, 5, 6])
    writeFileSync(path.join(folder, 'p_2.png'), pngOf(2, 3, 2))
    expect(await openKnownVolume(folder, first.known!)).toBeNull()
    await expect(openVolume(folder, { known: first.known })).rejects.toThrow(/p_2\.png.*3 × 2/)
  })

  test('goes to a thread and comes back from it', async () => {
    const folder = folderFor('unchanged')
    const inThread = await openVolumeInThread(folder)
    expect(inThread.known).toEqual(await knownOf(folder))
    const again = await openVolumeInThread(folder, { known: inThread.known })
    expect(again.meta).toEqual(inThread.meta)
    expect(await again.readSlice(3)).toEqual(sampleSlice({ value: valueOf(3) }))
    await Promise.all([inThread.close(), again.close()])
  })

  test.each(Object.keys(changes))('notices %s', async (name) => {
    const folder = folderFor(name)
    const known = await knownOf(folder)
    changes[name](folder)
    expect(await openKnownVolume(folder, known)).toBeNull()
    // What comes of it is what comes of opening it for the first time.
    const outcome = async (use: typeof openVolume, options: { known?: KnownSlices }) => {
      const source = await use(folder, options).catch((error: unknown) => error)
      if (source instanceof Error)
        return { _tag: (source as Error & { _tag: string })._tag, message: source.message }
      const opened = source as Awaited<ReturnType<typeof openVolume>>
      const slices = await Promise.all(opened.meta.sliceNames.map((_, z) => opened.readSlice(z)))
      await opened.close()
      return { meta: opened.meta, slices }
    }
    const fresh = await outcome(openVolume, {})
    expect(await outcome(openVolume, { known })).toEqual(fresh)
    expect(await outcome(openVolumeInThread, { known })).toEqual(fresh)
  })

  test('is refused when slices of another kind came in, and when it is gone', async () => {
    const [kind, gone] = ['kind', 'gone'].map(folderFor)
    const known = await knownOf(kind)
    writeFileSync(path.join(kind, 's_1.png'), 'x')
    await expect(openKnownVolume(kind, known)).rejects.toMatchObject({ _tag: 'BadInput' })
    rmSync(gone, { recursive: true })
    await expect(openKnownVolume(gone, known)).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  test.skipIf(process.platform === 'win32')('is another when a link leads to another folder', async () => {
    const link = path.join(scratch, 'link')
    symlinkSync(folderFor('one'), link)
    const known = await knownOf(link)
    expect(await openKnownVolume(link, known)).not.toBeNull()
    rmSync(link)
    symlinkSync(folderFor('two'), link)
    expect(await openKnownVolume(link, known)).toBeNull()
  })

  test('that is damaged after it was opened says so when the slice is read', async () => {
    const folder = folderFor('damaged')
    const source = (await openKnownVolume(folder, await knownOf(folder)))!
    writeFileSync(path.join(folder, 's_2.tif'), sampleTiff({ height: 9, width: 6 }))
    truncateSync(path.join(folder, 's_3.tif'), 100)
    await expect(source.readSlice(1)).rejects.toThrow(/s_2\.tif.*6 × 9 uint16.*9 × 6 uint16/)
    await expect(source.readSlice(2)).rejects.toThrow(/s_3\.tif.*truncated/)
    expect(await source.readSlice(0)).toEqual(sampleSlice({ value: valueOf(0) }))
  })

  test('stops through the signal', async () => {
    const folder = folderFor('unchanged')
    const known = await knownOf(folder)
    await expect(openKnownVolume(folder, known, AbortSignal.abort())).rejects.toMatchObject({
      _tag: 'Cancelled',
    })
  })
})

describe('nothing is known', () => {
  test('of files that were written just now: another change might not show', async () => {
    const folder = folderOf(scratch, 'fresh', { 'a_1.tif': tiffOf(1), 'a_2.tif': tiffOf(2) })
    // Only what changed lately counts, whatever the time of the content says.
    for (const name of ['a_1.tif', 'a_2.tif']) utimesSync(path.join(folder, name), 1e9, 1e9)
    expect((await openVolume(folder)).known).toBeUndefined()
  })
})

describe('slices with headers that are nearly the same', () => {
  /** Changes the one value of a tag of type SHORT in a little-endian TIFF, in place. */
  function withTag(tiff: Uint8Array, tag: number, value: number): Uint8Array {
    const bytes = Uint8Array.from(tiff)
    const view = new DataView(bytes.buffer)
    const directory = view.getUint32(4, true)
    const entries = view.getUint16(directory, true)
    for (let entry = 0; entry < entries; entry++) {
      const at = directory + 2 + entry * 12
      if (view.getUint16(at, true) !== tag) continue
      view.setUint16(at + 8, value, true)
      return bytes
    }
    throw new Error(`no tag ${tag}`)
  }

  test.each([
    // TIFF 6.0: 262 = PhotometricInterpretation, 0 white is zero; 339 = SampleFormat, 2 signed; 259 = Compression, 7 JPEG.
    ['inverted values', 262, 0, 'inverted-grey'],
    ['signed values', 339, 2, 'int16'],
    ['a compression that cannot be read', 259, 7, 'JPEG'],
  ])('differ by %s', async (name, tag, value, found) => {
    const plain = tiffOf(1)
    const files = {
      'a_1.tif': plain,
      'a_2.tif': plain,
      'a_3.tif': withTag(plain, tag, value),
      'a_4.tif': plain,
    }
    const folder = folderOf(scratch, name, files)
    const expected = new RegExp(`a_3\\.tif.*${found}`)
    await expect(openVolume(folder)).rejects.toThrow(expected)
    await expect(openVolumeInThread(folder)).rejects.toThrow(expected)
  })

  test('differ by where their pixels are', async () => {
    // The pixels of the second begin one row later than those of the others, in files of one size.
    const plain = tiffOf(2)
    const view = new DataView(Uint8Array.from(plain).buffer)
    const directory = view.getUint32(4, true)
    const moved = new Uint8Array(view.buffer)
    const longer = Buffer.concat([plain, Buffer.alloc(18)])
    for (let at = directory + 2; ; at += 12) {
      if (view.getUint16(at, true) !== 273) continue
      view.setUint32(at + 8, view.getUint32(at + 8, true) + 18, true)
      break
    }
    const folder = folderOf(scratch, 'moved', {
      'a_1.tif': longer,
      'a_2.tif': Buffer.concat([moved, Buffer.alloc(18)]),
      'a_3.tif': longer,
    })
    const source = await openVolume(folder)
    const whole = sampleSlice({ value: valueOf(2) })
    expect(await source.readSlice(0)).toEqual(whole)
    expect((await source.readSlice(1)).subarray(0, 45)).toEqual(whole.subarray(9))
    expect(await source.readSlice(2)).toEqual(whole)
    expect(readFileSync(path.join(folder, 'a_1.tif')).length).toBe(
      readFileSync(path.join(folder, 'a_2.tif')).length,
    )
  })
})

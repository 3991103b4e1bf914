import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { createFolderMemory, type FolderMemory } from '../../../src/main/engine/view/folder-memory.ts'
import { inspectVolume } from '../../../src/main/engine/view/inspect-volume.ts'
import type { KnownSlices } from '../../../src/main/engine/volume/known-slices.ts'
import { sampleTiff } from '../volume/sample-volumes.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { never, startService, writeVolume, type SampleVolume } from './sample-service.ts'

const scratch = temporaryFolder('folder-memory')
const call = { signal: never }

function emptyFolder(name: string): string {
  const folder = path.join(scratch, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

function knownOf(slices = 1): KnownSlices {
  const header = { width: 1, height: 1, dtype: 'uint8', meaning: 'grey', voxelSize: null } as const
  const files = new Array<string>(slices).fill('a.tif')
  return {
    format: 'TIFF slices',
    files,
    states: new BigUint64Array(5 * slices),
    header,
    rowAddressable: true,
  }
}

/** What `open` is given for `folder`; it then finds `found`. */
async function use(
  memory: FolderMemory,
  folder: string,
  found?: KnownSlices,
): Promise<KnownSlices | undefined> {
  let given: KnownSlices | undefined
  await memory.use(folder, (known) => {
    given = known
    return Promise.resolve({ known: found ?? known })
  })
  return given
}

describe('what is remembered of folders', () => {
  test('is given to the next, by whatever name of the path, until something else is found', async () => {
    const memory = createFolderMemory()
    const folder = emptyFolder('one')
    const known = knownOf()
    expect(await use(memory, folder, known)).toBeUndefined()
    expect(await use(memory, `${folder}${path.sep}`)).toBe(known)
    const other = knownOf()
    expect(await use(memory, folder, other)).toBe(known)
    expect(await use(memory, folder)).toBe(other)
    await memory.use(folder, () => Promise.resolve({}))
    expect(await use(memory, folder)).toBeUndefined()
  })

  test('is of the last eight', async () => {
    const memory = createFolderMemory()
    const folders = Array.from({ length: 9 }, (_, index) => emptyFolder(`many-${index}`))
    for (const folder of folders.slice(0, 8)) await use(memory, folder, knownOf())
    // Used once more, so that the second is the one that was not used for longest.
    expect(await use(memory, folders[0])).toBeDefined()
    await use(memory, folders[8], knownOf())
    expect(await use(memory, folders[0])).toBeDefined()
    expect(await use(memory, folders[1])).toBeUndefined()
    expect(await use(memory, folders[8])).toBeDefined()
  })

  test('is of 200 000 slices at most', async () => {
    const memory = createFolderMemory()
    const [first, second] = [emptyFolder('long-1'), emptyFolder('long-2')]
    await use(memory, first, knownOf(150_000))
    await use(memory, second, knownOf(60_000))
    expect(await use(memory, first)).toBeUndefined()
    expect(await use(memory, second)).toBeDefined()
  })

  test('is nothing for a file', async () => {
    const memory = createFolderMemory()
    const file = path.join(scratch, 'file.tif')
    writeFileSync(file, sampleTiff())
    await use(memory, file, knownOf())
    expect(await use(memory, file)).toBeUndefined()
  })

  test('is waited for while somebody reads, and found out anew when that fails', async () => {
    const memory = createFolderMemory()
    const folder = emptyFolder('awaited')
    let finish: (found: { known: KnownSlices }) => void = () => undefined
    const first = memory.use(
      folder,
      () => new Promise<{ known: KnownSlices }>((resolve) => (finish = resolve)),
    )
    await sleep(20)
    const controller = new AbortController()
    const cancelled = memory.use(folder, () => Promise.resolve({}), controller.signal)
    const second = use(memory, folder)
    await sleep(20)
    controller.abort()
    await expect(cancelled).rejects.toMatchObject({ _tag: 'Cancelled' })
    const known = knownOf()
    finish({ known })
    await first
    expect(await second).toBe(known)

    const other = emptyFolder('failing')
    const failing = memory.use(other, async (): Promise<{ known?: KnownSlices }> => {
      await sleep(20)
      throw new Error('unplugged')
    })
    await sleep(5)
    const after = use(memory, other)
    await expect(failing).rejects.toThrow('unplugged')
    expect(await after).toBeUndefined()
  })
})

describe('a folder of slices', () => {
  const sample = { shape: [12, 21, 19] as const, dtype: 'uint16' as const, value: (z: number) => z }
  const volumes: SampleVolume[] = []
  beforeAll(async () => {
    for (const name of ['once', 'replaced', 'added']) volumes.push(await writeVolume(scratch, name, sample))
    // Younger files are not trusted: see file-state.ts.
    await sleep(2100)
  })

  /** A memory that notes for each use whether anything was known. */
  function watched(): { memory: FolderMemory; uses: boolean[] } {
    const uses: boolean[] = []
    const inner = createFolderMemory()
    return {
      uses,
      memory: {
        use: (source, open, signal) =>
          inner.use(
            source,
            (known) => {
              uses.push(known !== undefined)
              return open(known)
            },
            signal,
          ),
      },
    }
  }

  test('is read once for inspecting, previewing, adding and opening it', async () => {
    const { memory, uses } = watched()
    const service = startService(path.join(scratch, 'once-home'), { memory })
    const { path: folder } = volumes[0]
    const summary = await service.implementation.inspect({ path: folder }, call)
    await service.implementation.preview({ path: folder, maxExtent: 64 }, call)
    expect(await inspectVolume(folder, null, { memory })).toEqual(summary)
    const volumeId = await service.add(folder)
    const opened = await service.implementation.open({ volumeId }, call)
    expect(opened.summary).toEqual(summary)
    const request = { volumeId, axis: 'z', index: 7, level: 0, quick: false } as const
    expect(new Set((await service.implementation.readPlane(request, call)).data)).toEqual(new Set([7]))
    expect(uses).toEqual([false, true, true, true])
    expect(await service.pyramidEnd(volumeId)).toMatchObject({ state: 'ready' })
    await service.close()
  })

  test.each([
    ['replaced by one of another size', 1, 's_0005.tif'],
    ['added that is of another size', 2, 's_0012.tif'],
  ])('is refused with a slice that was %s after it was inspected', async (_name, at, file) => {
    const memory = createFolderMemory()
    const service = startService(path.join(scratch, `changed-home-${at}`), { memory })
    const { path: folder } = volumes[at]
    const volumeId = await service.add(folder)
    await service.implementation.inspect({ path: folder }, call)
    writeFileSync(path.join(folder, file), sampleTiff({ height: 19, width: 21 }))
    const refused = { _tag: 'BadInput', message: expect.stringContaining(file) as string }
    await expect(inspectVolume(folder, null, { memory })).rejects.toMatchObject(refused)
    await expect(service.implementation.preview({ path: folder, maxExtent: 64 }, call)).rejects.toMatchObject(
      refused,
    )
    await expect(service.implementation.open({ volumeId }, call)).rejects.toMatchObject(refused)
    await service.close()
  })
})

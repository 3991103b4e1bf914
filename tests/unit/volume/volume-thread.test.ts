import { truncateSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { withCache } from '../../../src/main/engine/volume/cached-source.ts'
import { openVolumeInThread } from '../../../src/main/engine/volume/volume-thread.ts'
import { folderOf, sampleSlice, sampleTiff } from './sample-volumes.ts'
import { temporaryFolder } from './temporary-folder.ts'

const scratch = temporaryFolder('volume-thread')
const valueOf = (z: number) => (y: number, x: number) => x + 10 * y + 100 * z
const slices = (count: number, size = {}) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, z) => [`s_${z}.tif`, sampleTiff({ ...size, value: valueOf(z) })]),
  )

describe('a volume read in a thread', () => {
  test('is the same volume', async () => {
    const folder = folderOf(scratch, 'same', slices(4))
    const source = await openVolumeInThread(folder)
    expect(source.meta).toMatchObject({ path: folder, shape: [4, 6, 9], dtype: 'uint16' })
    const read = await Promise.all([3, 0, 2].map((z) => source.readSlice(z)))
    expect(read).toEqual([3, 0, 2].map((z) => sampleSlice({ value: valueOf(z) })))
    expect([...(await source.readBox({ start: [1, 2, 3], stop: [3, 3, 4] }))]).toEqual([123, 223])
    await source.close()
    await source.close()
    await expect(source.readSlice(0)).rejects.toMatchObject({ _tag: 'Internal' })
  })

  test('reads on while its caller is busy', async () => {
    const size = { height: 900, width: 900, compression: 'deflate' as const }
    const source = withCache(await openVolumeInThread(folderOf(scratch, 'busy', slices(3, size))), {
      cacheBytes: 1e8,
      readAhead: 2,
    })
    await source.readSlice(0)
    const until = performance.now() + 1000
    while (performance.now() < until);
    // Both slices have been decoded meanwhile: all that is left is to take the messages.
    const began = performance.now()
    await source.readSlice(1)
    await source.readSlice(2)
    expect(performance.now() - began).toBeLessThan(200)
    await source.close()
  })

  test('raises the errors of reading as they are', async () => {
    await expect(openVolumeInThread(path.join(scratch, 'nowhere'))).rejects.toMatchObject({
      _tag: 'NotFound',
    })
    const folder = folderOf(scratch, 'damaged', slices(2))
    const source = await openVolumeInThread(folder)
    truncateSync(path.join(folder, 's_1.tif'), 100)
    await expect(source.readSlice(1)).rejects.toMatchObject({ _tag: 'BadInput' })
    await expect(source.readSlice(1)).rejects.toThrow(/s_1\.tif.*truncated/)
    expect(await source.readSlice(0)).toEqual(sampleSlice({ value: valueOf(0) }))
    await source.close()
  })

  test('stops through the signal', async () => {
    const folder = folderOf(scratch, 'stopped', slices(2))
    await expect(openVolumeInThread(folder, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      _tag: 'Cancelled',
    })
    const source = await openVolumeInThread(folder)
    const controller = new AbortController()
    const read = source.readSlice(0, { signal: controller.signal })
    controller.abort()
    await expect(read).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(await source.readSlice(0)).toEqual(sampleSlice({ value: valueOf(0) }))
    await source.close()
  })
})

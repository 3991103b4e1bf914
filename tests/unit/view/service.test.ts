import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { PlaneAxis } from '../../../src/shared/annotation/edit.ts'
import { LatestFirst } from '../../../src/main/engine/view/latest-first.ts'
import { filesBytes, planPyramid } from '../../../src/main/engine/view/pyramid/layout.ts'
import { volumesService } from '../../../src/shared/contract/volumes.ts'
import { connectContract } from '../../../src/shared/contract/transport/connect-contract.ts'
import { createLoopback } from '../../../src/shared/contract/transport/loopback.ts'
import { serveContract } from '../../../src/shared/contract/transport/serve-contract.ts'
import { sampleTiff } from '../volume/sample-volumes.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import {
  never,
  planeByDefinition,
  smallLimits,
  startService,
  writeVolume,
  type SampleService,
  type SampleVolume,
} from './sample-service.ts'

const scratch = temporaryFolder('view-service')

const sample = {
  shape: [70, 21, 19] as const,
  dtype: 'uint16' as const,
  value: (z: number, y: number, x: number) => (z * 263 + y * 7919 + x * 131 + x * y) % 60_000,
}
const layout = planPyramid(sample.shape, sample.dtype, smallLimits)
const call = { signal: never }
let volume: SampleVolume
beforeAll(async () => {
  volume = await writeVolume(scratch, 'volume', sample)
})

async function opened(service: SampleService, folder = volume.path): Promise<string> {
  const volumeId = await service.add(folder)
  await service.implementation.open({ volumeId }, call)
  return volumeId
}

function pyramids(home: string): string[] {
  return readdirSync(path.join(home, 'cache', 'pyramids')).sort()
}

describe('the cache on the disk', () => {
  test('begins at the finest level that fits its limit, and says why not 0', async () => {
    const service = startService(path.join(scratch, 'limited'), { cacheLimitBytes: filesBytes(layout, 1) })
    const volumeId = await opened(service)
    const end = await service.pyramidEnd(volumeId)
    expect(end).toMatchObject({ state: 'ready', finestLevel: 1 })
    expect(end.reason).toMatch(/at most/)
    const request = { volumeId, axis: 'x', index: 5, level: 0, quick: false } as const
    const plane = await service.implementation.readPlane(request, call)
    expect(plane).toMatchObject({ level: 1, coverage: 1 })
    expect(plane.data).toEqual(planeByDefinition(sample, 'x', 5, 1).data)
    await service.close()
  })

  test.each([
    ['without any room', { cacheLimitBytes: 100 }, /at most/],
    ['without room on the disk', { cacheMarginBytes: 1e15 }, /to spare/],
  ])('%s, XZ and YZ are coarse and the state says why', async (name, options, reason) => {
    const service = startService(path.join(scratch, name), options)
    const volumeId = await opened(service)
    const end = await service.pyramidEnd(volumeId)
    expect(end).toMatchObject({ state: 'stopped', finestLevel: layout.coarseLevel, blocksDone: 3 })
    expect(end.reason).toMatch(reason)
    const request = { volumeId, axis: 'x', index: 5, level: 0, quick: false } as const
    const plane = await service.implementation.readPlane(request, call)
    expect(plane).toMatchObject({ level: layout.coarseLevel, coverage: 1 })
    expect(plane.data).toEqual(planeByDefinition(sample, 'x', 5, layout.coarseLevel).data)
    await service.close()
  })

  test('that cannot be made leaves the coarse level in memory', async () => {
    const home = path.join(scratch, 'no-cache')
    mkdirSync(home)
    writeFileSync(path.join(home, 'cache'), 'a file where the folder should be')
    const service = startService(home)
    const volumeId = await opened(service)
    const end = await service.pyramidEnd(volumeId)
    expect(end).toMatchObject({ state: 'stopped', finestLevel: layout.coarseLevel })
    expect(end.reason).toMatch(/cache cannot be used.*cache/)
    await service.close()
  })

  test('gives up what was not used for longest', async () => {
    const home = path.join(scratch, 'shared')
    const other = await writeVolume(scratch, 'other', { ...sample, shape: [70, 21, 20] })
    const limit = filesBytes(planPyramid([70, 21, 20], 'uint16', smallLimits), 0) + filesBytes(layout, 2)
    const service = startService(home, { cacheLimitBytes: limit })
    const first = await opened(service)
    await service.pyramidEnd(first)
    const [firstFolder] = pyramids(home)
    await service.implementation.close({ volumeId: first }, call)
    const second = await opened(service, other.path)
    expect(await service.pyramidEnd(second)).toMatchObject({ state: 'ready', finestLevel: 0 })
    expect(pyramids(home)).toHaveLength(1)
    expect(pyramids(home)).not.toContain(firstFolder)
    await service.close()
  })

  test('is used again as long as the source is the same, and built anew when it changed', async () => {
    const home = path.join(scratch, 'changing-home')
    const changing = await writeVolume(scratch, 'changing', sample)
    const service = startService(home)
    const volumeId = await opened(service, changing.path)
    await service.pyramidEnd(volumeId)
    const done = path.join(home, 'cache', 'pyramids', pyramids(home)[0], 'done.bin')
    expect([...readFileSync(done)]).toEqual([1, 1, 1])
    await service.implementation.close({ volumeId }, call)

    const value = () => 5
    writeFileSync(
      path.join(changing.path, 's_0069.tif'),
      sampleTiff({ height: 21, width: 19, compression: 'deflate', value }),
    )
    service.states.length = 0
    await service.implementation.open({ volumeId }, call)
    expect(await service.pyramidEnd(volumeId)).toMatchObject({ state: 'ready', finestLevel: 0 })
    const now = {
      ...sample,
      value: (z: number, y: number, x: number) => (z === 69 ? 5 : sample.value(z, y, x)),
    }
    const request = { volumeId, axis: 'x', index: 4, level: 0, quick: false } as const
    const plane = await service.implementation.readPlane(request, call)
    expect(plane.data).toEqual(planeByDefinition(now, 'x', 4, 0).data)

    // Changed while it is open: noticed when it is opened again.
    writeFileSync(
      path.join(changing.path, 's_0000.tif'),
      sampleTiff({ height: 21, width: 19, compression: 'deflate', value: () => 77 }),
    )
    await service.implementation.open({ volumeId }, call)
    const slice = await service.implementation.readPlane({ ...request, axis: 'z', index: 0 }, call)
    expect(new Set(slice.data)).toEqual(new Set([77]))
    await service.close()
  })

  test.skipIf(process.platform === 'win32')('may be removed while it is in use', async () => {
    const home = path.join(scratch, 'removed-home')
    const service = startService(home)
    const volumeId = await opened(service)
    await service.pyramidEnd(volumeId)
    rmSync(path.join(home, 'cache'), { recursive: true })
    const request = { volumeId, axis: 'x', index: 3, level: 0, quick: false } as const
    const plane = await service.implementation.readPlane(request, call)
    // Files that are open outlive their names (on Windows the folder could not have been removed).
    expect(plane.level).toBe(0)
    expect(plane.data).toEqual(planeByDefinition(sample, 'x', 3, plane.level).data)
    await service.implementation.close({ volumeId }, call)
    service.states.length = 0
    await service.implementation.open({ volumeId }, call)
    expect(await service.pyramidEnd(volumeId)).toMatchObject({ state: 'ready', finestLevel: 0 })
    expect(existsSync(path.join(home, 'cache'))).toBe(true)
    await service.close()
  })

  test('is shared with whoever builds the same volume at the same time', async () => {
    const home = path.join(scratch, 'two-homes')
    const [one, two] = [startService(home), startService(home)]
    const ids = await Promise.all([opened(one), opened(two)])
    const ends = await Promise.all([one.pyramidEnd(ids[0]), two.pyramidEnd(ids[1])])
    expect(ends.map(({ blocksDone }) => blocksDone)).toEqual([3, 3])
    expect(pyramids(home)).toHaveLength(1)
    await Promise.all([one.close(), two.close()])
  })
})

describe('reading', () => {
  test('quick answers come at once from what there is', async () => {
    const service = startService(path.join(scratch, 'quick'))
    const volumeId = await service.add(volume.path)
    // Asked for before anything is open: opening is all that is waited for.
    const first = await service.implementation.readPlane(
      { volumeId, axis: 'x', index: 3, level: 0, quick: true },
      call,
    )
    expect(first).toMatchObject({ level: layout.coarseLevel, dtype: 'uint16', index: 3 })
    expect(first.coverage).toBeLessThan(1)
    await service.pyramidEnd(volumeId)
    const slice = { volumeId, axis: 'z', index: 9, level: 0 } as const
    const coarse = await service.implementation.readPlane({ ...slice, quick: true }, call)
    // One of the four slices that the coarse level joins.
    expect(coarse).toMatchObject({ level: layout.coarseLevel, coverage: 1 / 4, shape: [6, 5] })
    await service.implementation.readPlane({ ...slice, quick: false }, call)
    const cached = await service.implementation.readPlane({ ...slice, quick: true }, call)
    expect(cached).toMatchObject({ level: 0, coverage: 1 })
    expect(cached.data).toEqual(planeByDefinition(sample, 'z', 9, 0).data)
    const averaged = await service.implementation.readPlane({ ...slice, level: 1, quick: true }, call)
    expect(averaged.data).toEqual(planeByDefinition(sample, 'z', 9, 1).data)
    await service.close()
  })

  test('what comes over a connection belongs to the caller', async () => {
    const service = startService(path.join(scratch, 'own'))
    const volumeId = await opened(service)
    await service.pyramidEnd(volumeId)
    // Nothing is copied before it is sent, so the connection has to.
    const [near, far] = createLoopback()
    const contract = { volumes: volumesService }
    serveContract(contract, () => ({ volumes: service.implementation }), {
      reportDefect: (error) => {
        throw error
      },
    }).connect(far)
    const { client } = connectContract(contract, near, 'data')
    for (const axis of ['z', 'y', 'x'] as const) {
      for (const quick of [false, true]) {
        const request = { volumeId, axis, index: 4, level: 0, quick }
        const before = await client.volumes.readPlane(request)
        before.data.fill(1)
        const again = await client.volumes.readPlane(request)
        expect(again.data).toEqual(planeByDefinition(sample, axis, 4, again.level).data)
      }
    }
    near.close()
    await service.close()
  })

  test('stops through the signal, also for one of two who want the same', async () => {
    const service = startService(path.join(scratch, 'abort'))
    const volumeId = await opened(service)
    const controller = new AbortController()
    const request = { volumeId, axis: 'z' as PlaneAxis, index: 30, level: 0, quick: false }
    const read = async (asked: typeof request, signal: AbortSignal) =>
      await service.implementation.readPlane(asked, { signal })
    const ends = Promise.allSettled([
      read(request, controller.signal),
      read(request, never),
      read({ ...request, axis: 'x', index: 3 }, controller.signal),
    ])
    controller.abort()
    const [dropped, wanted, standing] = await ends
    expect(dropped).toMatchObject({ status: 'rejected', reason: { _tag: 'Cancelled' } })
    expect(wanted).toMatchObject({ value: { data: planeByDefinition(sample, 'z', 30, 0).data } })
    expect(standing).toMatchObject({ status: 'rejected', reason: { _tag: 'Cancelled' } })
    await expect(
      service.implementation.readPlane(request, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ _tag: 'Cancelled' })
    await service.close()
  })

  test('a broken slice in the middle is named; the others and XZ and YZ still show', async () => {
    const broken = await writeVolume(scratch, 'broken', sample)
    const file = path.join(broken.path, 's_0040.tif')
    const service = startService(path.join(scratch, 'broken-home'))
    const volumeId = await service.add(broken.path)
    const bytes = readFileSync(file)
    // The same length and header; the compressed pixels are noise.
    bytes.fill(0xff, bytes.length - 200)
    writeFileSync(file, bytes)
    await service.implementation.open({ volumeId }, call)
    const at = (index: number) => ({ volumeId, axis: 'z', index, level: 0, quick: false }) as const
    await expect(service.implementation.readPlane(at(40), call)).rejects.toMatchObject({ _tag: 'BadInput' })
    await expect(service.implementation.readPlane(at(40), call)).rejects.toThrow(/s_0040\.tif/)
    const other = await service.implementation.readPlane(at(41), call)
    expect(other.data).toEqual(planeByDefinition(sample, 'z', 41, 0).data)
    const end = await service.pyramidEnd(volumeId)
    expect(end).toMatchObject({ state: 'stopped', blocksDone: 2 })
    expect(end.reason).toContain('s_0040.tif')
    const plane = await service.implementation.readPlane({ ...at(3), axis: 'x' }, call)
    expect(plane.coverage).toBeGreaterThan(0.9)
    expect(plane.coverage).toBeLessThan(1)
    const wanted = planeByDefinition(sample, 'x', 3, 0).data
    expect(plane.data.subarray(0, 32 * 21)).toEqual(wanted.subarray(0, 32 * 21))
    expect(plane.data.subarray(64 * 21)).toEqual(wanted.subarray(64 * 21))
    await service.close()
  })

  test('wrong places, unknown volumes and sources that moved or changed are told apart', async () => {
    const moving = await writeVolume(scratch, 'moving', { ...sample, shape: [3, 5, 7] })
    const service = startService(path.join(scratch, 'moving-home'))
    const volumeId = await opened(service, moving.path)
    const request = { volumeId, axis: 'y', index: 5, level: 0, quick: true } as const
    await expect(service.implementation.readPlane(request, call)).rejects.toMatchObject({
      _tag: 'WrongUsage',
    })
    await expect(service.implementation.open({ volumeId: randomUUID() }, call)).rejects.toMatchObject({
      _tag: 'NotFound',
    })
    rmSync(path.join(moving.path, 's_0002.tif'))
    await expect(service.implementation.open({ volumeId }, call)).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { expected: '3 × 5 × 7 uint16 as when the volume was added', found: '2 × 5 × 7 uint16' },
    })
    rmSync(moving.path, { recursive: true })
    await expect(service.implementation.open({ volumeId }, call)).rejects.toMatchObject({ _tag: 'NotFound' })
    await service.close()
  })

  test('a file that vanishes while the volume is open is named', async () => {
    const vanishing = await writeVolume(scratch, 'vanishing', sample)
    const service = startService(path.join(scratch, 'vanishing-home'))
    const volumeId = await opened(service, vanishing.path)
    await service.pyramidEnd(volumeId)
    rmSync(path.join(vanishing.path, 's_0010.tif'))
    const request = { volumeId, axis: 'z', index: 10, level: 0, quick: false } as const
    await expect(service.implementation.readPlane(request, call)).rejects.toThrow(/s_0010\.tif/)
    const standing = await service.implementation.readPlane({ ...request, axis: 'x' }, call)
    expect(standing.data).toEqual(planeByDefinition(sample, 'x', 10, 0).data)
    await service.close()
  })

  test('others in the process read through the same cache until the project closes', async () => {
    const service = startService(path.join(scratch, 'source'))
    const volumeId = await service.add(volume.path)
    const source = await service.source(volumeId)
    expect(source.meta.shape).toEqual([70, 21, 19])
    const slice = await source.readSlice(12)
    expect(slice).toEqual(planeByDefinition(sample, 'z', 12, 0).data)
    slice.fill(0)
    const box = { start: [12, 3, 4], stop: [13, 5, 8] } as const
    const wanted = [3, 4].flatMap((y) => [4, 5, 6, 7].map((x) => sample.value(12, y, x)))
    expect([...(await source.readBox(box))]).toEqual(wanted)
    const deep = { start: [20, 3, 4], stop: [22, 4, 6] } as const
    const far = [20, 21].flatMap((z) => [4, 5].map((x) => sample.value(z, 3, x)))
    expect([...(await source.readBox(deep))]).toEqual(far)
    await service.closeProject()
    await expect(source.readSlice(12)).rejects.toMatchObject({ _tag: 'Internal' })
    await service.close()
  })

  test('raw files are read with their header', async () => {
    const file = path.join(scratch, 'volume.raw')
    const bytes = Buffer.alloc(6 + 4 * 3 * 5 * 2)
    for (let at = 0; at < 60; at++) bytes.writeInt16BE(at * 100 - 3000, 6 + at * 2)
    writeFileSync(file, bytes)
    const service = startService(path.join(scratch, 'raw-home'))
    const raw = {
      shape: [4, 3, 5] as [number, number, number],
      dtype: 'int16',
      littleEndian: false,
      offsetBytes: 6,
    } as const
    const summary = await service.implementation.inspect({ path: file, raw }, call)
    expect(summary).toMatchObject({ format: 'raw', shape: [4, 3, 5], dtype: 'int16' })
    const volumeId = await service.add(file, raw)
    await service.implementation.open({ volumeId }, call)
    const request = { volumeId, axis: 'y', index: 1, level: 0, quick: false } as const
    const plane = await service.implementation.readPlane(request, call)
    // Row 1 of each slice: voxels 5 to 9, 20 to 24, …
    expect([...plane.data]).toEqual(
      [0, 1, 2, 3].flatMap((z) => [5, 6, 7, 8, 9].map((at) => (15 * z + at) * 100 - 3000)),
    )
    await service.close()
  })
})

describe('the queue', () => {
  test('takes what was asked for last, drops what nobody wants, and background work comes at the end', async () => {
    const queue = new LatestFirst(1)
    const order: string[] = []
    let release: () => void = () => undefined
    const first = queue.run(
      () =>
        new Promise<void>((resolve) => {
          release = resolve
        }),
      { signal: never },
    )
    const task = (name: string) => () => {
      order.push(name)
      return Promise.resolve(name)
    }
    const controller = new AbortController()
    const dropped = queue.run(task('dropped'), { signal: controller.signal })
    const ahead = ['ahead 1', 'ahead 2'].map((name) =>
      queue.run(task(name), { signal: never, background: true }),
    )
    const asked = ['older', 'newer'].map((name) => queue.run(task(name), { signal: never }))
    controller.abort()
    await expect(dropped).rejects.toMatchObject({ _tag: 'Cancelled' })
    release()
    await Promise.all([first, ...ahead, ...asked])
    expect(order).toEqual(['newer', 'older', 'ahead 1', 'ahead 2'])
  })
})

import { describe, expect, test } from 'vitest'
import { withCache } from '../../../src/main/engine/volume/cached-source.ts'
import { createRowSource } from '../../../src/main/engine/volume/row-source.ts'
import { cancelled } from '../../../src/shared/errors.ts'

const sliceBytes = 4 * 5

/** Eight slices of 4 × 5 whose voxels hold z; reads are counted and wait until they are let go. */
function slowSource() {
  const reads: number[] = []
  const aborted: number[] = []
  const waiting: (() => void)[] = []
  let held = false
  const source = createRowSource(
    {
      format: 'test',
      path: 'test',
      shape: [8, 4, 5],
      dtype: 'uint8',
      voxelSize: null,
      sliceNames: Array.from({ length: 8 }, (_, z) => `s_${z}`),
      bytes: 8 * sliceBytes,
      gaps: [],
      warnings: [],
    },
    {
      readRows: async (z, yStart, yStop, signal) => {
        reads.push(z)
        signal?.addEventListener('abort', () => aborted.push(z))
        if (held) await new Promise<void>((resolve) => waiting.push(resolve))
        if (signal?.aborted === true) throw cancelled()
        if (z === 7) throw new Error('slice 7 is damaged')
        return new Uint8Array((yStop - yStart) * 5).fill(z)
      },
      close: () => Promise.resolve(),
    },
  )
  return {
    source,
    reads,
    aborted,
    hold: () => (held = true),
    release: () => {
      held = false
      for (const resume of waiting.splice(0)) resume()
    },
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('a cached volume', () => {
  test('keeps the slices used last, bounded by bytes', async () => {
    const { source, reads } = slowSource()
    const cached = withCache(source, { cacheBytes: 2 * sliceBytes })
    for (const z of [0, 1, 0, 2, 0, 1]) expect((await cached.readSlice(z))[0]).toBe(z)
    // 1 was dropped when 2 came, because 0 had been used since.
    expect(reads).toEqual([0, 1, 2, 1])
    await cached.close()
  })

  test('gives every caller an array of its own', async () => {
    const cached = withCache(slowSource().source, { cacheBytes: 1000 })
    const first = await cached.readSlice(3)
    first.fill(99)
    expect((await cached.readSlice(3))[0]).toBe(3)
    await cached.close()
  })

  test('shares one read among callers, and stops it only when all are gone', async () => {
    const { source, reads, aborted, hold, release } = slowSource()
    hold()
    const cached = withCache(source, { cacheBytes: 1000 })
    const [one, two] = [new AbortController(), new AbortController()]
    const first = cached.readSlice(2, { signal: one.signal })
    const second = cached.readSlice(2, { signal: two.signal })
    await settle()
    expect(reads).toEqual([2])
    one.abort()
    await expect(first).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(aborted).toEqual([])
    release()
    expect((await second)[0]).toBe(2)

    hold()
    const third = cached.readSlice(4, { signal: two.signal })
    await settle()
    two.abort()
    await expect(third).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(aborted).toContain(4)
    release()
    // A stopped read leaves nothing behind that a later caller could run into.
    expect((await cached.readSlice(4))[0]).toBe(4)
    await cached.close()
  })

  test('reads ahead while slices are asked for in order', async () => {
    const { source, reads } = slowSource()
    const cached = withCache(source, { cacheBytes: 1000, readAhead: 2 })
    await cached.readSlice(0)
    await settle()
    expect(reads.toSorted()).toEqual([0, 1, 2])
    await cached.readSlice(5)
    await settle()
    expect(reads.toSorted()).toEqual([0, 1, 2, 5])
    await cached.close()
  })

  test('a failure while reading ahead reaches the caller who needs the slice', async () => {
    const { source } = slowSource()
    const cached = withCache(source, { cacheBytes: 1000, readAhead: 2 })
    await cached.readSlice(5)
    await cached.readSlice(6)
    await settle()
    await expect(cached.readSlice(7)).rejects.toThrow('slice 7 is damaged')
    await cached.close()
  })

  test('boxes come from the cache when all of their slices are there', async () => {
    const { source, reads } = slowSource()
    const cached = withCache(source, { cacheBytes: 1000 })
    await cached.readSlice(1)
    await cached.readSlice(2)
    const box = await cached.readBox({ start: [1, 1, 1], stop: [3, 2, 3] })
    expect([...box]).toEqual([1, 1, 2, 2])
    expect(reads).toEqual([1, 2])
    await cached.readBox({ start: [2, 0, 0], stop: [4, 1, 1] })
    expect(reads).toEqual([1, 2, 2, 3])
    await cached.close()
  })
})

import { open, type FileHandle } from 'node:fs/promises'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord } from '../../../src/main/engine/annotation/journal-record.ts'
import type { LabelStore, LabelStoreOptions } from '../../../src/main/engine/annotation/label-store.ts'
import { createRandom } from '../../../src/shared/random.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { allLabels, apply, everything, freshFolder, openStore, stroke } from './store-support.ts'

const scratch = scratchFolder('bulk-steps')
/** 3 × 6 tiles a slice, those at the edges not whole. */
const shape: Shape3 = [9, 300, 700]
const [depth, height, width] = shape
const sliceVoxels = height * width

let store: LabelStore
afterEach(async () => {
  await store.close()
})

/** A slice in which most rows have many runs, of three materials and nothing, and some have none. */
function denseSlice(seed: number): Uint8Array {
  const random = createRandom(seed)
  const labels = new Uint8Array(sliceVoxels)
  for (let y = 0; y < height; y++)
    for (let x = 0; y % 11 !== 0 && x < width;) {
      const stop = Math.min(width, x + 1 + random.integer(40))
      labels.fill(random.integer(4), y * width + x, y * width + stop)
      x = stop
    }
  return labels
}

/** Puts other dense slices in the place of all, as one step. */
async function importDense(seed: number, first = 0, end = depth): Promise<void> {
  async function* slices() {
    for (let z = first; z < end; z++) yield await Promise.resolve({ z, labels: denseSlice(seed + z) })
  }
  await store.replaceSlices('import', slices(), { mode: 'replace', allowed: everything })
}

/** How `before` and `after` differ, looked at voxel for voxel. */
function differenceOf(before: Uint8Array, after: Uint8Array) {
  const start = [Infinity, Infinity, Infinity]
  const stop = [0, 0, 0]
  let changedVoxels = 0
  for (let i = 0; i < before.length; i++) {
    if (before[i] === after[i]) continue
    changedVoxels++
    const at = [Math.floor(i / sliceVoxels), Math.floor(i / width) % height, i % width]
    for (const axis of [0, 1, 2]) {
      start[axis] = Math.min(start[axis], at[axis])
      stop[axis] = Math.max(stop[axis], at[axis] + 1)
    }
  }
  return { changedVoxels, changed: { start, stop } }
}

async function requireLabels(expected: Uint8Array): Promise<void> {
  expect(Buffer.compare(await allLabels(store), expected)).toBe(0)
  const counts = new Array<number>(256).fill(0)
  for (const label of expected) if (label > 0) counts[label]++
  expect(store.counts).toEqual(counts)
}

const limits: Record<string, Partial<LabelStoreOptions>> = {
  'as in use': {},
  // Everything is packed and deflated as soon as it can be.
  small: { memory: { warmBytes: 1, plainTiles: 1 }, segmentBytes: 40_000 },
}

describe.each(Object.entries(limits))('a step of many slices, with limits %s', (_, more) => {
  test('is undone, redone and jumped across voxel for voxel, also from the journal alone', async () => {
    const folder = freshFolder(scratch)
    store = await openStore(folder, shape, more)
    await apply(store, stroke(2, [50, 60, 200, 600], 3, 20))
    await apply(store, stroke(4, [150, 0, 150, 699], 1, 30))
    const states = [await allLabels(store)]
    const note = async (step: Promise<unknown>) => {
      await step
      states.push(await allLabels(store))
    }
    await note(importDense(100))
    await note(apply(store, stroke(5, [10, 10, 290, 690], 2, 9)))
    await note(importDense(200, 2, 7))
    await note(apply(store, { kind: 'clear-slice', z: 3 }))
    const sequences = [0, 0, 0, 0, 0].map(
      (_, i) => store.history(null, 100).entries.reverse()[i + 1].sequence,
    )
    let at = 4
    const go = async (to: number, step: Promise<{ changedVoxels: number }>) => {
      expect(await step).toMatchObject(differenceOf(states[at], states[to]))
      at = to
      await requireLabels(states[at])
    }
    for (let to = 3; to >= 0; to--) await go(to, store.undo())
    for (let to = 1; to <= 4; to++) await go(to, store.redo())
    for (const to of [0, 4, 1, 3, 2]) await go(to, store.goTo(sequences[to]))
    await store.close()
    for (const name of readdirSync(folder)) if (name.endsWith('.pms')) rmSync(path.join(folder, name))
    store = await openStore(folder, shape, more)
    expect(store.state.recovered).toBeNull()
    await requireLabels(states[2])
    await go(0, store.goTo(sequences[0]))
  })

  test('is taken back when its record cannot be written', async () => {
    const folder = freshFolder(scratch)
    let isFull = false
    const openFile = async (file: string, flags: string): Promise<FileHandle> => {
      const handle = await open(file, flags)
      const write = handle.write.bind(handle)
      handle.write = (async (...given: Parameters<typeof write>) => {
        if (isFull)
          throw Object.assign(new Error('the disk of this test is full'), {
            code: 'ENOSPC',
            syscall: 'write',
          })
        return await write(...given)
      }) as typeof handle.write
      return handle
    }
    store = await openStore(folder, shape, { ...more, openFile })
    await apply(store, stroke(2, [50, 60, 200, 600], 3, 20))
    const before = await allLabels(store)
    await importDense(300)
    const after = await allLabels(store)
    const { sequence } = store
    isFull = true
    await expect(store.undo()).rejects.toMatchObject({ _tag: 'NoSpace' })
    await expect(store.goTo(0)).rejects.toMatchObject({ _tag: 'NoSpace' })
    await expect(importDense(400)).rejects.toMatchObject({ _tag: 'NoSpace' })
    await requireLabels(after)
    expect(store.sequence).toBe(sequence)
    isFull = false
    await store.undo()
    await requireLabels(before)
    isFull = true
    await expect(store.redo()).rejects.toMatchObject({ _tag: 'NoSpace' })
    await requireLabels(before)
    isFull = false
    await store.redo()
    await requireLabels(after)
  })

  test('is looked at while it is undone, and every plane is of the sequence it says', async () => {
    store = await openStore(freshFolder(scratch), shape, more)
    await apply(store, stroke(2, [50, 60, 200, 600], 3, 20))
    const before = await allLabels(store)
    await importDense(500)
    const labels = { [store.sequence]: await allLabels(store), [store.sequence + 1]: before }
    const last = store.sequence
    const progress = { isDone: false }
    const undone = store.undo().finally(() => (progress.isDone = true))
    const seen: number[] = []
    for (let z = 0; !progress.isDone; z = (z + 1) % depth) {
      const { data, sequence } = await store.readPlane('z', z, null)
      seen.push(sequence)
      const expected = labels[sequence].subarray(z * sliceVoxels, (z + 1) * sliceVoxels)
      expect(Buffer.compare(data, expected)).toBe(0)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await undone
    // One per slice that was worked on would do; blocked, there is the one that came before.
    expect(seen.filter((sequence) => sequence === last).length).toBeGreaterThan(2)
    await requireLabels(before)
  })
})

describe('damage', () => {
  /** Places of the records of the only segment. */
  function recordsOf(bytes: Buffer) {
    const records: { offset: number; end: number; type: string }[] = []
    for (let offset = 32; offset < bytes.length;) {
      const record = decodeRecord(bytes, offset)
      if (typeof record === 'string') throw new Error(`record at ${offset} ${record}`)
      records.push({ offset, end: offset + record.length, type: record.content.type })
      offset += record.length
    }
    return records
  }

  test('of a record in the middle of a large step is found, and nothing is undone', async () => {
    const folder = freshFolder(scratch)
    store = await openStore(folder, shape)
    await apply(store, stroke(0, [5, 5], 1))
    // Noise is kept in several parts.
    const random = createRandom(5)
    const noise = Uint8Array.from({ length: sliceVoxels }, () => random.integer(200))
    async function* slices() {
      for (let z = 0; z < depth; z++) yield await Promise.resolve({ z, labels: noise })
    }
    await store.replaceSlices('import', slices(), { mode: 'replace', allowed: everything })
    const after = await allLabels(store)
    const journal = path.join(folder, 'journal-000001.pmj')
    const bytes = readFileSync(journal)
    const parts = recordsOf(bytes).filter(({ type }) => type === 'part')
    expect(parts.length).toBeGreaterThan(1)
    const damaged = Buffer.from(bytes)
    damaged[(parts[0].offset + parts[0].end) >> 1] ^= 8
    writeFileSync(journal, damaged)
    for (const target of [1, 0]) {
      await expect(store.goTo(target)).rejects.toMatchObject({ _tag: 'BadInput' })
      await requireLabels(after)
    }
    writeFileSync(journal, bytes)
    expect((await store.undo()).counts[1]).toBe(5)
  })

  /** The journal with another label in the last run of the last part: all of its records are whole and where they were. */
  async function forge(bytes: Buffer, which: 'before' | 'after'): Promise<Buffer> {
    const { offset, end } = recordsOf(bytes).findLast(({ type }) => type === 'part')!
    const record = decodeRecord(bytes, offset)
    if (typeof record === 'string') throw new Error(record)
    const changes = Uint8Array.from(await record.changes())
    for (let label = 4; label < 256; label++) {
      // A run ends with its old and its new label.
      changes[changes.length - (which === 'before' ? 2 : 1)] = label
      const forged = encodeRecord(record.sequence, record.content, changes)
      if (forged.length === end - offset)
        return Buffer.concat([bytes.subarray(0, offset), forged, bytes.subarray(end)])
    }
    throw new Error('no label gives a record of the same length')
  }

  test('that leaves records whole is found by the voxel that is not what they say', async () => {
    const folder = freshFolder(scratch)
    store = await openStore(folder, shape)
    await apply(store, stroke(0, [5, 5], 1))
    const before = await allLabels(store)
    await importDense(600)
    const after = await allLabels(store)
    const journal = path.join(folder, 'journal-000001.pmj')
    const bytes = readFileSync(journal)
    writeFileSync(journal, await forge(bytes, 'after'))
    for (const target of [1, 0]) {
      const refused = store.goTo(target)
      await expect(refused).rejects.toMatchObject({ _tag: 'BadInput' })
      await expect(refused).rejects.toThrow(/at \(8, \d+, \d+\) the label is/)
      await requireLabels(after)
    }
    await store.close()

    writeFileSync(journal, await forge(bytes, 'before'))
    for (const name of readdirSync(folder)) if (name.endsWith('.pms')) rmSync(path.join(folder, name))
    store = await openStore(folder, shape)
    expect(store.state.recovered?.message).toMatch(/at \(8, \d+, \d+\) the label is/)
    // The part alone means nothing yet: it stays, the edit that it belongs to does not.
    expect(store.sequence).toBe(2)
    await requireLabels(before)
  })
})

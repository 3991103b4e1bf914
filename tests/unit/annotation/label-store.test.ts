import { randomUUID } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { LabelStore, openLabelStoreForReading } from '../../../src/main/engine/annotation/label-store.ts'
import { hasTag } from '../../../src/shared/errors.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder, treeOf } from '../../support/file-tree.ts'
import { allLabels, apply, freshFolder, openStore, options, stroke } from './store-support.ts'

const scratch = scratchFolder('label-store')
const shape: Shape3 = [4, 20, 30]

describe('labels', () => {
  test('are painted, counted and told exactly; worked by hand', async () => {
    const store = await openStore(freshFolder(scratch), shape)
    expect(store.state).toMatchObject({ sequence: 0, canUndo: false, historyLength: 0, recovered: null })
    // Radius 1 at one voxel: a plus of five.
    const first = await apply(store, stroke(1, [5, 5], 3))
    expect(first).toMatchObject({
      sequence: 1,
      changed: { start: [1, 4, 4], stop: [2, 7, 7] },
      changedVoxels: 5,
      canUndo: true,
      canRedo: false,
      historyLength: 1,
      newest: { kind: 'brush', material: 3, slices: [1, 1], changedVoxels: 5, undone: false, sequence: 1 },
    })
    // One voxel to the right: the middle and right voxels of the first plus change from 3 to 7, three more from nothing.
    const second = await apply(store, stroke(1, [5, 6], 7))
    expect(second.changed).toEqual({ start: [1, 4, 5], stop: [2, 7, 8] })
    expect(second.changedVoxels).toBe(5)
    expect([second.counts[3], second.counts[7]]).toEqual([3, 5])
    const { data } = await store.readPlane('z', 1, { top: 4, left: 4, bottom: 7, right: 8 })
    expect([...data]).toEqual([0, 3, 7, 0, 3, 7, 7, 7, 0, 3, 7, 0])
    const { slices, materials } = store.sliceMaterials()
    expect([...slices]).toEqual([1])
    expect([...materials]).toEqual([(1 << 3) | (1 << 7)])
    await store.close()
  })

  test('of all three planes are the same voxels', async () => {
    const store = await openStore(freshFolder(scratch), shape)
    const plane = { axis: 'x' as const, index: 9 }
    await apply(store, { ...stroke(0, [0, 2, 3, 17], 4), plane } as never)
    await apply(store, {
      ...stroke(0, [2, 25], 40, 2),
      plane: { axis: 'y', index: 11 },
      volumetric: true,
    } as never)
    const all = await allLabels(store)
    expect(all.filter((label) => label !== 0).length).toBe(store.counts[4] + store.counts[40])
    for (let y = 0; y < 20; y++) {
      const { data } = await store.readPlane('y', y, null)
      for (let z = 0; z < 4; z++)
        expect(data.subarray(z * 30, z * 30 + 30)).toEqual(
          all.subarray((z * 20 + y) * 30, (z * 20 + y) * 30 + 30),
        )
    }
    const { data } = await store.readPlane('x', 9, { top: 1, left: 3, bottom: 4, right: 20 })
    const expected = [1, 2, 3].flatMap((z) =>
      Array.from({ length: 17 }, (_, i) => all[(z * 20 + 3 + i) * 30 + 9]),
    )
    expect([...data]).toEqual(expected)
    // Bit 0 stands for materials above 31.
    expect(store.sliceMaterials().materials.some((mask) => (mask & 1) === 1)).toBe(true)
    await store.close()
  })

  test('stay as they are where materials are protected', async () => {
    const allowed = new Uint8Array(256).fill(1)
    const store = await openStore(freshFolder(scratch), shape, { allowed: () => allowed })
    await apply(store, stroke(0, [5, 5], 1))
    allowed[1] = 0
    const over = await apply(store, stroke(0, [5, 5], 2, 2))
    expect([over.counts[1], over.counts[2]]).toEqual([5, 13 - 5])
    await expect(apply(store, stroke(0, [9, 9], 1))).rejects.toMatchObject({ _tag: 'WrongUsage' })
    const cleared = await apply(store, { kind: 'clear-slice', z: 0 })
    expect([cleared.counts[1], cleared.counts[2]]).toEqual([5, 0])
    // Undo takes back what was done, whatever is protected by now.
    allowed[2] = 0
    expect((await store.undo()).counts[2]).toBe(8)
    await store.goTo(0)
    expect(store.labelledSlices).toEqual([])
    await store.close()
  })

  test('an edit is carried out once, also after opening again', async () => {
    const folder = freshFolder(scratch)
    let store = await openStore(folder, shape)
    const [painted, nothing] = [randomUUID(), randomUUID()]
    const [first, twin] = await Promise.all([
      store.apply(painted, stroke(0, [5, 5], 1)),
      store.apply(painted, stroke(0, [5, 5], 1)),
    ])
    expect(twin).toEqual(first)
    // Nothing to do: no undo step, and not done later either.
    const none = await store.apply(nothing, stroke(0, [5, 5], 1))
    expect(none).toMatchObject({ changed: null, changedVoxels: 0, historyLength: 1, sequence: 2 })
    await apply(store, stroke(0, [5, 5], 0))
    for (const restart of [false, true]) {
      if (restart) {
        await store.close()
        store = await openStore(folder, shape)
      }
      const before = await allLabels(store)
      expect(await store.apply(painted, stroke(0, [5, 5], 1))).toMatchObject({
        changed: first.changed,
        changedVoxels: 5,
      })
      expect(await store.apply(nothing, stroke(0, [5, 5], 1))).toMatchObject({ changed: null })
      expect(await allLabels(store)).toEqual(before)
      expect(store.history(null, 10).entries.map(({ kind }) => kind)).toEqual(['eraser', 'brush'])
    }
    await store.close()
  })

  test('edits that wait are flushed together and answered in order', async () => {
    let flushes = 0
    const { open } = await import('node:fs/promises')
    const folder = freshFolder(scratch)
    const store = await openStore(folder, shape, {
      openFile: async (file, flags) => {
        const handle = await open(file, flags)
        const datasync = handle.datasync.bind(handle)
        handle.datasync = async () => {
          flushes++
          await datasync()
        }
        return handle
      },
    })
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => apply(store, stroke(i % 4, [i % 20, i % 30], 1 + (i % 3)))),
    )
    expect(answers.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
    for (const [i, { counts, historyLength }] of answers.entries()) {
      expect(historyLength).toBe(i + 1)
      if (i > 0) expect(counts).not.toEqual(answers[i - 1].counts)
    }
    expect(flushes).toBeLessThanOrEqual(2)
    await store.close()
  })

  test('versions come back as an edit that can be undone, and survive', async () => {
    const folder = freshFolder(scratch)
    let store = await openStore(folder, shape)
    await apply(store, stroke(0, [5, 5], 1))
    await apply(store, stroke(3, [9, 9], 2))
    const version = await store.saveVersion('before lunch')
    expect(version).toMatchObject({ number: 1, name: 'before lunch', sequence: 3, labelledVoxels: 10 })
    const then = await allLabels(store)
    await apply(store, { kind: 'clear-slice', z: 3 })
    await apply(store, stroke(1, [3, 3], 5, 3))
    const later = await allLabels(store)
    await store.close()
    store = await openStore(folder, shape)
    expect(store.versions).toEqual([version])
    const restored = await store.restoreVersion(1)
    expect(restored).toMatchObject({ editId: null, changedVoxels: 5 + 29, newest: { kind: 'restore' } })
    expect(await allLabels(store)).toEqual(then)
    await store.undo()
    expect(await allLabels(store)).toEqual(later)
    expect((await store.saveVersion('second')).number).toBe(2)
    await expect(store.restoreVersion(9)).rejects.toMatchObject({ _tag: 'NotFound' })
    await store.close()
  })

  test('slices come in as one step, with what is there already kept, painted over or replaced', async () => {
    const folder = freshFolder(scratch)
    const store = await openStore(folder, shape)
    await apply(store, stroke(1, [5, 5], 1))
    const before = await allLabels(store)
    const labels = new Uint8Array(600).fill(2, 5 * 30, 7 * 30)
    async function* slices() {
      yield await Promise.resolve({ z: 1, labels })
      yield { z: 2, labels }
    }
    const allowed = new Uint8Array(256).fill(1)
    // Of the plus at (5, 5) four voxels lie in rows 5 and 6.
    const kept = await store.replaceSlices('import', slices(), { mode: 'keep', allowed })
    expect(kept).toMatchObject({ slices: 2, keptVoxels: 4, change: { changedVoxels: 120 - 4 } })
    expect(kept.change.newest).toMatchObject({ kind: 'import', material: 2, slices: [1, 2] })
    await store.undo()
    expect(await allLabels(store)).toEqual(before)
    const over = await store.replaceSlices('import', slices(), { mode: 'over', allowed })
    expect(over).toMatchObject({ keptVoxels: 0, change: { changedVoxels: 120 } })
    expect(over.change.counts.slice(0, 3)).toEqual([0, 1, 120])
    await store.undo()
    allowed[1] = 0
    expect((await store.replaceSlices('import', slices(), { mode: 'over', allowed })).keptVoxels).toBe(4)
    await store.undo()
    const replaced = await store.replaceSlices('import', slices(), { mode: 'replace', allowed })
    expect(replaced.change.counts.slice(0, 3)).toEqual([0, 0, 120])
    await store.close()
    const again = await openStore(folder, shape)
    expect(again.counts).toEqual(replaced.change.counts)
    await again.undo()
    expect(await allLabels(again)).toEqual(before)
    await again.close()
  })

  test('an import that breaks off leaves nothing behind', async () => {
    const folder = freshFolder(scratch)
    const store = await openStore(folder, shape)
    await apply(store, stroke(1, [5, 5], 1))
    const [before, files] = [await allLabels(store), treeOf(folder)]
    const noise = Uint8Array.from({ length: 600 }, (_, i) => (i * 7) % 5)
    async function* broken() {
      yield await Promise.resolve({ z: 0, labels: noise })
      throw new Error('the file ended')
    }
    async function* twice() {
      yield await Promise.resolve({ z: 0, labels: noise })
      yield { z: 0, labels: noise }
    }
    const settings = { mode: 'over', allowed: new Uint8Array(256).fill(1) } as const
    await expect(store.replaceSlices('import', broken(), settings)).rejects.toThrow('the file ended')
    await expect(store.replaceSlices('import', twice(), settings)).rejects.toMatchObject({ _tag: 'BadInput' })
    const aborted = AbortSignal.abort()
    const stopped = store.replaceSlices('import', twice(), { ...settings, signal: aborted })
    await expect(stopped).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(await allLabels(store)).toEqual(before)
    expect(treeOf(folder)).toEqual(files)
    expect(store.journalState.state).toBe('ok')
    await apply(store, stroke(1, [9, 9], 1))
    await store.close()
  })
})

describe('the history', () => {
  test('is paged, newest first, with what was undone', async () => {
    const store = await openStore(freshFolder(scratch), shape)
    for (let i = 0; i < 7; i++) await apply(store, stroke(0, [2 + i, 5], 1 + i))
    await store.undo()
    await store.undo()
    const first = store.history(null, 3)
    expect(first.more).toBe(true)
    expect(first.entries.map(({ sequence, undone }) => [sequence, undone])).toEqual([
      [7, true],
      [6, true],
      [5, false],
    ])
    const rest = store.history(5, 100)
    expect(rest.more).toBe(false)
    expect(rest.entries.map(({ sequence }) => sequence)).toEqual([4, 3, 2, 1])
    const jump = await store.goTo(2)
    expect(jump).toMatchObject({ historyLength: 2, canRedo: true, newest: { sequence: 2 } })
    await expect(store.goTo(99)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    // A new edit takes the place of what was undone.
    await apply(store, stroke(3, [3, 3], 9))
    expect(store.history(null, 100).entries.map(({ undone }) => undone)).toEqual([false, false, false])
    expect((await store.redo()).changed).toBeNull()
    await store.close()
  })

  test('of paint that was painted over and back tells the net change', async () => {
    const store = await openStore(freshFolder(scratch), shape)
    await apply(store, stroke(0, [5, 5], 1))
    await apply(store, stroke(0, [5, 5], 2, 2))
    await apply(store, stroke(2, [5, 5], 2))
    await apply(store, stroke(0, [5, 5], 1))
    // Back to the first edit: the plus is 1 as before, the eight voxels around it and all of slice 2 go.
    const back = await store.goTo(1)
    expect(back.changedVoxels).toBe(8 + 5)
    expect(back.changed).toEqual({ start: [0, 3, 3], stop: [3, 8, 8] })
    await store.close()
  })
})

describe('a journal', () => {
  test('cut at any byte gives the labels of its last whole record', async () => {
    const folder = freshFolder(scratch)
    const small: Shape3 = [2, 8, 8]
    const store = await openStore(folder, small)
    const states = [{ sequence: 0, labels: await allLabels(store) }]
    const note = async () => states.push({ sequence: store.sequence, labels: await allLabels(store) })
    for (let i = 0; i < 4; i++) {
      await apply(store, stroke(i % 2, [2 + i, 3, 3, 3 + i], 1 + i))
      await note()
    }
    for (const step of ['undo', 'undo', 'redo'] as const) {
      await store[step]()
      await note()
    }
    await store.saveVersion('a')
    await note()
    await store.close()
    const name = 'journal-000001.pmj'
    const bytes = readFileSync(path.join(folder, name))
    const seen = new Set<number>()
    for (let length = 0; length <= bytes.length; length++) {
      const cut = path.join(scratch, `cut-${length}`)
      mkdirSync(cut)
      writeFileSync(path.join(cut, name), bytes.subarray(0, length))
      const reader = await openLabelStoreForReading(cut, small)
      seen.add(reader.sequence)
      // The record of closing changes nothing.
      const expected = states.find(({ sequence }) => sequence === Math.min(reader.sequence, 8))
      expect(await allLabels(reader)).toEqual(expected?.labels)
      expect(readdirSync(cut)).toEqual([name])
      if (length % 23 !== 0) continue
      // For writing: cut off, kept, told, and gone on with.
      const kept = await openStore(cut, small)
      const { recovered } = kept.state
      const torn = readdirSync(cut).filter((file) => file.includes('.damaged-'))
      if (torn.length > 0) {
        const aside = readFileSync(path.join(cut, torn[0]))
        expect(recovered?.lostBytes).toBe(aside.length)
        expect(recovered?.message).toContain(torn[0])
        expect(bytes.indexOf(aside)).toBeGreaterThanOrEqual(0)
      } else expect(recovered?.lostBytes ?? 0).toBe(0)
      const after = await apply(kept, stroke(0, [1, 1], 200))
      expect(after.sequence).toBe(reader.sequence + 1)
      await kept.close()
      const again = await openStore(cut, small)
      expect(again.state.recovered).toBeNull()
      expect(again.counts).toEqual(after.counts)
      await again.close()
    }
    expect([...seen]).toEqual(Array.from({ length: 10 }, (_, i) => i))
  })

  test('damaged in the middle keeps what is before and moves the rest aside', async () => {
    const folder = freshFolder(scratch)
    let store = await openStore(folder, shape, { segmentBytes: 900 })
    const ends: number[] = []
    for (let i = 0; i < 12; i++) {
      await apply(store, stroke(i % 4, [4, 4 + i], 1))
      ends.push(store.counts[1])
    }
    await store.close()
    const segments = readdirSync(folder).filter((name) => name.endsWith('.pmj'))
    expect(segments.length).toBeGreaterThan(3)
    const second = path.join(folder, segments[1])
    const bytes = readFileSync(second)
    const firstSequence = bytes.readUInt32LE(24)
    bytes[32 + 40] ^= 1
    writeFileSync(second, bytes)
    const before = treeOf(folder)
    const reader = await openLabelStoreForReading(folder, shape)
    expect(reader.sequence).toBe(firstSequence - 1)
    expect(treeOf(folder)).toEqual(before)

    store = await openStore(folder, shape)
    expect(store.sequence).toBe(firstSequence - 1)
    expect(store.counts[1]).toBe(ends[firstSequence - 2])
    const { recovered } = store.state
    const aside = readdirSync(folder).filter((name) => name.endsWith('.damaged-1'))
    expect(aside).toEqual(segments.slice(1).map((name) => `${name}.damaged-1`))
    for (const name of aside) expect(recovered?.message).toContain(name)
    expect(recovered?.message).toContain(folder)
    // Whatever was there is still there, byte for byte.
    for (const name of segments.slice(2)) expect(treeOf(folder)[`${name}.damaged-1`]).toBe(before[name])
    expect(readFileSync(`${second}.damaged-1`)).toEqual(bytes.subarray(32))
    await apply(store, stroke(0, [9, 9], 2))
    await store.close()
    expect((await openLabelStoreForReading(folder, shape)).counts[2]).toBe(5)
  })

  test('is not needed before its snapshot, and is enough without one', async () => {
    const folder = freshFolder(scratch)
    const warnings: string[] = []
    const more = { snapshots: { records: 5 }, warn: (message: string) => warnings.push(message) }
    let store = await openStore(folder, shape, more)
    for (let i = 0; i < 23; i++) {
      await apply(store, stroke(i % 4, [i % 20, 3 + i], 1 + (i % 4)))
      // Snapshots are written in the background.
      if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await store.undo()
    const expected = await allLabels(store)
    await store.close()
    const snapshots = () => readdirSync(folder).filter((name) => name.endsWith('.pms'))
    expect(snapshots().length).toBe(2)
    expect(warnings).toEqual([])
    // The newest is damaged: the one before it does. Then that one too.
    for (const left of [1, 0]) {
      const bytes = readFileSync(path.join(folder, snapshots()[left]))
      bytes[bytes.length - 3] ^= 4
      writeFileSync(path.join(folder, snapshots()[left]), bytes)
      const reader = await openLabelStoreForReading(folder, shape)
      expect(await allLabels(reader)).toEqual(expected)
    }
    store = await openStore(folder, shape, more)
    expect(warnings.length).toBe(2)
    expect(warnings.join()).toContain(snapshots()[0])
    expect(await allLabels(store)).toEqual(expected)
    await store.goTo(0)
    expect(store.labelledSlices).toEqual([])
    await store.close()
  })

  test('that is shorter than its snapshot loses no labels and goes on', async () => {
    const folder = freshFolder(scratch)
    let store = await openStore(folder, shape, { snapshots: { records: 4 } })
    for (let i = 0; i < 5; i++) await apply(store, stroke(0, [4, 4 + i], 1))
    await store.close()
    const journal = path.join(folder, 'journal-000001.pmj')
    const counts = store.counts
    truncateSync(journal, 200)
    for (let i = 0; i < 3; i++) {
      store = await openStore(folder, shape)
      expect(store.counts[1]).toBe(counts[1])
      await apply(store, stroke(1 + i, [4, 4], 2))
      await store.close()
    }
    // The steps before the snapshot are gone with the journal; nothing happens then.
    store = await openStore(folder, shape)
    expect(store.counts[2]).toBe(15)
    await expect(store.goTo(0)).rejects.toMatchObject({ _tag: 'BadInput' })
    expect(store.counts[2]).toBe(15)
    await store.close()
  })

  test('of another shape or a newer version is refused', async () => {
    const folder = freshFolder(scratch)
    const store = await openStore(folder, shape)
    await apply(store, stroke(0, [4, 4], 1))
    await store.close()
    await expect(openStore(folder, [4, 20, 31])).rejects.toMatchObject({ _tag: 'BadInput' })
    // Not held by the attempt.
    await (await openStore(folder, shape)).close()
  })

  test('is written by one, and read by others', async () => {
    const folder = freshFolder(scratch)
    const store = await openStore(folder, shape)
    await apply(store, stroke(0, [4, 4], 1))
    const second = await openStore(folder, shape)
    expect(second.journalState).toMatchObject({ state: 'read-only' })
    expect(second.counts[1]).toBe(5)
    const refused = apply(second, stroke(0, [4, 4], 1))
    await expect(refused).rejects.toSatisfy((error) => hasTag(error, 'Locked'))
    await expect(second.undo()).rejects.toMatchObject({ _tag: 'Locked' })
    await second.close()
    await apply(store, stroke(1, [4, 4], 1))
    await store.close()
    const closed = await openStore(folder, shape, { readOnly: 'opened for looking' })
    expect(closed.journalState).toMatchObject({ state: 'read-only', message: 'opened for looking' })
    await expect(apply(closed, stroke(0, [4, 4], 1))).rejects.toMatchObject({ _tag: 'Locked' })
    await closed.close()
  })

  test('that somebody else writes to is not written over', async () => {
    const folder = freshFolder(scratch)
    const store = await openStore(folder, shape)
    await apply(store, stroke(0, [4, 4], 1))
    const journal = path.join(folder, 'journal-000001.pmj')
    copyFileSync(journal, `${journal}.copy`)
    writeFileSync(journal, Buffer.concat([readFileSync(journal), Buffer.from('foreign')]))
    const before = readFileSync(journal)
    for (let i = 0; i < 2; i++)
      await expect(apply(store, stroke(0, [9, 9], 2))).rejects.toMatchObject({ _tag: 'Locked' })
    expect(readFileSync(journal)).toEqual(before)
    expect(store.counts[2]).toBe(0)
    await expect(store.close()).rejects.toThrow('unexpected warning')
    expect(existsSync(path.join(folder, '.phasemark-lock'))).toBe(false)
  })

  test('holds nothing of labels that were only looked at', async () => {
    const folder = freshFolder(scratch)
    const store = await LabelStore.open(folder, shape, options())
    await store.close()
    expect(readdirSync(folder)).toEqual([])
  })
})

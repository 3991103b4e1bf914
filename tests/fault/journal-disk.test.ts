import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { LabelStore, openLabelStoreForReading } from '../../src/main/engine/annotation/label-store.ts'
import type { LabelStoreOptions } from '../../src/main/engine/annotation/label-store.ts'
import type { LabelEdit } from '../../src/shared/annotation/edit.ts'
import type { JournalState } from '../../src/shared/contract/labels.ts'
import type { Shape3 } from '../../src/shared/volume.ts'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { startPainting } from '../support/painting-process.ts'
import { paintingOptions, paintingShape } from '../support/painting-steps.mjs'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'

const scratch = scratchFolder('journal-disk')
const disk = mountSmallDisk(scratch, 'disk', 400)
const noDisk: SmallDisk = { folder: '', resize: () => undefined, setReadOnly: () => undefined }
const shape: Shape3 = [4, 256, 256]

/** Noise, so that an edit takes some kilobytes. */
function noisyStroke(z: number, radius = 40): LabelEdit {
  return {
    kind: 'brush',
    plane: { axis: 'z', index: z },
    points: Float32Array.from({ length: 60 }, () => Math.random() * 256),
    radius,
    shape: 'round',
    volumetric: true,
    material: 1 + Math.floor(Math.random() * 200),
    greyRange: null,
  }
}

async function openNoting(folder: string, more: Partial<LabelStoreOptions> = {}) {
  const states: JournalState[] = []
  const warnings: string[] = []
  const store = await LabelStore.open(folder, shape, {
    ...paintingOptions,
    onState: (state) => states.push(state),
    warn: (message) => warnings.push(message),
    ...more,
  })
  return { store, states, warnings }
}

async function allOf(store: { readSlice: (z: number) => Promise<Uint8Array> }): Promise<Buffer> {
  const slices = []
  for (let z = 0; z < shape[0]; z++) slices.push(await store.readSlice(z))
  return Buffer.concat(slices)
}

describe.skipIf(disk === null)('labels on a disk of their own (mounted in memory, as root)', () => {
  const { folder, resize, setReadOnly } = disk ?? noDisk
  const labels = path.join(folder, 'labels')

  test('that fills up: said at once, nothing half done, and on as soon as there is room', async () => {
    const { store, states, warnings } = await openNoting(labels)
    let acknowledged = await allOf(store)
    let steps = 0
    let refused: string | null = null
    let edit = noisyStroke(0)
    for (; refused === null; steps++) {
      const id = randomUUID()
      edit = noisyStroke(steps % 4)
      try {
        await store.apply(id, edit)
        acknowledged = await allOf(store)
      } catch (error) {
        expect(error).toMatchObject({ _tag: 'NoSpace' })
        refused = id
      }
    }
    expect(steps).toBeGreaterThan(3)
    expect(states.map(({ state }) => state)).toEqual(['disk-full'])
    expect(states[0].message).toContain(labels)
    expect(store.journalState.state).toBe('disk-full')
    // As before the stroke that failed: in memory, for the history, and on the disk.
    expect(Buffer.compare(await allOf(store), acknowledged)).toBe(0)
    expect(store.history(null, 1).entries[0].editId).not.toBe(refused)
    expect(Buffer.compare(await allOf(await openLabelStoreForReading(labels, shape)), acknowledged)).toBe(0)
    // A snapshot that did not fit may have left its room: none at all now.
    const { bsize, blocks, bfree } = statfsSync(folder)
    resize(((blocks - bfree) * bsize) / 1024)
    await expect(store.apply(refused, edit)).rejects.toMatchObject({ _tag: 'NoSpace' })
    expect(Buffer.compare(await allOf(store), acknowledged)).toBe(0)

    resize(4000)
    const undone = await store.undo()
    expect(undone.canRedo).toBe(true)
    expect(states.map(({ state }) => state)).toEqual(['disk-full', 'ok'])
    await store.redo()
    expect(Buffer.compare(await allOf(store), acknowledged)).toBe(0)
    // The same edit, sent again as the window does.
    await store.apply(refused, edit)
    const after = await allOf(store)
    expect(Buffer.compare(after, acknowledged)).not.toBe(0)
    await store.close()
    const again = await openNoting(labels)
    expect(again.store.state.recovered).toBeNull()
    expect(Buffer.compare(await allOf(again.store), after)).toBe(0)
    await again.store.close()
    expect(readdirSync(labels).filter((name) => /tmp$|damaged/.test(name))).toEqual([])
    for (const warning of warnings) expect(warning).toContain('no snapshot')
  }, 120_000)

  test('that fills up during an import: the import is gone, the labels are as they were', async () => {
    resize(8000)
    const { store } = await openNoting(labels)
    const before = await allOf(store)
    const { bsize, blocks, bfree } = statfsSync(folder)
    resize(((blocks - bfree) * bsize) / 1024 + 100)
    async function* noise() {
      for (let z = 0; z < 4; z++)
        yield await Promise.resolve({
          z,
          labels: Uint8Array.from({ length: 65536 }, () => Math.random() * 256),
        })
    }
    const allowed = new Uint8Array(256).fill(1)
    const importing = store.replaceSlices('import', noise(), { mode: 'over', allowed })
    await expect(importing).rejects.toMatchObject({ _tag: 'NoSpace' })
    expect(Buffer.compare(await allOf(store), before)).toBe(0)
    resize(8000)
    expect((await store.replaceSlices('import', noise(), { mode: 'over', allowed })).slices).toBe(4)
    await store.undo()
    expect(Buffer.compare(await allOf(store), before)).toBe(0)
    await store.close()
  }, 60_000)

  test('that is read-only: opened for looking, said, and written to once it can be', async () => {
    setReadOnly(true)
    const before = contentOf(folder)
    const { store, states } = await openNoting(labels)
    try {
      expect(store.journalState.state).toBe('not-writable')
      expect(store.journalState.message).toContain(labels)
      const seen = await allOf(store)
      expect(seen.some((label) => label !== 0)).toBe(true)
      await expect(store.apply(randomUUID(), noisyStroke(0))).rejects.toMatchObject({ _tag: 'NotWritable' })
      expect(Buffer.compare(await allOf(store), seen)).toBe(0)
      expect(contentOf(folder)).toEqual(before)
    } finally {
      setReadOnly(false)
    }
    await store.apply(randomUUID(), noisyStroke(0))
    expect(states.at(-1)?.state).toBe('ok')
    await store.close()
  }, 60_000)
})

describe('a disk that fails', () => {
  test.each(['write', 'datasync'] as const)(
    'while it is asked to %s loses nothing that was answered',
    async (what) => {
      const labels = path.join(scratch, `failing-${what}`)
      let failing = false
      const openFile: LabelStoreOptions['openFile'] = async (file, flags) => {
        const handle = await open(file, flags)
        const original = handle[what].bind(handle) as (...args: unknown[]) => Promise<unknown>
        Object.assign(handle, {
          [what]: (...args: unknown[]) =>
            failing
              ? Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: what }))
              : original(...args),
        })
        return handle
      }
      const { store, states } = await openNoting(labels, { openFile, segmentBytes: 20_000 })
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 3; i++) await store.apply(randomUUID(), noisyStroke(i))
        const before = await allOf(store)
        failing = true
        const several = [0, 1, 2].map((z) => store.apply(randomUUID(), noisyStroke(z)))
        for (const { status, ...rest } of await Promise.allSettled(several)) {
          expect(status).toBe('rejected')
          expect(rest).toMatchObject({ reason: { _tag: 'NotWritable' } })
        }
        failing = false
        expect(Buffer.compare(await allOf(store), before)).toBe(0)
        expect(states.at(-1)?.state).toBe('not-writable')
        const onDisk = await openLabelStoreForReading(labels, shape)
        expect(Buffer.compare(await allOf(onDisk), before)).toBe(0)
      }
      await store.undo()
      expect(states.at(-1)?.state).toBe('ok')
      await store.close()
      const again = await openNoting(labels)
      expect(again.store.state.recovered).toBeNull()
      await again.store.close()
    },
    60_000,
  )
})

describe('two processes', () => {
  test('on the same labels: one paints, the other looks, and takes over when the first is gone', async () => {
    const labels = path.join(scratch, 'shared')
    const painting = startPainting(labels, 0, 7)
    await painting.opened
    while (painting.answered() < 5) await new Promise((resolve) => setTimeout(resolve, 10))
    const second = await LabelStore.open(labels, paintingShape, paintingOptions)
    expect(second.journalState.state).toBe('read-only')
    expect(second.journalState.message).toContain(`process ${painting.child.pid}`)
    expect(second.state.recovered).toBeNull()
    expect(second.sequence).toBeGreaterThan(0)
    await expect(second.undo()).rejects.toMatchObject({ _tag: 'Locked' })
    await second.close()
    // Reading again and again beside somebody who writes always finds whole records.
    for (let i = 0, last = 0; i < 20; i++) {
      const { sequence } = await openLabelStoreForReading(labels, paintingShape)
      expect(sequence).toBeGreaterThanOrEqual(last)
      last = sequence
    }
    painting.child.kill('SIGKILL')
    await painting.ended
    const third = await LabelStore.open(labels, paintingShape, paintingOptions)
    expect(third.journalState.state).toBe('ok')
    expect(third.state.recovered?.edits).toBeGreaterThan(0)
    await third.close()
  }, 60_000)

  test('a folder that is gone is said, not made up for in silence', async () => {
    const labels = path.join(scratch, 'file-in-the-way')
    writeFileSync(labels, 'no folder')
    const { store } = await openNoting(labels).catch((error: unknown) => ({ store: error }))
    if (store instanceof LabelStore) {
      expect(store.journalState.state).toBe('not-writable')
      await expect(store.apply(randomUUID(), noisyStroke(0))).rejects.toMatchObject({ _tag: 'NotWritable' })
      await store.close()
    } else expect(store).toMatchObject({ _tag: 'BadInput' })
    expect(readFileSync(labels, 'utf8')).toBe('no folder')
    expect(existsSync(`${labels}.damaged-1`)).toBe(false)
  })
})

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openLabels } from '../../../src/main/engine/labels/open-labels.ts'
import { exportLabels } from '../../../src/main/engine/project/label-export.ts'
import { importLabels } from '../../../src/main/engine/project/label-import.ts'
import type { OpenProject } from '../../../src/main/engine/project/project-holder.ts'
import { ProjectSession } from '../../../src/main/engine/project/project-session.ts'
import { addVolume } from '../../../src/main/engine/project/project-volumes.ts'
import { inspectVolume } from '../../../src/main/engine/view/inspect-volume.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { writeSlice, writeTomogram } from '../../support/sample-tomogram.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { memoryLabels, type MemoryLabels } from './memory-labels.ts'
import { sampleVolume } from './project-kit.ts'

const scratch = temporaryFolder('label-transfer')
const [depth, height, width] = [6, 24, 32]
const job = { signal: new AbortController().signal, onProgress: () => undefined }
let counter = 0
const open: ProjectSession[] = []
afterEach(async () => {
  for (const session of open.splice(0)) await session.close()
})

interface Target {
  folder: string
  store: MemoryLabels
  project: OpenProject & ProjectSession
  volumeId: string
}

/** A project with one volume of 6 slices called slice_000 … slice_005, labels in memory. */
async function openTarget(): Promise<Target> {
  const folder = path.join(scratch, String(++counter))
  mkdirSync(folder)
  const volume = sampleVolume(folder, { slices: depth, height, width })
  const project = await ProjectSession.create(path.join(folder, 'p.phasemark'), 'p')
  open.push(project)
  let volumeId = ''
  const summary = await inspectVolume(volume.path, null)
  await project.update(async (stored) => {
    const added = await addVolume(project.folder, stored, volume, summary)
    volumeId = added.volumeId
    return added.project
  })
  return { folder, store: memoryLabels([depth, height, width]), project, volumeId }
}

/** Label slices: rows above `row` have one value, the others another. */
function writeLabels(folder: string, names: readonly string[], values: [number, number], row = 10): string {
  const place = path.join(folder, `labels-${++counter}`)
  mkdirSync(place)
  for (const name of names) {
    const voxels = Uint8Array.from({ length: height * width }, (_, i) => values[i < row * width ? 0 : 1])
    writeSlice(path.join(place, `${name}.tif`), voxels, { height, width })
  }
  return place
}

const sidecar = (place: string, content: unknown) => {
  writeFileSync(path.join(place, 'labels.json'), JSON.stringify(content))
}

describe('importing labels', () => {
  test('adds what the project lacks, by value, and tells what it did', async () => {
    const target = await openTarget()
    await target.project.addMaterials([{ value: 7, name: 'mine' }])
    const place = writeLabels(target.folder, ['slice_001', 'slice_004'], [7, 255])
    sidecar(place, {
      unlabelled: 255,
      materials: [
        { value: 7, name: 'Ni' },
        { value: 3, name: 'YSZ', colour: '#102030' },
      ],
    })
    const summary = await importLabels(target, { path: place, keepExisting: false }, job)
    // 10 rows of 32 voxels in two slices.
    expect(summary).toContain('Imported 2 slices with 640 labelled voxels; 640 changed')
    expect(summary).toContain('slices matched by name')
    expect(summary).toContain('the value 255 means unlabelled (as the files say)')
    expect(summary).toContain('new materials: YSZ (3)')
    expect(summary).toContain('4 slices of the volume without a label slice left as they were')
    expect(target.project.materials).toMatchObject([
      { index: 1, value: 7, name: 'mine' },
      { index: 2, value: 3, name: 'YSZ', colour: '#102030' },
    ])
    expect(target.store.labelledSlices).toEqual([1, 4])
    expect(target.store.counts.slice(0, 3)).toEqual([0, 640, 0])
    expect(target.store.steps).toBe(1)
  })

  test('keeps what is there when asked to, and never paints over locked materials', async () => {
    const target = await openTarget()
    const place = writeLabels(target.folder, ['slice_000'], [1, 2])
    await importLabels(target, { path: place, keepExisting: false }, job)
    const other = writeLabels(target.folder, ['slice_000'], [2, 3], 20)
    const kept = await importLabels(target, { path: other, keepExisting: true }, job)
    // All 768 voxels had a label; rows 10 to 19 are 2 in both.
    expect(kept).toContain('0 changed')
    expect(kept).toContain('448 voxels kept the labels they had')
    await target.project.update((stored) => ({
      ...stored,
      materials: stored.materials.map((material) => ({ ...material, locked: material.value === 1 })),
    }))
    const over = await importLabels(target, { path: other, keepExisting: false }, job)
    expect(over).toContain('320 voxels of locked or hidden materials kept their labels')
    expect(target.store.counts.slice(1, 4)).toEqual([320, 320, 128])
  })

  test('says when no value means unlabelled, and takes the user at his word', async () => {
    const target = await openTarget()
    const place = writeLabels(target.folder, ['slice_000'], [1, 0], 1)
    const asMaterial = await importLabels(target, { path: place, keepExisting: false }, job)
    expect(asMaterial).toContain('no value means unlabelled (the files do not say)')
    expect(asMaterial).toContain('the value 0 covers 95.8 % and is taken for a material')
    const second = await openTarget()
    await importLabels(second, { path: place, unlabelled: 0, keepExisting: false }, job)
    expect(second.project.materials.map(({ value }) => value)).toEqual([1])
    const third = await openTarget()
    sidecar(place, { unlabelled: 0 })
    await importLabels(third, { path: place, unlabelled: null, keepExisting: false }, job)
    expect(third.project.materials.map(({ value }) => value)).toEqual([0, 1])
  })

  test('pairs by position when no name fits, and refuses what fits neither way', async () => {
    const target = await openTarget()
    const all = writeLabels(target.folder, ['a', 'b', 'c', 'd', 'e', 'f'], [1, 2])
    expect(await importLabels(target, { path: all, keepExisting: false }, job)).toContain(
      'slices matched by position',
    )
    const refused = [
      writeLabels(target.folder, ['a', 'b'], [1, 2]),
      writeLabels(target.folder, ['slice_000', 'slice_077'], [1, 2]),
    ]
    for (const place of refused)
      await expect(importLabels(target, { path: place, keepExisting: false }, job)).rejects.toMatchObject({
        _tag: 'BadInput',
      })
    expect(target.store.steps).toBe(1)
  })

  test('of nothing, or of slices of another size, changes nothing', async () => {
    const target = await openTarget()
    const empty = writeLabels(target.folder, ['slice_000'], [0, 0])
    await expect(
      importLabels(target, { path: empty, unlabelled: 0, keepExisting: false }, job),
    ).rejects.toMatchObject({ _tag: 'BadInput' })
    const small = path.join(target.folder, 'small')
    mkdirSync(small)
    writeSlice(path.join(small, 'slice_000.tif'), new Uint8Array(12), { height: 3, width: 4 })
    await expect(importLabels(target, { path: small, keepExisting: false }, job)).rejects.toMatchObject({
      _tag: 'BadInput',
    })
    expect(target.project.materials).toEqual([])
    expect(target.store.steps).toBe(0)
  })

  test('stops when told to, with the labels as they were', async () => {
    const target = await openTarget()
    const place = writeLabels(target.folder, ['a', 'b', 'c', 'd', 'e', 'f'], [1, 2])
    const controller = new AbortController()
    const stopping = importLabels(
      target,
      { path: place, keepExisting: false },
      { signal: controller.signal, onProgress: ({ stage }) => stage === 'importing' && controller.abort() },
    )
    await expect(stopping).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(target.store.labelledSlices).toEqual([])
  })
})

describe('exporting labels', () => {
  test('writes what train reads: labelled slices under the names of the volume, with all that their values mean', async () => {
    const target = await openTarget()
    const place = writeLabels(target.folder, ['slice_001', 'slice_004'], [7, 0])
    await importLabels(target, { path: place, unlabelled: 0, keepExisting: false }, job)
    await target.project.addMaterials([{ value: 3, name: 'unused', colour: '#102030' }])
    const out = path.join(target.folder, 'exports', 'labels')
    const summary = await exportLabels(target, { path: out }, job)
    expect(summary).toContain('Exported 2 labelled slices of 6')
    expect(readdirSync(out).sort()).toEqual(['labels.json', 'slice_001.tif', 'slice_004.tif'])
    expect(JSON.parse(readFileSync(path.join(out, 'labels.json'), 'utf8'))).toEqual({
      unlabelled: 0,
      materials: [
        { value: 3, name: 'unused', colour: '#102030' },
        { value: 7, name: 'material 7', colour: '#56b4e9' },
      ],
    })
    const volume = await openVolume(path.join(target.folder, 'images'))
    const labels = await openLabels([{ path: out, volume: volume.meta }])
    expect(labels.unlabelled).toEqual({ value: 0, from: 'file' })
    expect(labels.materials.map(({ value }) => value)).toEqual([3, 7])
    expect(labels.sources[0]?.labelledSlices).toEqual([1, 4])
    const slice = await labels.sources[0].readSlice(4)
    expect(slice.filter((index) => index === 2)).toHaveLength(320)
    await labels.sources[0].close()

    // The files alone say the same: the sidecar may get lost.
    const alone = path.join(target.folder, 'alone')
    mkdirSync(alone)
    for (const name of ['slice_001.tif', 'slice_004.tif'])
      writeFileSync(path.join(alone, name), readFileSync(path.join(out, name)))
    const again = await openLabels([{ path: alone, volume: volume.meta }])
    expect(again.unlabelled).toEqual({ value: 0, from: 'file' })
    expect(again.materials).toEqual(labels.materials)
    await again.sources[0].close()
    await volume.close()
  })

  test('leaves removed materials out and gives 0 another meaning only when it has one', async () => {
    const target = await openTarget()
    const place = writeLabels(target.folder, ['slice_001', 'slice_004'], [0, 5])
    await importLabels(target, { path: place, keepExisting: false }, job)
    const out = path.join(target.folder, 'first')
    expect(await exportLabels(target, { path: out }, job)).toContain('unlabelled voxels have the value 255')
    await target.project.update((stored) => ({
      ...stored,
      materials: stored.materials.map((material) => ({ ...material, removed: material.value === 0 })),
    }))
    const second = path.join(target.folder, 'second')
    const summary = await exportLabels(target, { path: second }, job)
    expect(summary).toContain('unlabelled voxels have the value 0; 1 removed material left out')
    const written = await openVolume(path.join(second, 'slice_001.tif'))
    expect(new Set(await written.readSlice(0))).toEqual(new Set([0, 5]))
    await written.close()
  })

  test('is refused where something is, in sources, and in the labels of the project', async () => {
    const target = await openTarget()
    await expect(
      exportLabels(target, { path: path.join(target.folder, 'nothing') }, job),
    ).rejects.toMatchObject({ _tag: 'BadInput' })
    const place = writeLabels(target.folder, ['slice_001'], [1, 2])
    await importLabels(target, { path: place, keepExisting: false }, job)
    await expect(exportLabels(target, { path: place }, job)).rejects.toMatchObject({ _tag: 'OutputExists' })
    for (const inside of [
      path.join(target.folder, 'images'),
      path.join(target.folder, 'images', 'labels'),
      path.join(target.project.folder, 'labels', 'mine'),
    ])
      await expect(exportLabels(target, { path: inside }, job)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    expect(existsSync(path.join(target.folder, 'images', 'labels.partial'))).toBe(false)
    await exportLabels(target, { path: path.join(target.project.folder, 'reports', 'labels') }, job)
  })

  test('leaves nothing behind when it is stopped', async () => {
    const target = await openTarget()
    const place = writeLabels(target.folder, ['a', 'b', 'c', 'd', 'e', 'f'], [1, 2])
    await importLabels(target, { path: place, keepExisting: false }, job)
    const controller = new AbortController()
    const out = path.join(target.folder, 'stopped')
    await expect(
      exportLabels(
        target,
        { path: out },
        { signal: controller.signal, onProgress: () => controller.abort() },
      ),
    ).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(readdirSync(target.folder).filter((name) => name.startsWith('stopped'))).toEqual([])
  })
})

test('dense labels survive the way in and out', async () => {
  const target = await openTarget()
  const { labels } = writeTomogram(path.join(target.folder, 'truth'), { slices: depth, height, width })
  await importLabels(target, { path: labels, keepExisting: false }, job)
  const out = path.join(target.folder, 'again')
  await exportLabels(target, { path: out }, job)
  for (const name of readdirSync(labels)) {
    const [before, after] = await Promise.all(
      [labels, out].map((folder) => openVolume(path.join(folder, name))),
    )
    expect(await after.readSlice(0)).toEqual(await before.readSlice(0))
    await Promise.all([before.close(), after.close()])
  }
})

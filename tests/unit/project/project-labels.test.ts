import { randomUUID } from 'node:crypto'
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openLabels } from '../../../src/main/engine/labels/open-labels.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { createLabelledProject, type LabelledProject } from '../../support/labelled-project.ts'
import { writeTomogram, type TomogramOptions } from '../../support/sample-tomogram.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('project-labels')
const size = { slices: 5, height: 24, width: 32 }
let counter = 0
const projects: LabelledProject[] = []
afterEach(async () => {
  for (const project of projects.splice(0)) await project.close()
})

const tomogram = (options: TomogramOptions = {}) =>
  writeTomogram(path.join(scratch, `scan-${++counter}`), { ...size, ...options })

async function project(): Promise<LabelledProject> {
  const created = await createLabelledProject(path.join(scratch, `project-${++counter}.phasemark`))
  projects.push(created)
  return created
}

/** Labels of `images` in `labels`, closed again: what a command reads at its start. */
async function read(images: string, labels: string, options: { unlabelled?: number | 'none' } = {}) {
  const volume = await openVolume(images)
  try {
    const set = await openLabels([{ path: labels, volume: volume.meta }], options)
    const source = set.sources[0]
    const slices = new Map<number, Uint8Array>()
    for (const z of source.labelledSlices) slices.set(z, await source.readSlice(z))
    await source.close()
    return { set, source, slices, pairing: source.pairing }
  } finally {
    await volume.close()
  }
}

const failure = async (images: string, labels: string): Promise<unknown> =>
  await read(images, labels).catch((error: unknown) => error)

describe('labels of a project', () => {
  test('are those of its volume, under the project’s materials, while the project is open and painted in', async () => {
    const scan = tomogram({ labelled: [1, 3], unlabelled: 255 })
    const opened = await project()
    const volume = await opened.addVolume(scan.images)
    await volume.importLabels(scan.labels, 255)
    await opened.session.update((stored) => ({
      ...stored,
      materials: stored.materials.map((each) =>
        each.value === 2 ? { ...each, name: 'Ni', colour: '#112233' } : each,
      ),
    }))
    const fromFiles = await read(scan.images, scan.labels, { unlabelled: 255 })
    const fromProject = await read(scan.images, opened.folder)
    expect(fromProject.set.unlabelled).toEqual({ value: 0, from: 'file' })
    expect(fromProject.set.materials).toMatchObject([
      { index: 1, value: 1 },
      { index: 2, value: 2, name: 'Ni', colour: '#112233' },
      { index: 3, value: 3 },
    ])
    expect(fromProject.source.labelledSlices).toEqual([1, 3])
    expect(fromProject.slices).toEqual(fromFiles.slices)
    expect(fromProject.source.warnings).toEqual([])
    // A stroke later there is one more slice.
    await volume.store.apply(randomUUID(), {
      ...{ kind: 'brush', plane: { axis: 'z', index: 4 }, points: Float32Array.of(5, 5) },
      ...{ radius: 0, shape: 'round', volumetric: false, material: 1, greyRange: null },
    })
    const later = await read(scan.images, opened.folder)
    expect(later.source.labelledSlices).toEqual([1, 3, 4])
    expect(later.slices.get(4)!.filter((label) => label !== 0)).toHaveLength(1)
  })

  test('are ordered by file value, whatever their index in the project, and lack what was removed', async () => {
    const scan = tomogram({ labelled: [0, 2], values: [30, 20, 10] })
    const opened = await project()
    await opened.session.addMaterials([{ value: 20, name: 'middle' }])
    const volume = await opened.addVolume(scan.images)
    await volume.importLabels(scan.labels, null)
    const files = await read(scan.images, scan.labels)
    expect((await read(scan.images, opened.folder)).slices).toEqual(files.slices)
    await opened.session.update((stored) => ({
      ...stored,
      materials: stored.materials.map((each) => ({ ...each, removed: each.value === 10 })),
    }))
    const without = await read(scan.images, opened.folder)
    expect(without.set.materials.map(({ value }) => value)).toEqual([20, 30])
    // 10 was index 1 in the files: it is unlabelled now, and the others move up.
    const expected = files.slices.get(2)!.map((index) => index - 1)
    expect(without.slices.get(2)).toEqual(expected)
  })

  test('are the same when the app exports them', async () => {
    const scan = tomogram({ labelled: [0, 2], values: [0, 7, 255] })
    const opened = await project()
    const volume = await opened.addVolume(scan.images)
    await volume.importLabels(scan.labels, null)
    const out = path.join(scratch, `export-${++counter}`)
    await volume.exportLabels(out)
    const [project1, folder1] = [await read(scan.images, opened.folder), await read(scan.images, out)]
    expect(folder1.set.materials).toEqual(project1.set.materials)
    // 0 and 255 are materials here; the smallest free value stands for unlabelled voxels.
    expect(project1.set.unlabelled).toEqual({ value: 1, from: 'file' })
    expect(folder1.set.unlabelled).toEqual(project1.set.unlabelled)
    expect(folder1.slices).toEqual(project1.slices)
  })

  test('with --unlabelled: another value stands for unlabelled voxels, none contradicts the project', async () => {
    const scan = tomogram({ labelled: [1], unlabelled: 255 })
    const opened = await project()
    await (await opened.addVolume(scan.images)).importLabels(scan.labels, 255)
    const plain = await read(scan.images, opened.folder)
    const with9 = await read(scan.images, opened.folder, { unlabelled: 9 })
    expect(with9.set.unlabelled).toEqual({ value: 9, from: 'option' })
    expect(with9.slices).toEqual(plain.slices)
    // The value of a material: then that material is not learned.
    const with2 = await read(scan.images, opened.folder, { unlabelled: 2 })
    expect(with2.set.materials.map(({ value }) => value)).toEqual([1, 3])
    await expect(read(scan.images, opened.folder, { unlabelled: 'none' })).rejects.toMatchObject({
      _tag: 'WrongUsage',
    })
  })
})

test('labels of a moment stay the same while painting goes on and materials change', async () => {
  const scan = tomogram({ labelled: [1], unlabelled: 255 })
  const opened = await project()
  const volume = await opened.addVolume(scan.images)
  await volume.importLabels(scan.labels, 255)
  const then = await read(scan.images, opened.folder)
  const { moment } = then.source
  expect(structuredClone(moment)).toEqual(moment)
  await volume.store.apply(randomUUID(), { kind: 'copy-slice', from: 1, to: 3 })
  await volume.store.apply(randomUUID(), { kind: 'clear-slice', z: 1 })
  await opened.session.update((stored) => ({
    ...stored,
    materials: stored.materials.map((each) => ({
      ...each,
      removed: each.value === 1,
      value: each.value + 10,
    })),
  }))
  const source = await openVolume(scan.images)
  const again = await openLabels([{ path: opened.folder, volume: source.meta, ...(moment && { moment }) }])
  expect(again.materials).toEqual(then.set.materials)
  expect(again.sources[0].labelledSlices).toEqual([1])
  expect(await again.sources[0].readSlice(1)).toEqual(then.slices.get(1))
  await source.close()
  const now = await read(scan.images, opened.folder)
  expect(now.source.labelledSlices).toEqual([3])
  expect(now.set.materials.map(({ value }) => value)).toEqual([12, 13])
})

describe('which labels of a project', () => {
  test('belong to a volume follows from its path, also through a link', async () => {
    const [first, second] = [tomogram({ labelled: [1] }), tomogram({ labelled: [2], seed: 2 })]
    const opened = await project()
    for (const scan of [first, second])
      await (await opened.addVolume(scan.images)).importLabels(scan.labels, null)
    expect((await read(first.images, opened.folder)).source.labelledSlices).toEqual([1])
    const link = path.join(scratch, `link-${++counter}`)
    symlinkSync(second.images, link)
    const linked = await read(link, path.join(opened.folder, 'project.json'))
    expect(linked.source.labelledSlices).toEqual([2])
    expect(linked.source.warnings).toEqual([])
  })

  test('is the only one of that shape, which is said; two of a shape are refused', async () => {
    const scan = tomogram({ labelled: [1] })
    const opened = await project()
    await (await opened.addVolume(scan.images, 'anode')).importLabels(scan.labels, null)
    await opened.addVolume(tomogram({ slices: 6 }).images)
    const copy = path.join(scratch, `copy-${++counter}`)
    cpSync(scan.images, copy, { recursive: true })
    const { source } = await read(copy, opened.folder)
    expect(source.labelledSlices).toEqual([1])
    expect(source.warnings).toMatchObject([{ message: expect.stringContaining('"anode"') as string }])
    await opened.addVolume(tomogram().images)
    expect(await failure(copy, opened.folder)).toMatchObject({
      _tag: 'BadInput',
      fields: { path: opened.folder },
    })
    expect(await failure(tomogram({ width: 40 }).images, opened.folder)).toMatchObject({ _tag: 'BadInput' })
  })

  test('are found when project and slices moved together', async () => {
    const folder = path.join(scratch, `before-${++counter}`)
    mkdirSync(folder)
    const scan = writeTomogram(folder, { ...size, labelled: [3] })
    const created = await createLabelledProject(path.join(folder, 'p.phasemark'))
    await (await created.addVolume(scan.images)).importLabels(scan.labels, null)
    // Another one of that shape: only the path tells them apart.
    await created.addVolume(tomogram().images)
    await created.close()
    const moved = path.join(scratch, `after-${counter}`)
    renameSync(folder, moved)
    const { source } = await read(path.join(moved, 'images'), path.join(moved, 'p.phasemark'))
    expect(source.labelledSlices).toEqual([3])
    expect(source.warnings).toEqual([])
  })
})

describe('a project without labels to give', () => {
  test('is refused by name', async () => {
    const scan = tomogram()
    const opened = await project()
    expect(await failure(scan.images, opened.folder)).toMatchObject({
      _tag: 'BadInput',
      fields: { path: opened.folder, found: 'no volume' },
    })
    await opened.addVolume(scan.images)
    expect(await failure(scan.images, opened.folder)).toMatchObject({
      _tag: 'BadInput',
      fields: { path: opened.folder, found: 'not a single labelled voxel' },
    })
    rmSync(scan.images, { recursive: true })
    writeTomogram(path.dirname(scan.images), { ...size, slices: 7 })
    expect(await failure(scan.images, opened.folder)).toMatchObject({
      _tag: 'BadInput',
      fields: { path: scan.images },
    })
  })

  test('because it was copied by half is told from a folder without slices', async () => {
    const half = path.join(scratch, 'half.phasemark')
    mkdirSync(path.join(half, 'labels'), { recursive: true })
    expect(await failure(tomogram().images, half)).toMatchObject({
      _tag: 'BadInput',
      message: expect.stringContaining('project.json') as string,
    })
  })
})

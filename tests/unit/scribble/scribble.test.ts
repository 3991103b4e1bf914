import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { openLabels } from '../../../src/main/engine/labels/open-labels.ts'
import { scribble, type ScribbleOptions } from '../../../src/main/engine/labels/scribble/scribble.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { contentOf, scratchFolder, treeOf } from '../../support/file-tree.ts'
import { writeTomogram, type TomogramOptions } from '../../support/sample-tomogram.ts'

const scratch = scratchFolder('scribble')
let places = 0

function tomogram(options: TomogramOptions = {}) {
  return writeTomogram(path.join(scratch, `volume-${places++}`), { slices: 5, ...options })
}

const optionsFor = (labels: string, more: Partial<ScribbleOptions> = {}): ScribbleOptions => ({
  labels,
  out: path.join(scratch, `scribbles-${places++}`),
  amount: { kind: 'strokes', strokes: 2 },
  brush: 3,
  seed: 1,
  ...more,
})

async function readSlices(folder: string): Promise<Map<string, number[]>> {
  const source = await openVolume(folder)
  const slices = new Map<string, number[]>()
  for (const [z, name] of source.meta.sliceNames.entries()) slices.set(name, [...(await source.readSlice(z))])
  await source.close()
  return slices
}

const sliceFiles = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.tif'))

describe('scribbles', () => {
  test('are labels that need no further option, with the values of the dense ones', async () => {
    const { images, labels } = tomogram({ values: [3, 7, 200], voxelSize: { z: 2, y: 1, x: 1, unit: 'um' } })
    const before = contentOf(images, labels)
    const result = await scribble(optionsFor(labels, { volume: images }))
    expect(contentOf(images, labels)).toEqual(before)

    const dense = await readSlices(labels)
    const sparse = await readSlices(result.out)
    expect([...sparse.keys()]).toEqual([...dense.keys()])
    const counts = new Map<number, number>()
    for (const [name, values] of sparse)
      values.forEach((value, i) => {
        if (value === 255) return
        expect(value).toBe(dense.get(name)![i])
        counts.set(value, (counts.get(value) ?? 0) + 1)
      })
    expect(result.materials.map(({ value, voxels }) => [value, voxels])).toEqual(
      [3, 7, 200].map((value) => [value, counts.get(value)]),
    )
    expect(result.labelledVoxels).toBe([...counts.values()].reduce((a, b) => a + b, 0))

    const volume = await openVolume(images)
    const opened = await openLabels([{ path: result.out, volume: volume.meta }])
    expect(opened.unlabelled).toEqual({ value: 255, from: 'file' })
    expect(opened.materials.map(({ value, name, colour }) => ({ value, name, colour }))).toEqual(
      result.materials.map(({ value, name, colour }) => ({ value, name, colour })),
    )
    expect(opened.sources[0].warnings).toEqual([])
    const written = await openVolume(result.out)
    expect(written.meta.voxelSize).toEqual({ z: 2, y: 1, x: 1, unit: 'um' })
    for (const source of [opened.sources[0], written, volume]) await source.close()
  })

  test('say how they were made', async () => {
    const { labels } = tomogram()
    const options = optionsFor(labels, { amount: { kind: 'fraction', fraction: 0.02 }, seed: 9 })
    const result = await scribble(options)
    expect(JSON.parse(readFileSync(result.record, 'utf8'))).toMatchObject({
      labels: 'labels',
      seed: 9,
      brush: 3,
      amount: { kind: 'fraction', fraction: 0.02 },
      unlabelled: 255,
      labelledVoxels: result.labelledVoxels,
      materials: result.materials,
    })
    expect(result.fraction).toBeCloseTo(0.02, 3)
  })

  test('are the same for the same seed, also of a slice alone, and others for another seed', async () => {
    const { labels } = tomogram()
    const [first, again, other, alone] = [
      optionsFor(labels),
      optionsFor(labels),
      optionsFor(labels, { seed: 2 }),
      optionsFor(labels, { slices: [{ first: 3, last: 3 }] }),
    ]
    for (const one of [first, again, other, alone]) await scribble(one)
    expect(treeOf(again.out)).toEqual(treeOf(first.out))
    const slices = await readSlices(first.out)
    expect(await readSlices(other.out)).not.toEqual(slices)
    expect(await readSlices(alone.out)).toEqual(new Map([...slices].slice(3, 4)))
  })

  test('come on the chosen slices, every n-th of them, and not where nothing is labelled', async () => {
    const { labels } = tomogram({ slices: 9 })
    const chosen = await scribble(optionsFor(labels, { slices: [{ first: 1, last: 8 }], every: 3 }))
    expect(chosen.slices).toEqual([1, 4, 7])
    expect(sliceFiles(chosen.out)).toEqual(['slice_001.tif', 'slice_004.tif', 'slice_007.tif'])
    const sparse = await scribble(optionsFor(tomogram({ labelled: [0, 4] }).labels))
    expect(sparse.slices).toEqual([0, 1])
  })

  test('of labels that pair by position get the names of the volume', async () => {
    const { images, labels } = tomogram({ labelStem: (z) => `truth_${z}` })
    const result = await scribble(optionsFor(labels, { volume: images, slices: [{ first: 2, last: 3 }] }))
    expect(sliceFiles(result.out)).toEqual(['slice_002.tif', 'slice_003.tif'])
  })

  test('leave unlabelled what was unlabelled', async () => {
    const { labels } = tomogram({ unlabelled: 0 })
    const options = optionsFor(labels, { resolve: { unlabelled: 0 } })
    const result = await scribble(options)
    expect(result.materials.map(({ value }) => value)).toEqual([1, 2, 3])
    const dense = await readSlices(labels)
    for (const [name, values] of await readSlices(result.out))
      values.forEach((value, i) => expect(value === 255 || value === dense.get(name)![i]).toBe(true))
  })
})

describe('refused', () => {
  test('an unlabelled value that a material has, until another one is given', async () => {
    const { labels } = tomogram({ values: [0, 1, 255] })
    const options = optionsFor(labels)
    await expect(scribble(options)).rejects.toMatchObject({
      _tag: 'WrongUsage',
      fields: { argument: '--unlabelled-out' },
    })
    const result = await scribble({ ...options, unlabelledValue: 300 })
    const values = new Set([...(await readSlices(result.out)).values()].flat())
    expect([...values].sort((a, b) => a - b)).toEqual([0, 1, 255, 300])
  })

  test('slices beyond the last one', async () => {
    const { labels } = tomogram()
    await expect(scribble(optionsFor(labels, { slices: [{ first: 3, last: 5 }] }))).rejects.toMatchObject({
      _tag: 'WrongUsage',
      fields: { argument: '--slices' },
    })
  })

  test('labels without a labelled pixel', async () => {
    const { labels } = tomogram({ values: [4, 4, 4] })
    await expect(scribble(optionsFor(labels, { resolve: { unlabelled: 4 } }))).rejects.toMatchObject({
      _tag: 'BadInput',
    })
  })

  test('an output inside the labels, or one that exists', async () => {
    const { labels } = tomogram()
    await expect(scribble(optionsFor(labels, { out: path.join(labels, 'in') }))).rejects.toMatchObject({
      _tag: 'WrongUsage',
    })
    const options = optionsFor(labels)
    await scribble(options)
    await expect(scribble(options)).rejects.toMatchObject({ _tag: 'OutputExists' })
  })

  test.each([
    [{ amount: { kind: 'strokes', strokes: 0 } }, '--strokes'],
    [{ amount: { kind: 'fraction', fraction: 1.5 } }, '--fraction'],
    [{ brush: 0 }, '--width'],
    [{ every: 0 }, '--every'],
  ] as [Partial<ScribbleOptions>, string][])('settings %j', async (settings, argument) => {
    const { labels } = tomogram()
    await expect(scribble(optionsFor(labels, settings))).rejects.toMatchObject({
      _tag: 'WrongUsage',
      fields: { argument },
    })
  })
})

test('leaves nothing behind when it is stopped', async () => {
  const { labels } = tomogram()
  const controller = new AbortController()
  const options = optionsFor(labels, {
    signal: controller.signal,
    onProgress: ({ stage, done }) => {
      if (stage === 'drawing' && done === 2) controller.abort()
    },
  })
  await expect(scribble(options)).rejects.toMatchObject({ _tag: 'Cancelled' })
  for (const place of [options.out, `${options.out}.partial`])
    expect(contentOf(place)).toEqual({ [place]: 'missing' })
})

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeLabels, parseLabelDescription } from '../../../src/main/engine/labels/label-metadata.ts'
import { openLabels } from '../../../src/main/engine/labels/open-labels.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { sharedData } from '../../support/shared-data.ts'
import { temporaryFolder, volumeMeta, writeSlices, writeTiff } from './label-files.ts'

const folder = temporaryFolder()
const volume = volumeMeta(['s_1', 's_2', 's_3'], { height: 1, width: 3 })

describe('files on disk', () => {
  it('a sidecar in the folder names the materials and the unlabelled value', async () => {
    const labels = writeSlices(path.join(folder, 'sidecar'), 3, { s_1: [255, 0, 1], s_3: [1, 1, 0] })
    const sidecar = {
      unlabelled: 255,
      materials: [
        { value: 0, name: 'pore', colour: '#000000' },
        { value: 1, name: 'Ni' },
      ],
    }
    writeFileSync(path.join(labels, 'labels.json'), `\uFEFF${JSON.stringify(sidecar)}`)
    const set = await openLabels([{ path: labels, volume }])
    expect(set.unlabelled).toEqual({ value: 255, from: 'file' })
    expect(set.materials.map(({ name, colour }) => [name, colour])).toEqual([
      ['pore', '#000000'],
      ['Ni', '#e69f00'],
    ])
    expect(set.sources[0].labelledSlices).toEqual([0, 2])
    expect([...(await set.sources[0].readSlice(0))]).toEqual([0, 1, 2])
    await set.sources[0].close()
  })

  it.each([
    ['not JSON', '{'],
    ['a misspelt key', '{ "unlabeled": 255 }'],
    ['the same value twice', '{ "materials": [{ "value": 1, "name": "a" }, { "value": 1, "name": "b" }] }'],
    ['a name with a terminal escape', '{ "materials": [{ "value": 1, "name": "a\\u001b[2J" }] }'],
    ['a colour by name', '{ "materials": [{ "value": 1, "name": "a", "colour": "red" }] }'],
    ['the unlabelled value as a material', '{ "unlabelled": 1, "materials": [{ "value": 1, "name": "a" }] }'],
  ])('a sidecar with %s is refused', async (what, text) => {
    const labels = writeSlices(path.join(folder, `refused ${what}`), 3, { s_1: [0, 0, 1] })
    writeFileSync(path.join(labels, 'labels.json'), text)
    await expect(openLabels([{ path: labels, volume }])).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: path.join(labels, 'labels.json') },
    })
  })

  it('--materials overrules the sidecar, and may be a sidecar itself', async () => {
    const labels = writeSlices(path.join(folder, 'materials'), 3, { s_1: [4, 0, 1] })
    writeFileSync(path.join(labels, 'labels.json'), '{ "materials": [{ "value": 0, "name": "old" }] }')
    const list = [0, 1, 4].map((value) => ({ value, name: `new ${value}` }))
    const file = path.join(folder, 'materials.json')
    for (const content of [list, { unlabelled: null, materials: list }]) {
      writeFileSync(file, JSON.stringify(content))
      const set = await openLabels([{ path: labels, volume }], { materialsPath: file })
      expect(set.materials.map(({ name }) => name)).toEqual(['new 0', 'new 1', 'new 4'])
      await set.sources[0].close()
    }
    await expect(
      openLabels([{ path: labels, volume }], { materialsPath: file, unlabelled: 4 }),
    ).rejects.toMatchObject({ _tag: 'BadInput', fields: { path: file } })
    writeFileSync(file, '[]')
    await expect(openLabels([{ path: labels, volume }], { materialsPath: file })).rejects.toMatchObject({
      _tag: 'BadInput',
    })
    await expect(
      openLabels([{ path: labels, volume }], { materialsPath: path.join(folder, 'absent.json') }),
    ).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  it('an image description says what a TIFF label file means', async () => {
    const metadata = {
      unlabelled: 9,
      materials: [
        { value: 0, name: 'Füllung "α"', colour: '#010203' },
        { value: 1, name: 'Ni' },
      ],
    }
    const description = describeLabels(metadata)
    expect(description).toMatch(/^[\x20-\x7e]+$/)
    expect(parseLabelDescription('x.tif', `ImageJ=1.54f\nunit=um\n${description}\n`)).toEqual(metadata)
    expect(parseLabelDescription('x.tif', 'ImageJ=1.54f\nunit=um\n')).toBeNull()
    const file = path.join(folder, 's_2.tif')
    writeTiff(file, 3, [9, 0, 1], `ImageJ=1.54f\nunit=um\n${description}\n`)
    const set = await openLabels([{ path: file, volume }])
    expect(set.unlabelled).toEqual({ value: 9, from: 'file' })
    expect(set.materials[0].name).toBe('Füllung "α"')
    expect(set.sources[0].labelledSlices).toEqual([1])
    await set.sources[0].close()
    // A sidecar beside the file, which a person can edit, counts more.
    writeFileSync(path.join(folder, 's_2.labels.json'), '{ "unlabelled": null }')
    const edited = await openLabels([{ path: file, volume }])
    expect(edited.unlabelled).toEqual({ value: null, from: 'file' })
    expect(edited.materials).toHaveLength(3)
    await edited.sources[0].close()
  })

  it('says what is missing', async () => {
    await expect(openLabels([{ path: path.join(folder, 'absent'), volume }])).rejects.toMatchObject({
      _tag: 'NotFound',
    })
  })
})

const battery = sharedData('battery-nmc-nanoct')
describe.skipIf(battery === null)('real labels (battery-nmc-nanoct in shared data)', () => {
  it('pairs the labels of a scan by stem and counts every voxel', async () => {
    const images = await openVolume(path.join(battery!, 'A', 'images'))
    const set = await openLabels([{ path: path.join(battery!, 'A', 'labels'), volume: images.meta }])
    const [source] = set.sources
    expect(source.pairing).toBe('stem')
    expect(set.materials.map(({ value }) => value)).toEqual([0, 1, 2])
    // Fractions as dataset.json states them for A_0001.
    const fractions = [...source.countSlice(0)].map((count) => count / (499 * 601))
    expect(fractions[0]).toBe(0)
    for (const [k, fraction] of [0.6459, 0.2323, 0.1219].entries())
      expect(fractions[k + 1]).toBeCloseTo(fraction, 4)
    await source.close()
    await images.close()
  })
})

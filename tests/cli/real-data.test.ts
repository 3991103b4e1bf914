import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { resultOf } from '../support/run-cli.ts'
import { sharedData } from '../support/shared-data.ts'

const scratch = scratchFolder('real-data')
const battery = sharedData('battery-nmc-nanoct')

test.skipIf(battery === null)(
  'scans of different size train together and are segmented one by one (battery-nmc-nanoct)',
  async () => {
    const [a, c, d] = ['A', 'C', 'D'].map((scan) => path.join(battery!, scan))
    const before = contentOf(battery!)
    const images = [a, c].map((scan) => path.join(scan, 'images'))
    const labels = [a, c].map((scan) => path.join(scan, 'labels'))
    const run = path.join(scratch, 'run')
    const trained = await resultOf([
      ...['train', ...images, '--labels', ...labels, '--model', 'unet', '--max-steps', '2', '--out', run],
    ])
    const split = trained['split'] as { volume: string; pairing: string }[]
    expect(split.map(({ volume, pairing }) => [volume, pairing])).toEqual(images.map((at) => [at, 'stem']))

    const out = path.join(scratch, 'segmentation')
    const unseen = path.join(d, 'images')
    const { shape } = await resultOf(['info', unseen])
    const segmented = await resultOf(['segment', unseen, '--model', run, '--out', out, '--slices', '0-0'])
    const [, height, width] = shape as [number, number, number]
    expect(segmented['voxels']).toBe(height * width)
    // Stems go from the volume into the output, where labels find them again.
    expect(readdirSync(out).filter((name) => name.endsWith('.tif'))).toEqual([
      readdirSync(unseen)
        .sort()[0]
        .replace(/\.[^.]+$/, '.tif'),
    ])
    const values = (trained['materials'] as { value: number }[]).map(({ value }) => value)
    const source = await openVolume(out)
    for (const value of new Set(await source.readSlice(0))) expect(values).toContain(value)
    await source.close()

    const truth = path.join(d, 'labels')
    const scores = await resultOf(['evaluate', '--truth', truth, '--predicted', out, '--slices', '0'])
    expect(scores).toMatchObject({ pairs: [{ pairing: 'stem', slices: [0] }] })
    expect(scores['macroF1']).toBeGreaterThanOrEqual(0)
    expect(contentOf(battery!)).toEqual(before)
  },
  240_000,
)

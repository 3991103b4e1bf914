import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  generateSample,
  sampleKinds,
  type SampleKind,
  type SampleOptions,
} from '../../../src/main/engine/sample/generate-sample.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { openLabels } from '../../../src/main/engine/labels/open-labels.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder, treeOf } from '../../support/file-tree.ts'

const scratch = scratchFolder('sample')
let places = 0

const options = (kind: SampleKind, more: Partial<SampleOptions> = {}): SampleOptions => ({
  kind,
  shape: [6, 96, 112],
  seed: 4,
  out: path.join(scratch, `sample-${places++}`),
  ...more,
})

function readJson(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
}

async function readAll(folder: string): Promise<number[]> {
  const volume = await openVolume(folder)
  const slices = []
  for (let z = 0; z < volume.meta.shape[0]; z++) slices.push(await volume.readSlice(z))
  await volume.close()
  return slices.flatMap((slice) => [...slice])
}

describe.each(sampleKinds)('a sample of kind %s', (kind) => {
  test('is a volume with voxel size and dense labels that name their materials', async () => {
    const sample = await generateSample(options(kind))
    const volume = await openVolume(sample.images)
    expect(volume.meta).toMatchObject({
      shape: [6, 96, 112],
      dtype: 'uint16',
      voxelSize: sample.voxelSize,
      gaps: [],
    })
    const labels = await openLabels([{ path: sample.labels, volume: volume.meta }])
    expect(labels.unlabelled).toEqual({ value: null, from: 'file' })
    expect(labels.materials.map(({ value, name }) => ({ value, name }))).toEqual(
      sample.materials.map(({ value, name }) => ({ value, name })),
    )
    expect(labels.sources[0].pairing).toBe('stem')
    const counted = sample.materials.map(() => 0)
    for (let z = 0; z < 6; z++) {
      const counts = labels.sources[0].countSlice(z)
      counted.forEach((_, index) => (counted[index] += counts[index + 1]))
    }
    expect(counted).toEqual(sample.materials.map(({ voxels }) => voxels))
    expect(counted.reduce((a, b) => a + b, 0)).toBe(6 * 96 * 112)
    await labels.sources[0].close()
    await volume.close()
  })

  test('says everywhere that it is synthetic', async () => {
    const sample = await generateSample(options(kind))
    expect(sample.synthetic).toBe(true)
    expect(readJson(sample.record)).toMatchObject({ synthetic: true, complete: true, kind, seed: 4 })
    for (const folder of [sample.images, sample.labels])
      for (const name of readdirSync(folder)) {
        expect(name).toMatch(/^synthetic-/)
        const text = readFileSync(path.join(folder, name), 'latin1')
        expect(text).toMatch(/\nsynthetic=true\n/)
        expect(text).toContain('SYNTHETIC: computed by a random process, not measured.')
      }
  })

  test('is the same for the same seed and another one for another seed', async () => {
    const [first, again, other] = [options(kind), options(kind), options(kind, { seed: 5 })]
    for (const one of [first, again, other]) await generateSample(one)
    expect(treeOf(again.out)).toEqual(treeOf(first.out))
    expect(treeOf(other.out)).not.toEqual(treeOf(first.out))
  })

  test('has the same first slices however deep it is', async () => {
    const shallow = await generateSample(options(kind, { shape: [2, 64, 64] }))
    const deep = await generateSample(options(kind, { shape: [9, 64, 64] }))
    for (const part of ['images', 'labels'] as const)
      expect((await readAll(deep[part])).slice(0, 2 * 64 * 64)).toEqual(await readAll(shallow[part]))
  })

  test('resumes to the same files after it was stopped', async () => {
    const whole = options(kind)
    await generateSample(whole)
    const stopped = options(kind)
    const controller = new AbortController()
    await expect(
      generateSample({
        ...stopped,
        signal: controller.signal,
        onProgress: ({ done }) => {
          if (done === 3) controller.abort()
        },
      }),
    ).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(readJson(path.join(stopped.out, 'sample.json'))).toMatchObject({
      synthetic: true,
      complete: false,
    })
    await expect(generateSample(stopped)).rejects.toMatchObject({ _tag: 'OutputExists' })
    await expect(generateSample({ ...stopped, seed: 5, resume: true })).rejects.toMatchObject({
      _tag: 'WrongUsage',
      fields: { argument: '--resume' },
    })
    await generateSample({ ...stopped, resume: true })
    expect(treeOf(stopped.out)).toEqual(treeOf(whole.out))
  })
})

describe('the materials of a sample', () => {
  // Levels are quantiles of the normal distribution for 35, 37 and 28 %. A volume of this size has about 450 pieces of
  // 22³ voxels, so that shares scatter by some 2 %.
  test('of a fuel electrode have the shares of the recipe and are not told apart by grey value alone', async () => {
    const sample = await generateSample(options('ni-ysz', { shape: [40, 224, 224] }))
    const shares = sample.materials.map(({ fraction }) => fraction)
    for (const [index, share] of [0.35, 0.37, 0.28].entries())
      expect(Math.abs(shares[index] - share)).toBeLessThan(0.06)
    const slices = { grey: await readAll(sample.images), truth: await readAll(sample.labels) }
    // The bars around what was measured with three thresholds chosen by Otsu's criterion: 0.77.
    const score = bestThresholdScore(slices.grey, slices.truth)
    expect(score).toBeGreaterThan(0.65)
    expect(score).toBeLessThan(0.87)
  })

  test('of a battery electrode: most is active material, binder is the least', async () => {
    const { materials } = await generateSample(options('battery', { shape: [24, 192, 192] }))
    const [pore, binder, active] = materials.map(({ fraction }) => fraction)
    expect(active).toBeGreaterThan(0.4)
    expect(active).toBeLessThan(0.75)
    expect(pore).toBeGreaterThan(0.1)
    expect(binder).toBeGreaterThan(0.08)
  })
})

describe('refused', () => {
  test.each([[[0, 64, 64]], [[4, 8, 64]], [[4, 64, 100_000]], [[4, 64.5, 64]]] as [Shape3][])(
    'a shape of %j',
    async (shape) => {
      const one = options('ni-ysz', { shape })
      await expect(generateSample(one)).rejects.toMatchObject({
        _tag: 'WrongUsage',
        fields: { argument: '--shape' },
      })
    },
  )

  test('a folder that holds something', async () => {
    const one = options('ni-ysz', { shape: [1, 32, 32] })
    await generateSample(one)
    await expect(generateSample(one)).rejects.toMatchObject({ _tag: 'OutputExists' })
  })
})

/** Macro-F1 of the best two global thresholds, found by trying a grid of them on the truth itself. */
function bestThresholdScore(grey: readonly number[], truth: readonly number[]): number {
  const bins = 64
  const histogram = Array.from({ length: bins }, () => [0, 0, 0])
  grey.forEach((value, i) => histogram[Math.floor((value / 65_536) * bins)][truth[i]]++)
  const upTo = [[0, 0, 0]]
  for (const counts of histogram) upTo.push(upTo.at(-1)!.map((sum, material) => sum + counts[material]))
  const all = upTo.at(-1)!
  let best = 0
  for (let low = 1; low < bins; low++)
    for (let high = low; high < bins; high++) {
      const borders = [0, low, high, bins]
      const scores = all.map((total, material) => {
        const [from, to] = [upTo[borders[material]], upTo[borders[material + 1]]]
        const predicted = to.reduce((sum, value, other) => sum + value - from[other], 0)
        return (2 * (to[material] - from[material])) / (total + predicted)
      })
      best = Math.max(best, scores.reduce((a, b) => a + b, 0) / 3)
    }
  return best
}

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../../src/main/engine/evaluate/evaluate.ts'
import type { Progress } from '../../../src/shared/job.ts'
import { sharedData } from '../../support/shared-data.ts'
import { temporaryFolder, writeSlices } from '../labels/label-files.ts'

const folder = temporaryFolder()
const at = (name: string) => path.join(folder, name)

/** Writes a truth and a prediction of slices 3 voxels wide. */
function pair(name: string, truth: Record<string, number[]>, predicted: Record<string, number[]>) {
  return {
    truth: writeSlices(at(`${name}/truth`), 3, truth),
    predicted: writeSlices(at(`${name}/predicted`), 3, predicted),
  }
}

describe('evaluate', () => {
  it('worked by hand: sparse truth, a prediction with more slices, a value that is no material', async () => {
    const one = pair(
      'hand',
      { s_2: [1, 1, 255, 2, 2, 2], s_5: [1, 1, 1, 1, 2, 2] },
      {
        s_1: [9, 9, 9, 9, 9, 9],
        s_2: [1, 2, 9, 2, 2, 255],
        s_5: [1, 1, 1, 1, 2, 9],
        s_6: [9, 9, 9, 9, 9, 9],
      },
    )
    const progress: Progress[] = []
    const result = await evaluate({ pairs: [one], unlabelled: 255, onProgress: (p) => progress.push(p) })
    // Material 1: 6 in the truth, 5 hit, 5 predicted. Material 2: 5, 3 hit, 4 predicted. 11 labelled, 8 right.
    expect(result.confusionRows).toEqual([1, 2])
    expect(result.confusionColumns).toEqual([1, 2, 'outside'])
    expect(result.confusion).toEqual([
      [5, 1, 0],
      [0, 3, 2],
    ])
    expect(result.accuracy).toBeCloseTo(8 / 11, 15)
    expect(result.perMaterial.map(({ id, f1 }) => [id, f1])).toEqual([
      [1, 10 / 11],
      [2, 6 / 9],
    ])
    expect(result.macroF1).toBeCloseTo((10 / 11 + 6 / 9) / 2, 15)
    expect(result.perMaterial[1].volumeFraction).toMatchObject({ truth: 5 / 11, predicted: 4 / 11 })
    expect(result.pairs).toEqual([{ ...one, pairing: 'stem', slices: [0, 1] }])
    expect(result.unlabelled).toEqual({ value: 255, from: 'option' })
    expect(result.tolerance).toBe(2)
    const text = result.warnings.map(({ message }) => message).join('\n')
    expect(text).toContain('9 (1 voxel), 255 (1 voxel)')
    expect(text).toContain('partly unlabelled')
    expect(text).toContain('2 slices only')
    expect(progress.at(-1)).toMatchObject({ stage: 'scoring', done: 2, total: 2, unit: 'slices' })
  })

  it('pools pairs under the materials of all truths', async () => {
    const a = pair('pool-a', { s: [1, 1, 2] }, { s: [1, 1, 3] })
    const b = pair('pool-b', { s: [3, 3, 3] }, { s: [3, 3, 2] })
    const result = await evaluate({ pairs: [a, b] })
    expect(result.confusionColumns).toEqual([1, 2, 3])
    expect(result.confusion).toEqual([
      [2, 0, 0],
      [0, 0, 1],
      [0, 1, 2],
    ])
    expect(result.confidence).toMatchObject({ slices: 2, level: 0.95 })
    expect(result.confidence.accuracy).not.toBeNull()
    expect(await evaluate({ pairs: [a, b] })).toEqual(result)
  })

  it('scores the chosen slices only; materials of other slices stay known', async () => {
    const one = pair(
      'chosen',
      { s_0: [1, 1, 1], s_1: [1, 2, 2], s_2: [3, 3, 3] },
      { s_0: [2, 2, 2], s_1: [1, 2, 3], s_2: [1, 1, 1] },
    )
    const result = await evaluate({ pairs: [one], slices: [{ first: 1, last: 1 }] })
    expect(result.pairs[0].slices).toEqual([1])
    expect(result.confusionColumns).toEqual([1, 2, 3])
    expect(result.perMaterial[2]).toMatchObject({ support: 0, f1: null, precision: 0 })
    expect(result.macroF1).toBeCloseTo((1 + 2 / 3) / 2, 15)
    expect(result.confidence.macroF1).toBeNull()
    expect(result.warnings.map(({ message }) => message).join('\n')).toContain('material 3')
    await expect(evaluate({ pairs: [one], slices: [{ first: 1, last: 3 }] })).rejects.toMatchObject({
      _tag: 'WrongUsage',
      fields: { argument: '--slices' },
    })
  })

  it('pairs by position when no name matches, also with a prediction of the chosen slices', async () => {
    const truth = { a_0: [1, 1, 1], a_1: [2, 2, 2], a_2: [1, 2, 1] }
    const whole = pair('position', truth, { b_0: [1, 1, 1], b_1: [2, 2, 2], b_2: [1, 2, 1] })
    const found = await evaluate({ pairs: [whole], slices: [{ first: 1, last: 2 }] })
    expect(found.pairs[0]).toMatchObject({ pairing: 'position', slices: [1, 2] })
    expect(found.accuracy).toBe(1)
    const part = pair('position-part', truth, { c_0: [2, 2, 2], c_1: [1, 2, 1] })
    expect((await evaluate({ pairs: [part], slices: [{ first: 1, last: 2 }] })).accuracy).toBe(1)
    await expect(evaluate({ pairs: [part] })).rejects.toMatchObject({ _tag: 'BadInput' })
  })

  it('never pairs by position where names match elsewhere', async () => {
    const one = pair(
      'elsewhere',
      { s_0: [1, 1, 1], s_1: [2, 2, 2], s_2: [1, 2, 1] },
      { s_1: [2, 2, 2], s_2: [1, 2, 1] },
    )
    const attempt = evaluate({ pairs: [one], slices: [{ first: 0, last: 1 }] })
    await expect(attempt).rejects.toMatchObject({ _tag: 'BadInput', fields: { found: 'none for s_0' } })
    expect((await evaluate({ pairs: [one], slices: [{ first: 1, last: 2 }] })).accuracy).toBe(1)
  })

  it('names come from the segmentation when the truth has only numbers', async () => {
    const one = pair('names', { s: [1, 1, 2] }, { s: [1, 1, 2] })
    writeFileSync(
      path.join(one.predicted, 'labels.json'),
      JSON.stringify({ unlabelled: 1, materials: [{ value: 2, name: 'Ni', colour: '#ABCDEF' }] }),
    )
    const result = await evaluate({ pairs: [one] })
    expect(result.perMaterial.map(({ name, colour }) => [name, colour])).toEqual([
      ['material 1', '#56b4e9'],
      ['Ni', '#abcdef'],
    ])
    // Only the truth says what is unlabelled.
    expect(result.unlabelled).toEqual({ value: null, from: 'default' })
  })

  it('gives distances in µm when y and x have the same known size, and says so when not', async () => {
    const truth = [1, 2, 2, 1, 2, 2]
    const one = pair('microns', { s: truth }, { s: [1, 1, 2, 1, 1, 2] })
    const voxelSize = { z: 0.1, y: 50, x: 50, unit: 'nm' } as const
    const [first] = (await evaluate({ pairs: [one], voxelSize })).perMaterial
    expect(first.assd).toBe(1)
    expect(first.assdUm).toBeCloseTo(0.05, 12)
    const oblong = await evaluate({ pairs: [one], voxelSize: { ...voxelSize, x: 60 } })
    expect(oblong.perMaterial[0].hd95Um).toBeNull()
    expect(oblong.warnings.map(({ message }) => message).join('\n')).toContain('in voxels only')
  })

  it.each([
    ['a slice of another size', { s: [1, 1, 2] }, { s: [1, 1, 2, 1, 1, 2] }, '2 × 3'],
    ['a missing slice', { s: [1, 1, 2], t: [1, 1, 2] }, { s: [1, 1, 2] }, 'none for t'],
  ])('refuses %s', async (what, truth, predicted, found) => {
    const attempt = evaluate({ pairs: [pair(what, truth, predicted)] })
    await expect(attempt).rejects.toMatchObject({ _tag: 'BadInput', fields: { found } })
  })

  it('refuses a truth without a labelled voxel', async () => {
    const one = pair('empty', { s: [7, 7, 7] }, { s: [1, 1, 1] })
    await expect(evaluate({ pairs: [one], unlabelled: 7 })).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: one.truth },
    })
  })

  it('stops when cancelled in the middle', async () => {
    const slices = Object.fromEntries(Array.from({ length: 6 }, (_, z) => [`s_${z}`, [1, 2, 1]]))
    const one = pair('cancelled', slices, slices)
    const abort = new AbortController()
    const attempt = evaluate({
      pairs: [one],
      signal: abort.signal,
      onProgress: ({ stage, done }) => {
        if (stage === 'scoring' && done === 2) abort.abort()
      },
    })
    await expect(attempt).rejects.toMatchObject({ _tag: 'Cancelled' })
  })
})

const battery = sharedData('battery-nmc-nanoct')
describe.skipIf(battery === null)('real labels (battery-nmc-nanoct in shared data)', () => {
  it('labels against themselves are perfect, pooled over scans of different size', async () => {
    const labels = ['A', 'C', 'D'].map((scan) => path.join(battery!, scan, 'labels'))
    const result = await evaluate({
      pairs: labels.map((folderOfScan) => ({ truth: folderOfScan, predicted: folderOfScan })),
    })
    expect(result).toMatchObject({ macroF1: 1, meanIoU: 1, accuracy: 1, macroBoundaryF1: 1 })
    expect(result.labelledVoxels).toBe(3 * 499 * 601 + 3 * 500 * 500 + 2 * 400 * 400)
    expect(result.perMaterial.map(({ hd95 }) => hd95)).toEqual([0, 0, 0])
  })
})

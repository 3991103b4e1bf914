import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { comparisonSchema } from '../../src/shared/comparison/comparison.ts'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, jsonLines, killNow, resultOf, startCli, waitUntil } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('study')
const at = (...names: string[]) => path.join(scratch, ...names)
const seen = writeTomogram(at('seen'), { values: [10, 20, 30], slices: 6 })
writeTomogram(at('unseen'), { values: [10, 20, 30], slices: 2, height: 80, width: 100, seed: 4 })
const out = at('study')

/** Paths are relative to the folder of the configuration. */
const config = {
  version: 1,
  data: {
    seen: [{ volume: 'seen/images', labels: 'seen/labels' }],
    trainSlices: '0-2',
    testSlices: '4-5',
    unseen: [{ volume: 'unseen/images', labels: 'unseen/labels' }],
  },
  models: [
    { model: 'unet', preset: 'quick', maxSteps: 8, checkpointSteps: 2 },
    { model: 'unet', preset: 'quick', maxSteps: 4, context: 1 },
  ],
  labelFractions: [0.1],
}
const file = at('config.json')
writeFileSync(file, JSON.stringify(config))

interface State {
  stages: { id: string; out: string; status: string }[]
}
const readState = () => JSON.parse(readFileSync(path.join(out, 'study.json'), 'utf8')) as State

describe('study', () => {
  test('goes on after kill -9 without repeating what is done, and ends with a comparison', async () => {
    const inputs = contentOf(at('seen'), at('unseen'))
    const first = startCli(['study', file, '--out', out, '--json'])
    const checkpoint = path.join(out, 'runs', 'A-all-labels-seed-1', 'checkpoints', 'last.safetensors')
    await waitUntil(first, 'a checkpoint', () => existsSync(checkpoint))
    await killNow(first)

    const running = startCli(['study', file, '--out', out, '--resume', '--json'])
    const secondModel = path.join(out, 'runs', 'B-all-labels-seed-1', 'run.json')
    await waitUntil(running, 'the second training', () => existsSync(secondModel))
    await killNow(running)
    // The training of A went on from its checkpoint: no step was done twice.
    const done = jsonLines(await running.ended).flatMap(({ stage, done }) =>
      typeof stage === 'string' && stage.endsWith('seed 1: training') ? [Number(done)] : [],
    )
    expect(done[0]).toBeGreaterThan(1)
    const [stageA, stageB] = readState().stages
    expect([stageA.status, stageB.status]).toEqual(['done', 'running'])
    const modelA = path.join(out, 'runs', 'A-all-labels-seed-1', 'model')
    const before = contentOf(modelA)

    const result = await resultOf(['study', file, '--out', out, '--resume'])
    expect(result['stagesDoneBefore']).toBe(1)
    expect(contentOf(modelA)).toEqual(before)
    expect(readState().stages.map(({ id, status }) => [id, status])).toEqual(
      [
        'training A, all-labels, seed 1',
        'training B, all-labels, seed 1',
        'scribbles scribbles-0.1, volume 1',
        'training A, scribbles-0.1, seed 1',
        'training B, scribbles-0.1, seed 1',
        'comparison, scribbles-0.1, seed 1',
        'comparison',
      ].map((id) => [id, 'done']),
    )
    expect(contentOf(at('seen'), at('unseen'))).toEqual(inputs)

    const comparison = comparisonSchema.parse(
      JSON.parse(readFileSync(result['comparison'] as string, 'utf8')),
    )
    expect(comparison.tables.map(({ dataSet, split }) => [dataSet, split])).toEqual([
      ['seen', 'held-out'],
      ['unseen', 'held-out'],
    ])
    expect(comparison.tables[0].volumes[0].slices).toEqual([4, 5])
    // A tenth of the pixels and all of them, two models, two data sets.
    const voxels = comparison.labelCurve.map(({ labelledVoxels }) => labelledVoxels)
    expect(voxels).toHaveLength(8)
    expect(Math.max(...voxels)).toBe(3 * 96 * 112)
    expect(Math.min(...voxels) / Math.max(...voxels)).toBeCloseTo(0.1, 1)
    expect(readFileSync(result['report'] as string, 'utf8')).toContain('How many labels were needed')

    // The same numbers from `evaluate`.
    const { models, volumes } = comparison.tables[0]
    const folder = path.join(
      path.dirname(result['comparison'] as string),
      'segmentations',
      'B',
      volumes[0].id,
    )
    const evaluated = await resultOf([
      ...['evaluate', '--truth', seen.labels, '--predicted', folder],
      ...['--slices', volumes[0].labelSlices.join(',')],
    ])
    expect(evaluated).toMatchObject({ macroF1: models.B.macroF1, confusion: models.B.confusion })

    // Done is done: nothing is computed again.
    const again = await resultOf(['study', file, '--out', out, '--resume'])
    expect(again['stagesDoneBefore']).toBe(7)
  }, 240_000)

  test('refuses another configuration, a folder in use and a configuration that does not fit', async () => {
    const changed = at('changed.json')
    writeFileSync(changed, JSON.stringify({ ...config, tolerance: 1 }))
    const other = await failureOf(['study', changed, '--out', out, '--resume'])
    expect(other.exitCode).toBe(2)
    expect(other.message).toContain('found another tolerance')
    expect((await failureOf(['study', file, '--out', out])).exitCode).toBe(6)
    expect((await failureOf(['study', file, '--out', at('seen'), '--resume'])).exitCode).toBe(2)

    const wrong: [object, RegExp][] = [
      [{ ...config, models: [config.models[0]] }, /models/],
      [{ ...config, sed: 1 }, /sed/],
      [{ ...config, labelFractions: [2] }, /labelFractions/],
      [{ ...config, data: { ...config.data, trainSlices: '5-1' } }, /slice ranges/],
      [{ ...config, data: { ...config.data, unseen: [], materialMap: {} } }, /there are none/],
    ]
    for (const [content, message] of wrong) {
      writeFileSync(changed, JSON.stringify(content))
      const failure = await failureOf(['study', changed, '--out', at('never')])
      expect(failure.exitCode).toBe(3)
      expect(failure.message).toMatch(message)
    }
    expect((await failureOf(['study', at('missing.json'), '--out', at('never')])).exitCode).toBe(3)
    expect(existsSync(at('never'))).toBe(false)
  })
})

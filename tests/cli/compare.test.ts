import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  comparisonSchema,
  primaryTable,
  type Comparison,
  type ComparisonTable,
} from '../../src/shared/comparison/comparison.ts'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf, type JsonLine } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('compare')
const at = (...names: string[]) => path.join(scratch, ...names)
const voxelSize = { z: 0.5, y: 0.25, x: 0.25, unit: 'um' } as const
const seen = writeTomogram(at('seen'), { values: [10, 20, 30], voxelSize, slices: 8 })
// The unseen one has other values, other voxels and its third material is one that no model knows.
const unseen = writeTomogram(at('unseen'), {
  ...{ values: [1, 2, 3] as const, slices: 3, height: 80, width: 100, seed: 4 },
  voxelSize: { ...voxelSize, y: 0.5, x: 0.5 },
})
const [a, b] = [at('a'), at('b')]
const map = at('map.json')
writeFileSync(map, JSON.stringify({ 1: 10, 'material 2': 'material 20', 3: null }))

const onBoth = ['--volume', seen.images, '--labels', seen.labels]
const onUnseen = ['--unseen-volume', unseen.images, '--unseen-labels', unseen.labels]

async function train(out: string, seed: number): Promise<void> {
  await resultOf([
    ...['train', seen.images, '--labels', seen.labels, '--model', 'unet', '--preset', 'quick'],
    ...['--max-steps', '4', '--seed', String(seed), '--train-slices', '0-2', '--val-slices', '4'],
    ...['--out', out],
  ])
}

function read(out: string): Comparison {
  return comparisonSchema.parse(JSON.parse(readFileSync(path.join(out, 'comparison.json'), 'utf8')))
}

/** The scores that `evaluate` prints, and `comparison.json` must hold, for one model of a table. */
async function evaluated(table: ComparisonTable, truth: string, predicted: string): Promise<JsonLine> {
  return await resultOf([
    ...['evaluate', '--truth', truth, '--predicted', predicted, '--tolerance', String(table.tolerance)],
    ...['--seed', '3', '--slices', table.volumes[0].labelSlices.join(',')],
  ])
}

describe('compare', () => {
  const out = at('comparison')
  let result: JsonLine
  let inputs: Record<string, string>
  let comparison: Comparison
  beforeAll(async () => {
    await train(a, 1)
    await train(b, 2)
    inputs = contentOf(at('seen'), at('unseen'), a, b)
    result = await resultOf([
      ...['compare', '--run', a, '--run', b, ...onBoth, ...onUnseen, '--material-map', map],
      ...['--tolerance', '1.5', '--seed', '3', '--out', out],
    ])
    comparison = read(out)
  }, 300_000)

  test('leaves training slices out and says what every slice was', () => {
    expect(comparison.dataSets[0].volumes[0].splits).toEqual({
      ...{ 'held-out': [3, 5, 6, 7], unknown: [], validation: [4], gap: [] },
      training: [0, 1, 2],
    })
    expect(comparison.dataSets[0].volumes[0].trainingKnown.A).toBe('by path and content')
    expect(comparison.tables.map(({ dataSet, split, primary }) => [dataSet, split, primary])).toEqual([
      ['seen', 'held-out', true],
      ['unseen', 'held-out', true],
      ['seen', 'validation', false],
    ])
  })

  test('writes segmentations of the scored slices, on which evaluate gives the same numbers', async () => {
    for (const table of comparison.tables) {
      const volume = comparison.dataSets.find(({ kind }) => kind === table.dataSet)!.volumes[0]
      // A map changes the truth; what was scored lies beside the segmentations.
      const truth = volume.mappedTruth === null ? volume.labels : path.join(out, volume.mappedTruth)
      for (const letter of ['A', 'B'] as const) {
        const found = await evaluated(table, truth, path.join(out, volume.segmentations[letter]))
        const {
          perMaterial,
          confusion,
          confidence,
          macroF1,
          macroBoundaryF1,
          weightedF1,
          meanIoU,
          accuracy,
        } = table.models[letter]
        expect(found).toMatchObject({
          ...{ macroF1, macroBoundaryF1, weightedF1, meanIoU, accuracy, confusion, confidence },
          perMaterial: perMaterial.map(({ colour, name, ...scores }) => {
            expect(colour).toMatch(/^#/)
            expect(name).not.toBe('')
            return scores
          }),
        })
      }
    }
  })

  test('scores an unseen set with the materials that the map gives it', () => {
    const table = primaryTable(comparison, 'unseen')!
    expect(table.models.A.perMaterial.map(({ id, name }) => [id, name])).toEqual([
      [10, 'material 10'],
      [20, 'material 20'],
    ])
    const entries = comparison.dataSets[1].materialMap?.entries
    expect(entries?.map(({ target, by }) => [target?.value ?? null, by])).toEqual([
      [10, 'map'],
      [20, 'map'],
      [null, 'map'],
    ])
    const labelled = entries!.slice(0, 2).reduce((sum, { voxels }) => sum + voxels, 0)
    expect(table.models.A.labelledVoxels).toBe(labelled)
    expect(comparison.warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('structures look 2.0 times as large'),
    )
  })

  test('states what the models cost', () => {
    for (const model of [comparison.models.A, comparison.models.B]) {
      expect(model.parameters).toBe(1_940_851)
      expect(model.training).toMatchObject({ steps: 4, labelledSlices: 3, labelledVoxels: 3 * 96 * 112 })
      expect(model.costs.map(({ dataSet, voxels }) => [dataSet, voxels])).toEqual([
        ['seen', 5 * 96 * 112],
        ['unseen', 3 * 80 * 100],
      ])
      for (const { seconds, networkSeconds } of model.costs) {
        expect(networkSeconds).toBeGreaterThan(0)
        expect(seconds).toBeGreaterThan(networkSeconds)
      }
    }
    expect(result['out']).toBe(out)
  })

  test('writes CSV files in which every row says what it belongs to', () => {
    const rows = readFileSync(path.join(out, 'scores.csv'), 'utf8').trimEnd().split('\r\n')
    expect(rows[0]).toMatch(/^data_set,split,model,material,material_value,metric,tolerance_voxels,value/)
    for (const row of rows.slice(1)) expect(row).toMatch(/^(un)?seen,(held-out|validation),[AB],/)
    const macro = rows.find((row) => row.startsWith('seen,held-out,A,,,macro_f1,'))!
    expect(Number(macro.split(',')[7])).toBe(comparison.tables[0].models.A.macroF1)
  })

  test('writes a report that needs nothing else', () => {
    const page = readFileSync(result['report'] as string, 'utf8')
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).not.toMatch(/<script|https?:/)
    expect(page).toContain('Worst regions')
    expect(page.length).toBeLessThan(10e6)
  })

  test('changes no input', () => {
    expect(contentOf(at('seen'), at('unseen'), a, b)).toEqual(inputs)
  })

  test('finds no difference between a model and itself, and knows nothing of a bare model', async () => {
    const [model, same] = [at('model-only'), at('same')]
    cpSync(path.join(a, 'model'), model, { recursive: true })
    await resultOf(['compare', '--run', model, '--run', a, ...onBoth, '--slices', '1-7', '--out', same])
    const { tables, models, warnings } = read(same)
    for (const { difference } of tables) {
      expect(difference.macroF1).toBe(0)
      expect(difference.confidence.macroF1).toEqual(difference.confidence.macroF1 === null ? null : [0, 0])
      for (const test of [difference.tests.macroF1, difference.tests.macroBoundaryF1]) {
        expect(test.signFlip).toMatchObject({ mean: 0, pValue: 1 })
        expect(test.wilcoxon.pValue).toBe(1)
      }
    }
    expect(models.A.trainingSlicesFrom).toBe('none')
    // What the run of B says still counts.
    expect(tables.map(({ split, slices }) => [split, slices.map(({ z }) => z)])).toEqual([
      ['unknown', [3, 5, 6, 7]],
      ['validation', [4]],
    ])
    expect(warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('nothing tells which slices it learned from'),
    )
  })

  test('labels scores "training" when nothing else is left, and says so', async () => {
    const only = at('only-training')
    await resultOf(['compare', '--run', a, '--run', b, ...onBoth, '--slices', '0-1', '--out', only])
    const { tables, warnings } = read(only)
    expect(tables.map(({ split, primary }) => [split, primary])).toEqual([['training', true]])
    expect(warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('slices that at least one of the models was trained on'),
    )
  })

  test('recognises training slices in a copy of the data', async () => {
    const [copy, moved] = [at('copy'), at('moved')]
    cpSync(at('seen'), copy, { recursive: true })
    const data = ['--volume', path.join(copy, 'images'), '--labels', path.join(copy, 'labels')]
    await resultOf(['compare', '--run', a, '--run', b, ...data, '--slices', '2-5', '--out', moved])
    expect(read(moved).dataSets[0].volumes[0]).toMatchObject({
      trainingKnown: { A: 'by content' },
      splits: { training: [2], validation: [4] },
    })
  })

  test('refuses what cannot be compared, and leaves nothing behind', async () => {
    const nowhere = at('nowhere')
    const start = ['compare', '--run', a, '--run', b, ...onBoth, '--out', nowhere]
    const refusals: [string[], number, RegExp][] = [
      [['compare', '--run', a, ...onBoth, '--out', nowhere], 2, /expected two runs/],
      [[...start, '--labels', seen.labels, seen.labels], 2, /one for each of the 1 volumes/],
      [[...start, '--material-map', map], 2, /expected with --unseen-volume only/],
      [[...start, '--slices', '90-99'], 2, /expected positions 0-7/],
      [[...start, '--run', at('missing')], 2, /expected two runs, A and B, found 3/],
      [['compare', '--run', a, '--run', at('seen'), ...onBoth, '--out', nowhere], 3, /card\.json/],
      [['compare', '--run', a, '--run', b, ...onBoth, '--out', path.join(seen.images, 'x')], 2, /lies in/],
      [['compare', '--run', a, '--run', b, ...onBoth, '--out', a], 2, /--out/],
      [[...start.slice(0, -1), out], 6, /exists already/],
      [[...start, ...onUnseen], 3, /material 1 \(1\), which no model knows/],
    ]
    const failures = await Promise.all(refusals.map(([args]) => failureOf(args)))
    for (const [index, [, exitCode, message]] of refusals.entries()) {
      const failure = failures[index]
      expect(failure.exitCode, failure.message).toBe(exitCode)
      expect(failure.message).toMatch(message)
    }
    for (const place of [nowhere, `${nowhere}.partial`]) expect(existsSync(place)).toBe(false)
  })
})

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import {
  jsonLines,
  resultIn,
  runCli,
  stackTrace,
  type CliOutcome,
  type JsonLine,
} from '../support/run-cli.ts'
import { defaultStem, writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('chain')
const values = [10, 20, 30] as const
const voxelSize = { z: 0.5, y: 0.25, x: 0.25, unit: 'um' } as const
// Two scans of different size; scribbles with 255 for unlabelled.
const first = writeTomogram(path.join(scratch, 'first'), { values, voxelSize, slices: 8, unlabelled: 255 })
const second = writeTomogram(path.join(scratch, 'second'), {
  ...{ values, voxelSize, slices: 5, unlabelled: 255, height: 70, width: 130, seed: 2 },
})
const truth = writeTomogram(path.join(scratch, 'truth'), { values, voxelSize, slices: 8 }).labels
const run = path.join(scratch, 'run')
const segmentation = path.join(scratch, 'segmentation')

const train = [
  ...['train', first.images, second.images, '--labels', first.labels, second.labels, '--model', 'unet'],
  ...['--unlabelled', '255', '--preset', 'quick', '--max-steps', '3', '--seed', '5', '--out', run],
  ...['--train-slices', '0-3', '--val-slices', '6-7'],
]
const segment = ['segment', first.images, '--model', run, '--out', segmentation]
const evaluate = ['evaluate', '--truth', truth, '--predicted', segmentation]

/** What DESIGN §3 wants to see in every result of work with the network. */
const device = {
  kind: expect.stringMatching(/^(cpu|gpu)$/) as string,
  name: expect.stringMatching(/./) as string,
  tensorflowVersion: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
  threads: expect.any(Number) as number,
}

/** Progress before the result, nothing after it. */
function expectOrderly(outcome: CliOutcome, command: string, stages: readonly string[]): void {
  const lines = jsonLines(outcome)
  expect(lines.at(-1)).toMatchObject({ type: 'result', command })
  const before = lines.slice(0, -1)
  for (const { type } of before) expect(['progress', 'note']).toContain(type)
  const progress = before.filter(({ type }) => type === 'progress')
  for (const line of progress) {
    expect(line).toMatchObject({
      done: expect.any(Number) as number,
      total: expect.any(Number) as number,
      unit: expect.any(String) as string,
      stage: expect.any(String) as string,
    })
  }
  const ends = progress.filter(({ done, total }) => done === total).map(({ stage }) => stage)
  for (const stage of stages) expect(ends).toContain(stage)
  expect(outcome.stderr).toBe('')
}

describe('info, train, segment and evaluate with --json', () => {
  let inputs: Record<string, string>
  let trained: CliOutcome
  let segmented: CliOutcome
  beforeAll(async () => {
    inputs = contentOf(path.dirname(first.images), path.dirname(second.images), truth)
    trained = await runCli([...train, '--json'])
    segmented = await runCli([...segment, '--json'])
  }, 300_000)

  test('info describes the volume', async () => {
    const outcome = await runCli(['info', second.images, '--json', '--full'])
    expectOrderly(outcome, 'info', ['reading'])
    const result = resultIn(outcome)
    expect(result).toMatchObject({
      path: second.images,
      format: 'TIFF slices',
      shape: [5, 70, 130],
      dtype: 'uint16',
      voxelSize,
      bytes: 5 * 70 * 130 * 2,
      statistics: 'full',
      warnings: [],
    })
    const { min, max, mean } = result as unknown as Record<string, number>
    expect(min).toBeLessThan(mean)
    expect(mean).toBeLessThan(max)
  })

  test('train says what it did, on which device, and why on none better', () => {
    expectOrderly(trained, 'train', ['reading labels', 'reading', 'checking data', 'training'])
    expect(resultIn(trained)).toMatchObject({
      run,
      model: path.join(run, 'model'),
      steps: 3,
      seconds: expect.any(Number) as number,
      parameters: expect.any(Number) as number,
      device,
      resumedFromStep: 0,
      unlabelled: { value: 255, from: 'option' },
      materials: values.map((value, position) => ({ index: position + 1, value })),
      // The second volume has no slice 6 or 7; ranges count in each volume.
      split: [
        { volume: first.images, pairing: 'stem', training: [0, 1, 2, 3], validation: [6, 7] },
        { volume: second.images, pairing: 'stem', training: [0, 1, 2, 3], validation: [] },
      ],
      validation: {
        split: 'validation',
        slices: 2,
        perMaterial: values.map((id) => ({ id })),
      },
      warnings: [],
    })
    const found = resultIn(trained)['device'] as { kind: string; reasonNotBetter: string | null }
    if (found.kind === 'cpu') expect(found.reasonNotBetter).toMatch(/./)
    else expect(found.reasonNotBetter).toBeNull()
  })

  test('the run holds a line for each step, and its record', () => {
    const lines = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trim().split('\n')
    const metrics = lines.map((line) => JSON.parse(line) as Record<string, number>)
    expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3])
    for (const { loss, learningRate } of metrics) {
      expect(loss).toBeGreaterThan(0)
      expect(learningRate).toBeGreaterThan(0)
    }
    const record = JSON.parse(readFileSync(path.join(run, 'run.json'), 'utf8')) as Record<string, unknown>
    expect(record).toMatchObject({
      status: 'finished',
      config: { seed: 5, maxSteps: 3, preset: 'quick' },
      dataFingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      device,
      versions: { tensorflow: expect.any(String) as string, node: process.versions.node },
    })
  })

  test('segment writes the values of the training labels under the names of the slices', async () => {
    expectOrderly(segmented, 'segment', ['reading', 'segmenting'])
    const result = resultIn(segmented)
    expect(result).toMatchObject({
      out: segmentation,
      voxels: 8 * 96 * 112,
      slices: { first: 0, last: 7 },
      resumedFromSlice: 0,
      device,
      warnings: [],
    })
    const { seconds, voxelsPerSecond, networkSeconds, peakMemoryBytes } = result as unknown as Record<
      string,
      number
    >
    expect(voxelsPerSecond).toBeCloseTo((8 * 96 * 112) / seconds, 3)
    expect(networkSeconds).toBeGreaterThan(0)
    expect(networkSeconds).toBeLessThanOrEqual(seconds)
    expect(peakMemoryBytes).toBeGreaterThan(50e6)
    const source = await openVolume(segmentation)
    expect(source.meta).toMatchObject({ shape: [8, 96, 112], dtype: 'uint8', voxelSize })
    expect(source.meta.sliceNames).toEqual(Array.from({ length: 8 }, (_, z) => defaultStem(z)))
    const found = new Set<number>()
    for (let z = 0; z < 8; z++) for (const value of await source.readSlice(z)) found.add(value)
    await source.close()
    for (const value of found) expect(values).toContain(value)
  })

  test('evaluate scores it', async () => {
    const outcome = await runCli([...evaluate, '--json', '--slices', '4-7', '--tolerance', '1'])
    expectOrderly(outcome, 'evaluate', ['scoring'])
    const result = resultIn(outcome) as JsonLine & {
      perMaterial: Record<string, unknown>[]
      confusion: number[][]
      confusionRows: number[]
    }
    for (const field of ['macroF1', 'weightedF1', 'meanIoU', 'accuracy']) {
      expect(result[field], field).toBeTypeOf('number')
    }
    expect(result.tolerance).toBe(1)
    expect(result.confusionRows).toEqual([...values])
    expect(result.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(4 * 96 * 112)
    expect(result.perMaterial.map(({ id, name }) => [id, name])).toEqual(
      values.map((value) => [value, `material ${value}`]),
    )
    for (const material of result.perMaterial) {
      for (const field of ['precision', 'recall', 'f1', 'iou', 'boundaryF1', 'support']) {
        expect(material, field).toHaveProperty(field)
      }
    }
    expect(result.pairs).toMatchObject([
      { truth, predicted: segmentation, pairing: 'stem', slices: [4, 5, 6, 7] },
    ])
  })

  test('no input was touched', () => {
    expect(contentOf(path.dirname(first.images), path.dirname(second.images), truth)).toEqual(inputs)
  })
})

describe('for people', () => {
  test('each command ends with a summary on standard output and nothing technical', async () => {
    const out = path.join(scratch, 'for-people')
    const commands: [string[], RegExp[]][] = [
      [
        ['info', first.images],
        [/8 × 96 × 112/, /uint16/, /0\.5 × 0\.25 × 0\.25 µm/],
      ],
      [
        [...train.map((word) => (word === run ? out : word)), '--max-steps', '1'],
        [/Trained 1 steps? in/, /material 10 \(10\)/, /value 255/, /macro-F1/, new RegExp(`Run: ${out}`)],
      ],
      [
        ['segment', first.images, '--model', run, '--out', `${out}-segmentation`, '--slices', '2-4'],
        [/Segmented 0\.0 Mvoxel in/, /network \d+ % of the time/, new RegExp(`${out}-segmentation`)],
      ],
      [evaluate, [/Macro F1/, /material 30 \[30\]/, /Boundary F1/]],
    ]
    for (const [args, expected] of commands) {
      const { code, stdout, stderr } = await runCli(args)
      expect(code, stderr).toBe(0)
      for (const pattern of expected) expect(stdout).toMatch(pattern)
      expect(stdout + stderr).not.toMatch(stackTrace)
      expect(stdout + stderr).not.toMatch(/undefined|NaN|\[object/)
      if (args[0] === 'train' || args[0] === 'segment') expect(stderr).toMatch(/^Device: .+TensorFlow \d/m)
    }
  }, 300_000)
})

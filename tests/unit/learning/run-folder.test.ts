import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeTensors } from '../../../src/main/engine/learning/model/safetensors.ts'
import { RunFolder, type Checkpoint } from '../../../src/main/engine/learning/runs/run-folder.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { sampleRecord } from './sample-run.ts'

const scratch = temporaryFolder('run-folder')
let made = 0

async function newRun(): Promise<RunFolder> {
  const run = new RunFolder(path.join(scratch, `run-${made++}`))
  await run.create()
  return run
}

const vectors = (seed: number, length: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed + i * 1.1))
const checkpoint: Checkpoint = {
  position: { step: 123, seconds: 45.678, bestScore: 0.9123456789012345, bestStep: 100 },
  state: {
    parameters: vectors(1, 50),
    firstMoment: vectors(2, 50),
    secondMoment: vectors(3, 50),
    statistics: vectors(4, 8),
    averageParameters: vectors(5, 50),
    averageStatistics: vectors(6, 8),
  },
}

test('checkpoints come back bit by bit; last and best are kept apart and replaced whole', async () => {
  const run = await newRun()
  expect(await run.readCheckpoint('last')).toBeNull()
  await run.writeCheckpoint('last', checkpoint)
  const best = { ...checkpoint, position: { step: 7, seconds: 1, bestScore: null, bestStep: null } }
  await run.writeCheckpoint('best', best)
  expect(await run.readCheckpoint('last')).toEqual(checkpoint)
  expect(await run.readCheckpoint('best')).toEqual(best)
  await run.writeCheckpoint('last', best)
  expect(await run.readCheckpoint('last')).toEqual(best)
  expect(readdirSync(path.join(run.folder, 'checkpoints')).sort()).toEqual([
    'best.safetensors',
    'last.safetensors',
  ])
})

test('a checkpoint without batch normalisation has no statistics', async () => {
  const run = await newRun()
  const state = {
    ...checkpoint.state,
    statistics: new Float32Array(0),
    averageStatistics: new Float32Array(0),
  }
  await run.writeCheckpoint('last', { ...checkpoint, state })
  expect((await run.readCheckpoint('last'))?.state).toEqual(state)
})

describe('a damaged checkpoint is BadInput that names the file', () => {
  const withoutStatistics = Object.fromEntries(
    Object.entries(checkpoint.state).filter(([name]) => name !== 'statistics'),
  )
  const position = JSON.stringify(checkpoint.position)
  test.each<[string, (file: string) => void]>([
    ['cut in half', (file) => truncateSync(file, 300)],
    ['empty', (file) => truncateSync(file, 0)],
    ['another file', (file) => writeFileSync(file, 'hello, this is not a checkpoint')],
    [
      'without statistics',
      (file) => writeFileSync(file, encodeTensors({ tensors: withoutStatistics, metadata: { position } })),
    ],
    [
      'without a position',
      (file) => writeFileSync(file, encodeTensors({ tensors: checkpoint.state, metadata: {} })),
    ],
    [
      'a position that is no JSON',
      (file) =>
        writeFileSync(file, encodeTensors({ tensors: checkpoint.state, metadata: { position: '{"st' } })),
    ],
    [
      'a position of another kind',
      (file) =>
        writeFileSync(
          file,
          encodeTensors({ tensors: checkpoint.state, metadata: { position: '{"step":"many","seconds":1}' } }),
        ),
    ],
  ])('%s', async (_, damage) => {
    const run = await newRun()
    await run.writeCheckpoint('last', checkpoint)
    const file = path.join(run.folder, 'checkpoints', 'last.safetensors')
    damage(file)
    await expect(run.readCheckpoint('last')).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: file },
    })
  })
})

describe('metrics', () => {
  const line = (step: number) => ({ step, loss: 1 / step, learningRate: 1e-3 })
  const stepsIn = (run: RunFolder) =>
    readFileSync(path.join(run.folder, 'metrics.jsonl'), 'utf8')
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => (JSON.parse(text) as { step: number }).step)

  test('grow by whole lines that are in the file at once', async () => {
    const run = await newRun()
    await run.openMetrics(0)
    for (const step of [1, 2, 3]) {
      run.appendMetrics({ ...line(step), validation: { macroF1: null } })
      expect(stepsIn(run)).toHaveLength(step)
    }
    run.close()
    expect(readFileSync(path.join(run.folder, 'metrics.jsonl'), 'utf8')).toBe(
      [1, 2, 3]
        .map((step) => `${JSON.stringify({ ...line(step), validation: { macroF1: null } })}\n`)
        .join(''),
    )
  })

  test('are cut back to the checkpoint, a torn last line is dropped', async () => {
    const run = await newRun()
    const file = path.join(run.folder, 'metrics.jsonl')
    const lines = [1, 2, 3, 4, 5].map((step) => JSON.stringify(line(step)))
    writeFileSync(file, `${lines.join('\n')}\n{"step":6,"loss":0.1`)
    await run.openMetrics(4)
    expect(stepsIn(run)).toEqual([1, 2, 3, 4])
    run.appendMetrics(line(5))
    run.close()
    expect(stepsIn(run)).toEqual([1, 2, 3, 4, 5])
  })

  test('a torn line that happens to be before the checkpoint does not glue itself to the next', async () => {
    const run = await newRun()
    writeFileSync(path.join(run.folder, 'metrics.jsonl'), `${JSON.stringify(line(1))}\n{"step":2,"lo`)
    await run.openMetrics(10)
    run.appendMetrics(line(11))
    run.close()
    expect(stepsIn(run)).toEqual([1, 11])
  })

  test('cannot be added to a closed file', async () => {
    const run = await newRun()
    expect(() => run.appendMetrics(line(1))).toThrow('not open')
    await run.openMetrics(0)
    run.close()
    run.close()
    expect(() => run.appendMetrics(line(1))).toThrow('not open')
  })
})

test('the record comes back, with the time of writing', async () => {
  const run = await newRun()
  expect(await run.readRecord()).toBeNull()
  const record = sampleRecord()
  await run.writeRecord(record)
  const read = (await run.readRecord())!
  expect({ ...read, updatedAt: record.updatedAt }).toEqual(record)
  expect(Date.parse(read.updatedAt)).toBeGreaterThan(Date.parse(record.updatedAt))
})

test.each(['', '{"format":"phasemark-run"', '[]', '{"format":"phasemark-run","version":2}'])(
  'a record that says %o is refused by name',
  async (text) => {
    const run = await newRun()
    const file = path.join(run.folder, 'run.json')
    writeFileSync(file, text)
    await expect(run.readRecord()).rejects.toMatchObject({ _tag: 'BadInput', fields: { path: file } })
  },
)

test('clearing takes what a run made and nothing else', async () => {
  const run = await newRun()
  await run.writeRecord(sampleRecord())
  await run.writeCheckpoint('last', checkpoint)
  await run.openMetrics(0)
  run.close()
  mkdirSync(run.modelFolder)
  writeFileSync(path.join(run.modelFolder, 'card.json'), '{}')
  writeFileSync(path.join(run.folder, 'notes.txt'), 'mine')
  await run.clear()
  expect(readdirSync(run.folder)).toEqual(['notes.txt'])
})

describe('resuming takes a folder only when it is a run', () => {
  test('a run, an empty folder, none at all and a run killed at its beginning', async () => {
    const run = await newRun()
    await expect(run.requireRun()).resolves.toBeUndefined()
    await run.openMetrics(0)
    run.close()
    await expect(run.requireRun()).resolves.toBeUndefined()
    await run.writeRecord(sampleRecord())
    writeFileSync(path.join(run.folder, 'notes.txt'), 'mine')
    await expect(run.requireRun()).resolves.toBeUndefined()
    const none = new RunFolder(path.join(scratch, 'none'))
    await expect(none.requireRun()).resolves.toBeUndefined()
    expect(existsSync(none.folder)).toBe(false)
  })

  test('not a folder with other files, also under checkpoints', async () => {
    const run = await newRun()
    writeFileSync(path.join(run.folder, 'checkpoints', 'thesis.txt'), 'mine')
    await expect(run.requireRun()).rejects.toMatchObject({ _tag: 'WrongUsage' })
    const other = await newRun()
    writeFileSync(path.join(other.folder, 'thesis.txt'), 'mine')
    await expect(other.requireRun()).rejects.toMatchObject({ _tag: 'WrongUsage' })
  })
})

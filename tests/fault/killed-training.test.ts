import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import {
  failureIn,
  failureOf,
  jsonLines,
  killNow,
  resultIn,
  resultOf,
  startCli,
  waitUntil,
  type CliOutcome,
} from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('killed-training')
const { images, labels } = writeTomogram(path.join(scratch, 'volume'))
const other = writeTomogram(path.join(scratch, 'other'), { seed: 9 })
const steps = 24
const checkpointSteps = 2

function train(out: string, ...more: string[]): string[] {
  return [
    ...['train', images, '--labels', labels, '--model', 'unet', '--preset', 'quick', '--seed', '3'],
    ...['--max-steps', String(steps), '--checkpoint-steps', String(checkpointSteps), '--out', out],
    ...more,
    '--json',
  ]
}

interface StepLine {
  step: number
  loss: number
  learningRate: number
}

const metricsFile = (run: string) => path.join(run, 'metrics.jsonl')

/** Whole lines of `metrics.jsonl`; a line that is being written just now is left out. */
function stepsOf(run: string): StepLine[] {
  if (!existsSync(metricsFile(run))) return []
  return readFileSync(metricsFile(run), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as StepLine)
}

const lastStep = (run: string) => stepsOf(run).at(-1)?.step ?? 0

/** The checkpoint that a resume after a kill starts from. */
function checkpointStep(run: string): number {
  const bytes = readFileSync(path.join(run, 'checkpoints', 'last.safetensors'))
  const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString('utf8')
  const { __metadata__: metadata } = JSON.parse(header) as { __metadata__: { position: string } }
  return (JSON.parse(metadata.position) as { step: number }).step
}

describe('training that is killed, stopped and resumed', () => {
  const uninterrupted = path.join(scratch, 'uninterrupted')
  const run = path.join(scratch, 'run')
  let whole: StepLine[]
  let stepAtKill: number
  let checkpointAtKill: number
  let stepAtStop: number
  let stopped: CliOutcome
  let rival: CliOutcome
  let rivalWithoutResume: CliOutcome
  let inputs: Record<string, string>

  beforeAll(async () => {
    inputs = contentOf(images, labels)
    await resultOf(train(uninterrupted))
    whole = stepsOf(uninterrupted)

    const first = startCli(train(run))
    await waitUntil(first, `step ${checkpointSteps + 1}`, () => lastStep(run) >= checkpointSteps + 1)
    await killNow(first)
    stepAtKill = lastStep(run)
    checkpointAtKill = checkpointStep(run)

    // The lock of the killed process is still there, and in nobody's way.
    expect(existsSync(path.join(run, '.phasemark-lock'))).toBe(true)
    const second = startCli(train(run, '--resume'))
    await waitUntil(second, 'two more steps', () => lastStep(run) >= stepAtKill + 2)
    // While it holds the run, nobody else gets in.
    second.child.kill('SIGSTOP')
    const rivals = [startCli(train(run, '--resume')), startCli(train(run))]
    ;[rival, rivalWithoutResume] = (await Promise.all(rivals.map(({ ended }) => ended))) as [
      CliOutcome,
      CliOutcome,
    ]
    expect(second.child.exitCode).toBeNull()
    stepAtStop = lastStep(run)
    second.child.kill('SIGTERM')
    second.child.kill('SIGCONT')
    stopped = await second.ended
  }, 300_000)

  test('SIGTERM ends with exit code 5, a checkpoint of the last step, and a hint', () => {
    const failure = failureIn(stopped)
    expect(failure).toMatchObject({ _tag: 'Cancelled', exitCode: 5 })
    expect(failure.fields['resumeHint']).toContain('--resume')
    expect(failure.message).toContain('--resume')
    expect(checkpointStep(run)).toBe(lastStep(run))
    expect(lastStep(run)).toBeLessThan(steps)
    // The step at hand, and one that was begun before the signal arrived.
    expect(lastStep(run)).toBeLessThanOrEqual(stepAtStop + 2)
    expect(readRecord(run)['status']).toBe('interrupted')
    expect(existsSync(path.join(run, '.phasemark-lock'))).toBe(false)
  })

  test('a second process is told who holds the run', () => {
    const { _tag, exitCode, fields, message } = failureIn(rival)
    expect({ _tag, exitCode }).toEqual({ _tag: 'Locked', exitCode: 6 })
    expect(fields['owner']).toMatch(/process \d+ on .+training/)
    expect(message).toContain(run)
    expect(failureIn(rivalWithoutResume)).toMatchObject({ _tag: 'OutputExists', exitCode: 6 })
  })

  test('an unfinished run is no model yet, and segment says how to make it one', async () => {
    const out = path.join(scratch, 'too-early')
    const failure = await failureOf(['segment', images, '--model', run, '--out', out])
    expect(failure).toMatchObject({ _tag: 'NotFound', exitCode: 3, fields: { path: run } })
    expect(failure.message).toContain('--resume')
    expect(contentOf(out)).toEqual({ [out]: 'missing' })
  })

  test.each([
    ['another seed', ['--seed', '4'], /seed was 3, is 4/],
    ['another number of steps', ['--max-steps', '30'], /maxSteps was 24, is 30/],
    ['another preset', ['--preset', 'overnight'], /preset/],
    ['another choice of slices', ['--train-slices', '0-3'], /data|slices/],
  ])('it is not resumed with %s', async (_, changes, message) => {
    const before = contentOf(run)
    const failure = await failureOf(train(run, '--resume', ...changes))
    expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2, fields: { argument: '--resume' } })
    expect(failure.message).toMatch(message)
    expect(contentOf(run)).toEqual(before)
  })

  test('it is not resumed with other data', async () => {
    const before = contentOf(run)
    for (const inputPair of [
      [other.images, labels],
      [images, other.labels],
    ]) {
      const args = train(run, '--resume')
      args.splice(1, 3, inputPair[0], '--labels', inputPair[1])
      expect(await failureOf(args)).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
    }
    expect(contentOf(run)).toEqual(before)
  })

  test('resumed, it goes on along the curve of the uninterrupted run', async () => {
    const stoppedAt = lastStep(run)
    const result = await resultOf(train(run, '--resume'))
    expect(result).toMatchObject({ steps, resumedFromStep: stoppedAt })

    // The kill fell behind a checkpoint, or the test would show less than it says.
    expect(checkpointAtKill).toBeGreaterThan(0)
    expect(stepAtKill).toBeGreaterThan(checkpointAtKill)
    const resumed = stepsOf(run)
    const numbers = Array.from({ length: steps }, (_, index) => index + 1)
    expect(resumed.map(({ step }) => step)).toEqual(numbers)
    expect(whole.map(({ step }) => step)).toEqual(numbers)
    expect(steps - checkpointAtKill).toBeGreaterThanOrEqual(20)
    for (const [index, { loss, learningRate }] of resumed.entries()) {
      const expected = whole[index]
      expect(Math.abs(loss / expected.loss - 1), `loss of step ${index + 1}`).toBeLessThan(1e-3)
      expect(learningRate, `learning rate of step ${index + 1}`).toBe(expected.learningRate)
    }
    expect(readRecord(run)['status']).toBe('finished')
    expect(contentOf(images, labels)).toEqual(inputs)
  })

  test('a finished run is left as it is, also by --resume', async () => {
    const before = contentOf(metricsFile(run), path.join(run, 'model', 'weights.bin'))
    expect(await failureOf(train(run))).toMatchObject({ _tag: 'OutputExists', exitCode: 6 })
    const again = await resultOf(train(run, '--resume'))
    expect(again).toMatchObject({ steps, resumedFromStep: steps })
    expect(contentOf(metricsFile(run), path.join(run, 'model', 'weights.bin'))).toEqual(before)
  })

  test('a damaged checkpoint is named', async () => {
    const file = path.join(run, 'checkpoints', 'last.safetensors')
    writeFileSync(file, readFileSync(file).subarray(0, 100_000))
    const failure = await failureOf(train(run, '--resume'))
    expect(failure).toMatchObject({ _tag: 'BadInput', exitCode: 3, fields: { path: file } })
    writeFileSync(file, '')
    expect(await failureOf(train(run, '--resume'))).toMatchObject({ _tag: 'BadInput', exitCode: 3 })
  })
}, 300_000)

test('killed before the first checkpoint, it starts anew and says so', async () => {
  const run = path.join(scratch, 'killed-early')
  const few = ['--max-steps', '2', '--checkpoint-steps', '2']
  const first = startCli(train(run, ...few))
  await waitUntil(first, 'step 1', () => lastStep(run) >= 1)
  await killNow(first)
  expect(existsSync(path.join(run, 'checkpoints', 'last.safetensors'))).toBe(false)
  const outcome = await startCli(train(run, ...few, '--resume')).ended
  const result = resultIn(outcome)
  expect(result).toMatchObject({ steps: 2, resumedFromStep: 0 })
  const warnings = result['warnings'] as { message: string }[]
  expect(warnings.some(({ message }) => message.includes(run) && message.includes('anew'))).toBe(true)
  expect(stepsOf(run).map(({ step }) => step)).toEqual([1, 2])
}, 120_000)

test('SIGINT before the first step leaves nothing half done', async () => {
  const run = path.join(scratch, 'interrupted-early')
  const running = startCli(train(run))
  await waitUntil(running, 'the run folder', () => existsSync(path.join(run, 'run.json')))
  running.child.kill('SIGINT')
  const outcome = await running.ended
  expect(failureIn(outcome)).toMatchObject({ _tag: 'Cancelled', exitCode: 5 })
  expect(jsonLines(outcome).filter(({ type }) => type === 'note').length).toBeGreaterThan(1)
  expect(lastStep(run)).toBeLessThan(3)
}, 120_000)

test('when nobody reads the output any more, training stops as on a signal and keeps its work', async () => {
  const run = path.join(scratch, 'unread')
  const running = startCli(train(run))
  await waitUntil(running, 'step 1', () => lastStep(run) >= 1)
  // As a closed terminal or the end of `… | head` does it.
  running.child.stdout?.destroy()
  running.child.stderr?.destroy()
  expect((await running.ended).code).toBe(5)
  expect(checkpointStep(run)).toBe(lastStep(run))
  expect(readRecord(run)['status']).toBe('interrupted')
}, 120_000)

test('a time limit sets the length of the schedule and is kept', async () => {
  const run = path.join(scratch, 'limited')
  const minutes = 0.2
  const args = ['--labels', labels, '--model', 'unet', '--max-minutes', String(minutes), '--out', run]
  const result = await resultOf(['train', images, ...args])
  expect(result['steps']).toBeGreaterThan(1)
  expect(result['steps']).toBe(lastStep(run))
  // A step or two may be under way when time is up; on a machine that is busy each takes seconds.
  expect(result['seconds']).toBeLessThan(60 * minutes + 10)
  expect(readRecord(run)['status']).toBe('finished')
}, 120_000)

test('--resume does not take a folder for a run that is none', async () => {
  const folder = path.join(scratch, 'mine')
  mkdirSync(path.join(folder, 'model'), { recursive: true })
  writeFileSync(path.join(folder, 'model', 'precious.txt'), 'years of work')
  const before = contentOf(folder)
  const failure = await failureOf(train(folder, '--resume'))
  expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
  expect(failure.message).toContain(folder)
  expect(contentOf(folder)).toEqual(before)
})

function readRecord(run: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path.join(run, 'run.json'), 'utf8')) as Record<string, unknown>
}

import { mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureIn, resultOf, runCli, stackTrace } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('missing-runtime')
const volume = writeTomogram(path.join(scratch, 'volume'), { slices: 2 })
const cache = path.join(scratch, 'cache')
mkdirSync(cache)
const env = { PHASEMARK_CACHE: cache }
const out = path.join(scratch, 'out')

describe('without the compute runtime', () => {
  test.each([
    ['train', ['train', volume.images, '--labels', volume.labels, '--model', 'unet', '--out', out]],
    ['segment', ['segment', volume.images, '--model', volume.labels, '--out', out]],
  ])('%s ends with exit code 4 and the command that mends it', async (_, args) => {
    const failure = failureIn(await runCli([...args, '--json'], { env }))
    expect(failure).toMatchObject({ _tag: 'RuntimeUnavailable', exitCode: 4 })
    expect(failure.fields['remedy']).toBe('npm run setup')
    expect(failure.message).toContain('npm run setup')
    const { code, stdout, stderr } = await runCli(args, { env })
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain('npm run setup')
    expect(stderr).not.toMatch(stackTrace)
    expect(contentOf(out)).toEqual({ [out]: 'missing' })
  })

  test('setup --check says so and changes nothing', async () => {
    // The status is the result of a check; the error behind it carries the exit code.
    const { code, stdout } = await runCli(['setup', '--check', '--cpu', '--json'], { env })
    expect(code).toBe(4)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines).toMatchObject([
      { type: 'result', ready: false },
      {
        type: 'error',
        _tag: 'RuntimeUnavailable',
        exitCode: 4,
        fields: { remedy: 'npm run setup -- --cpu' },
      },
    ])
    expect(readdirSync(cache)).toEqual([])
  })

  test('info and evaluate need none', async () => {
    expect(await resultOf(['info', volume.images], { env })).toMatchObject({ shape: [2, 96, 112] })
    const pair = ['--truth', volume.labels, '--predicted', volume.labels]
    expect(await resultOf(['evaluate', ...pair], { env })).toMatchObject({ macroF1: 1, accuracy: 1 })
  })
})

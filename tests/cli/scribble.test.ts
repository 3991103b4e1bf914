import path from 'node:path'
import { expect, test } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf, runCli } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('cli-scribble')

test('scribbles train a network without further options', async () => {
  const { images, labels } = writeTomogram(path.join(scratch, 'volume'), { slices: 4 })
  const out = path.join(scratch, 'scribbles')
  const drawn = await resultOf(['scribble', labels, '--out', out, '--every', '2', '--strokes', '2'])
  expect(drawn).toMatchObject({ slices: [0, 2], unlabelledValue: 255 })
  const run = path.join(scratch, 'run')
  const trained = await resultOf([
    ...['train', images, '--labels', out, '--model', 'unet', '--max-steps', '1', '--out', run],
  ])
  expect(trained).toMatchObject({
    unlabelled: { value: 255, from: 'file' },
    materials: [{ value: 1 }, { value: 2 }, { value: 3 }],
    split: [{ pairing: 'stem' }],
  })
})

test('the summary says how much was labelled', async () => {
  const { labels } = writeTomogram(path.join(scratch, 'summary'), { slices: 1, height: 100, width: 100 })
  const settings = ['--out', path.join(scratch, 'one-percent'), '--fraction', '0.01']
  const { code, stdout } = await runCli(['scribble', labels, ...settings])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^\d+ labelled pixels \((0\.99|1\.0[01]) %\) on 1 slices$/m)
})

test('wrong usage is refused', async () => {
  const { labels } = writeTomogram(path.join(scratch, 'refused'), { slices: 1, values: [1, 2, 255] })
  const out = path.join(scratch, 'nothing')
  for (const settings of [
    ['--fraction', '2'],
    ['--strokes', '0'],
    ['--strokes', '2', '--fraction', '0.1'],
    [],
  ])
    expect(await failureOf(['scribble', labels, '--out', out, ...settings])).toMatchObject({ exitCode: 2 })
})

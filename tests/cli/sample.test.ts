import path from 'node:path'
import { expect, test } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf, runCli } from '../support/run-cli.ts'

const scratch = scratchFolder('cli-sample')

test('a sample is a volume that info describes, and says that it is not measured', async () => {
  const out = path.join(scratch, 'electrode')
  const settings = ['--kind', 'battery', '--shape', '3,48,64', '--seed', '7', '--out', out]
  const sample = await resultOf(['sample', ...settings])
  expect(sample).toMatchObject({ synthetic: true, kind: 'battery', shape: [3, 48, 64], seed: 7 })
  expect(await resultOf(['info', path.join(out, 'images')])).toMatchObject({
    shape: [3, 48, 64],
    dtype: 'uint16',
    voxelSize: { z: 100, y: 100, x: 100, unit: 'nm' },
  })
  const again = await runCli(['sample', ...settings.slice(0, -1), path.join(scratch, 'again')])
  expect(again.stdout).toContain('Synthetic sample (not measured): 3 × 48 × 64')
  const labels = ['electrode', 'again'].map((name) => path.join(scratch, name, 'labels'))
  const scores = await resultOf(['evaluate', '--truth', labels[0], '--predicted', labels[1]])
  expect(scores).toMatchObject({ macroF1: 1 })
})

test('wrong usage is refused', async () => {
  const out = path.join(scratch, 'nothing')
  for (const settings of [
    ['--shape', '3,48'],
    ['--shape', '3,4,64'],
    ['--kind', 'wood'],
  ])
    expect(await failureOf(['sample', ...settings, '--out', out])).toMatchObject({ exitCode: 2 })
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { createLabelledProject, type LabelledProject } from '../support/labelled-project.ts'
import { failureOf, resultOf, runCli } from '../support/run-cli.ts'
import { defaultStem, writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('project-labels')
const scan = writeTomogram(path.join(scratch, 'anode'), {
  ...{ slices: 6, values: [0, 5, 9], labelled: [1, 4], unlabelled: 255 },
})
const exported = path.join(scratch, 'exported')
let project: LabelledProject
let runs = 0

/** The app has the project open all the while: its lock and its journal are held by this process. */
beforeAll(async () => {
  project = await createLabelledProject(path.join(scratch, 'study.phasemark'))
  const volume = await project.addVolume(scan.images, 'anode')
  await volume.importLabels(scan.labels, 255)
  await project.session.update((stored) => ({
    ...stored,
    materials: stored.materials.map((each) => (each.value === 5 ? { ...each, name: 'nickel' } : each)),
  }))
  await volume.exportLabels(exported)
})
afterAll(async () => {
  await project.close()
})

const training = (labels: string, run: string) => [
  ...['train', scan.images, '--labels', labels, '--model', 'unet', '--preset', 'quick'],
  ...['--max-steps', '6', '--seed', '3', '--out', run],
]

/** One line per step, as the network saw it. */
function lossesOf(run: string): unknown[] {
  const lines = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const { step, loss } = JSON.parse(line) as { step: number; loss: number }
    return { step, loss }
  })
}

describe('train --labels X.phasemark', () => {
  test('learns from what was painted, with the curve of the labels that the app exports', async () => {
    const before = contentOf(scan.images, project.session.labelFolder(project.session.volumes[0].id))
    // A run may lie in the project that its labels come from.
    const fromProject = path.join(project.folder, 'runs', 'first')
    const fromFolder = path.join(scratch, `run-${++runs}`)
    const result = await resultOf(training(project.folder, fromProject))
    const other = await resultOf(training(exported, fromFolder))
    expect(result).toMatchObject({
      steps: 6,
      unlabelled: { value: 255, from: 'file' },
      materials: [
        { index: 1, value: 0 },
        { index: 2, value: 5, name: 'nickel' },
        { index: 3, value: 9 },
      ],
      split: [{ volume: scan.images, pairing: 'stem', training: [1, 4] }],
    })
    expect(result['materials']).toEqual(other['materials'])
    const losses = lossesOf(fromProject)
    expect(losses).toHaveLength(6)
    expect(losses).toEqual(lossesOf(fromFolder))
    // Nothing that the app holds was touched.
    expect(contentOf(scan.images, project.session.labelFolder(project.session.volumes[0].id))).toEqual(before)
    expect(existsSync(path.join(project.folder, '.phasemark-lock'))).toBe(true)
  }, 180_000)

  test('says what is wrong', async () => {
    const elsewhere = writeTomogram(path.join(scratch, 'other'), { slices: 3 })
    const shape = await failureOf([
      ...['train', elsewhere.images, '--labels', project.folder, '--model', 'unet', '--max-steps', '1'],
      ...['--out', path.join(scratch, `run-${++runs}`)],
    ])
    expect(shape).toMatchObject({ _tag: 'BadInput', exitCode: 3, fields: { path: project.folder } })
    expect(shape.message).toContain('"anode" (6 × 96 × 112)')
    const inside = await failureOf(training(project.folder, path.join(project.folder, 'labels', 'run')))
    expect(inside).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
    const none = await failureOf([
      ...training(project.folder, path.join(scratch, 'none')),
      '--unlabelled',
      'none',
    ])
    expect(none).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
    const missing = await failureOf(
      training(path.join(scratch, 'none.phasemark'), path.join(scratch, 'none')),
    )
    expect(missing).toMatchObject({ _tag: 'NotFound', exitCode: 3 })
  })
})

describe('other commands', () => {
  test('evaluate scores against labels of the project as against those exported', async () => {
    const against = async (truth: string) => {
      const { macroF1, perMaterial, unlabelled, confusion } = await resultOf([
        ...['evaluate', '--truth', truth, '--predicted', exported],
      ])
      return { macroF1, perMaterial, unlabelled, confusion }
    }
    const scores = await against(project.folder)
    expect(scores).toEqual(await against(exported))
    expect(scores.macroF1).toBe(1)
  })

  test('scribble draws inside labels of the project as inside those exported', async () => {
    const draw = async (labels: string, ...more: string[]) => {
      const out = path.join(scratch, `scribbles-${++runs}`)
      await resultOf(['scribble', labels, '--out', out, '--seed', '2', '--strokes', '2', ...more])
      return out
    }
    const outs = [
      await draw(project.folder, '--volume', scan.images),
      await draw(project.folder),
      await draw(exported, '--volume', scan.images),
    ]
    const slices = [1, 4].map((z) => `${defaultStem(z)}.tif`)
    for (const out of outs) expect(readdirSync(out)).toEqual(expect.arrayContaining(slices))
    const bytes = (out: string | undefined) => slices.map((name) => readFileSync(path.join(out!, name)))
    expect(bytes(outs[0])).toEqual(bytes(outs[2]))
  })

  test('a summary for people says which labels were taken', async () => {
    const copy = writeTomogram(path.join(scratch, 'copy'), { slices: 6 })
    const { code, stdout, stderr } = await runCli([
      ...['train', copy.images, '--labels', project.folder, '--model', 'unet', '--max-steps', '1'],
      ...['--out', path.join(scratch, `run-${++runs}`)],
    ])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('taken are the labels of "anode", the only volume of that shape')
  })
})

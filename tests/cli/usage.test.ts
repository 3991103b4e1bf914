import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, runCli } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('usage')

/** DESIGN §6, as far as it is built, and what the commands share. */
const options: Record<string, string[]> = {
  info: ['--full', '--voxel-size', '--raw', '--json'],
  train: [
    ...['--labels', '--model', '--out', '--unlabelled', '--materials', '--preset', '--context', '--resume'],
    ...[
      '--max-minutes',
      '--max-steps',
      '--checkpoint-steps',
      '--seed',
      '--features',
      '--fine-tune',
      '--weights',
      '--train-slices',
      '--val-slices',
    ],
    ...['--voxel-size', '--raw', '--json'],
  ],
  segment: [
    ...['--model', '--out', '--format', '--slices', '--probabilities', '--uncertainty', '--resume'],
    ...['--voxel-size', '--raw', '--json'],
  ],
  evaluate: [
    ...['--truth', '--predicted', '--unlabelled', '--materials', '--slices', '--tolerance'],
    ...['--voxel-size', '--json'],
  ],
  compare: [
    ...['--run', '--volume', '--labels', '--slices', '--unseen-volume', '--unseen-labels', '--material-map'],
    ...['--tolerance', '--out', '--json'],
  ],
  study: ['--out', '--resume', '--json'],
  demo: ['--labels', '--out', '--max-minutes', '--resume', '--json'],
  sample: ['--kind', '--shape', '--seed', '--out', '--json'],
  scribble: ['--strokes', '--fraction', '--slices', '--seed', '--out', '--json'],
  weights: [],
  setup: ['--gpu', '--cpu', '--check', '--dry-run', '--json'],
}

describe.concurrent('help', () => {
  test('names every command and every exit code', async () => {
    const { code, stdout, stderr } = await runCli(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const command of Object.keys(options)) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    for (let exitCode = 0; exitCode <= 6; exitCode++) expect(stdout).toMatch(new RegExp(`\\b${exitCode} `))
  })

  test.each(Object.entries(options))('of %s explains every option', async (command, names) => {
    const { code, stdout, stderr } = await runCli([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    // An option starts its line and is followed by an explanation, perhaps after its argument.
    for (const name of names) expect(stdout).toMatch(new RegExp(`^ {2}${name}( <[^>]+>)? {2,}\\S`, 'm'))
  })
})

test('--version is that of the package', async () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' })
})

describe.concurrent('wrong usage ends with exit code 2', () => {
  const { images, labels } = writeTomogram(path.join(scratch, 'volume'), { slices: 2 })
  const out = path.join(scratch, 'out')
  const train = ['train', images, '--labels', labels, '--out', out]
  const unet = [...train, '--model', 'unet']
  const segment = ['segment', images, '--model', labels, '--out', out]

  test.each([
    ['an unknown command', ['segmentate', images], /unknown command 'segmentate'/],
    ['an unknown option', ['info', images, '--fulll'], /unknown option '--fulll'/],
    ['no volume', ['info'], /missing required argument 'volume'/],
    ['no --labels', ['train', images, '--model', 'unet', '--out', out], /--labels/],
    ['no --model', train, /--model/],
    ['an unknown model', [...train, '--model', 'resnet'], /unet/],
    ['features for a UNet', [...unet, '--features', 'block1'], /--features.+vgg16-nn/],
    ['context for VGG16', [...train, '--model', 'vgg16-nn', '--context', '1'], /--context.+unet/],
    ['an unknown preset', [...unet, '--preset', 'slow'], /quick, standard, overnight/],
    ['no steps', [...unet, '--max-steps', '0'], /--max-steps/],
    ['no minutes', [...unet, '--max-minutes', '-1'], /--max-minutes/],
    ['a seed that is no number', [...unet, '--seed', 'x'], /--seed/],
    ['ranges that run backwards', [...unet, '--train-slices', '3-1'], /"3-1"/],
    ['an unlabelled value that is none', [...unet, '--unlabelled', 'grey'], /--unlabelled.*"grey"/],
    ['an unknown format', [...segment, '--format', 'jpeg'], /tiff-stack, bigtiff/],
    ['several ranges for --slices', [...segment, '--slices', '0-1,3'], /"0-1,3"/],
    ['a voxel size without unit', ['info', images, '--voxel-size', '1,1,1'], /z,y,x,unit/],
    ['a voxel size of nothing', ['info', images, '--voxel-size', '0,1,1,um'], /z,y,x,unit/],
    ['a raw header without type', ['info', images, '--raw', '1,2,3'], /z,y,x,dtype/],
    ['a raw header for a folder', ['info', images, '--raw', '2,96,112,uint16,little,0'], /folder/],
    [
      'a truth without prediction',
      ['evaluate', '--truth', labels, labels, '--predicted', labels],
      /2 truths/,
    ],
  ])('%s', async (_, args, message) => {
    const failure = await failureOf(args)
    expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
    expect(failure.message).toMatch(message)
  })

  test('without a command the help is shown', async () => {
    const { code, stdout, stderr } = await runCli([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('Commands:')
  })

  afterAll(() => {
    expect(contentOf(out)).toEqual({ [out]: 'missing' })
  })
})

test('a volume more than labels is wrong usage', async () => {
  const { images, labels } = writeTomogram(path.join(scratch, 'one'), { slices: 1 })
  const out = path.join(scratch, 'counts')
  const args = ['train', images, images, '--labels', labels, '--model', 'unet', '--out', out]
  expect(await failureOf(args)).toMatchObject({
    _tag: 'WrongUsage',
    exitCode: 2,
    fields: { argument: '--labels' },
  })
  expect(contentOf(out)).toEqual({ [out]: 'missing' })
})

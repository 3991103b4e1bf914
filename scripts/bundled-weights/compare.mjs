// Compares the bundled weights with those of ImageNet and with untrained ones: the product itself is trained and scored with
// each, on real data with the splits of tests/bench. Prints a table; see docs/bundled-weights.md.
//
//     node scripts/bundled-weights/compare.mjs --data FOLDER --imagenet FOLDER [--weights FOLDER] [--features block1,multi-scale]
//                                              [--splits battery-1,…] [--sets vgg16-imagenet,…] [--seeds 1] [--steps N] [--out FILE]
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parameters } from './engine.mjs'
import { vggSpec } from './network.mjs'
import { writeWeights } from './weights-files.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = path.join(root, 'dist', 'main', 'hosts', 'cli', 'main.js')
const splits = JSON.parse(readFileSync(path.join(root, 'tests', 'bench', 'peers', 'splits.json'), 'utf8'))

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    imagenet: { type: 'string' },
    weights: { type: 'string', default: path.join(root, 'models') },
    features: { type: 'string', default: 'block1,multi-scale' },
    splits: { type: 'string', default: Object.keys(splits).join(',') },
    sets: { type: 'string', default: 'vgg16-imagenet,vgg16-microstructures,vgg16-random' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string' },
    out: { type: 'string' },
  },
})
if (options.data === undefined || options.imagenet === undefined) {
  console.error('compare: expected --data (folder of data sets) and --imagenet (folder with the weights)')
  process.exit(2)
}

const work = mkdtempSync(path.join(os.tmpdir(), 'phasemark-weights-'))
const environment = {
  ...process.env,
  PHASEMARK_MODELS: path.resolve(options.imagenet),
  PHASEMARK_BUNDLED_MODELS: path.join(work, 'models'),
}
try {
  await makeCatalogue(environment.PHASEMARK_BUNDLED_MODELS)
  const rows = []
  for (const features of options.features.split(','))
    for (const split of options.splits.split(',')) {
      const row = { features, split }
      for (const set of options.sets.split(','))
        row[set] = mean(options.seeds.split(',').map((seed) => score(splits[split], features, set, seed)))
      rows.push(row)
      console.log(JSON.stringify(row))
    }
  printTable(rows)
  if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(rows, null, 2)}\n`)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** The catalogue with one more set: what the training of the bundled weights begins with. */
async function makeCatalogue(folder) {
  mkdirSync(folder)
  copyFileSync(path.join(root, 'models', 'vgg16-imagenet.json'), path.join(folder, 'vgg16-imagenet.json'))
  for (const name of ['vgg16-microstructures.json', 'vgg16-microstructures.safetensors'])
    copyFileSync(path.join(options.weights, name), path.join(folder, name))
  const untrained = path.join(work, 'untrained')
  mkdirSync(untrained)
  const layout = parameters.parameterLayout(vggSpec)
  const settings = { id: 'vgg16-random', seed: 1, steps: 0 }
  await writeWeights(untrained, parameters.initialParameters(vggSpec, 1), layout, settings)
  for (const name of ['vgg16-random.json', 'vgg16-random.safetensors'])
    copyFileSync(path.join(untrained, name), path.join(folder, name))
}

/** Macro-F1 on the test slices of a split after training on its other slices. */
function score(split, features, set, seed) {
  const place = mkdtempSync(path.join(work, 'run-'))
  const images = (scan) => path.join(options.data, split.dataSet, scan, 'images')
  const chosen = (part, scan) => {
    const folder = path.join(place, part, scan)
    mkdirSync(folder, { recursive: true })
    for (const stem of split[part][scan])
      copyFileSync(
        path.join(options.data, split.dataSet, scan, 'labels', `${stem}.tif`),
        path.join(folder, `${stem}.tif`),
      )
    return folder
  }
  const scans = Object.keys(split.train)
  const run = path.join(place, 'model')
  const labels = scans.map((scan) => chosen('train', scan))
  const settings = ['--model', 'vgg16-nn', '--features', features, '--weights', set, '--seed', seed]
  if (options.steps !== undefined) settings.push('--max-steps', options.steps)
  phasemark([
    'train',
    ...scans.map(images),
    '--labels',
    ...labels,
    '--unlabelled',
    'none',
    ...settings,
    '--out',
    run,
  ])
  const tested = Object.keys(split.test)
  const predicted = tested.map((scan) => path.join(place, 'predicted', scan))
  mkdirSync(path.join(place, 'predicted'))
  tested.forEach((scan, i) => phasemark(['segment', images(scan), '--model', run, '--out', predicted[i]]))
  const truths = tested.map((scan) => chosen('test', scan))
  const { macroF1 } = phasemark([
    'evaluate',
    '--truth',
    ...truths,
    '--predicted',
    ...predicted,
    '--unlabelled',
    'none',
  ])
  rmSync(place, { recursive: true, force: true })
  return macroF1
}

function phasemark(argv) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv, '--json'], {
    encoding: 'utf8',
    env: environment,
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`phasemark ${argv.join(' ')} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}

function printTable(rows) {
  const head = ['features', 'split', ...options.sets.split(',')]
  console.log(`| ${head.join(' | ')} |\n| ${head.map(() => '---').join(' | ')} |`)
  for (const { features, split, ...scores } of rows) {
    const numbers = Object.values(scores).map((value) => value.toFixed(3))
    console.log(`| ${features} | ${split} | ${numbers.join(' | ')} |`)
  }
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

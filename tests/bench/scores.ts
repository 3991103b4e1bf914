import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { sharedData } from '../support/shared-data.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { numberOf, runCommand } from './command-line.ts'
import type { BenchmarkResult, Measurement } from './report.ts'

/** Slices for training and testing by scan folder and stem; `peers/keras_scores.py` reads the same file. */
type Split = { dataSet: string } & Record<'train' | 'test', Record<string, string[]>>

/** An entry of the files that `peers/keras_scores.py` and `peers/feature_scores.py` write. */
interface PeerScore {
  split: string
  recipe: string
  /** Of networks; a random forest has none. */
  steps?: number
  seed: number
  macroF1: number
}

const splitsFile = path.join(path.dirname(fileURLToPath(import.meta.url)), 'peers', 'splits.json')

/**
 * Macro-F1 on slices that were left out, for models trained through the command line on the splits of
 * `peers/keras_scores.py`, next to what the same network reaches in Keras with the same labels and number of steps.
 */
export async function benchmarkScores(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { model, features, steps, seeds, splitNames, kerasFile } = options.scores
  const splits = JSON.parse(readFileSync(splitsFile, 'utf8')) as Record<string, Split>
  const keras = kerasFile === null ? [] : (JSON.parse(readFileSync(kerasFile, 'utf8')) as PeerScore[])
  const measurements: Measurement[] = []
  const skipped: Record<string, string> = {}
  const details: Record<string, unknown> = { model, features, steps, seeds }
  for (const name of splitNames ?? Object.keys(splits)) {
    if (!(name in splits)) throw new Error(`expected a split of ${splitsFile}, found ${name}`)
    const data = sharedData(splits[name].dataSet)
    if (data === null) {
      skipped[name] = `no ${splits[name].dataSet} in the shared data (PHASEMARK_SHARED)`
      continue
    }
    const results: Record<string, unknown>[] = []
    for (const seed of seeds) results.push(await trainAndScore(name, splits[name], data, seed, options))
    const mine = mean(results.map((result) => numberOf(result, 'macroF1')))
    measurements.push({ what: `${name}, Phasemark`, value: mine, unit: 'macro-F1' })
    measurements.push(
      ...compareWithPeers(
        name,
        mine,
        keras.filter((one) => one.split === name && (one.steps === undefined || one.steps === steps)),
      ),
    )
    details[name] = results
  }
  return { benchmark: 'scores', measurements, skipped, details }
}

function compareWithPeers(name: string, mine: number, scores: readonly PeerScore[]): Measurement[] {
  const recipes = [...new Set(scores.map(({ recipe }) => recipe))]
  const rows = recipes.map((recipe) => {
    const values = scores.filter((one) => one.recipe === recipe).map(({ macroF1 }) => macroF1)
    const note = `${values.length} seeds, ${Math.min(...values).toFixed(4)} to ${Math.max(...values).toFixed(4)}`
    return { what: `${name}, ${recipe}`, value: mean(values), unit: 'macro-F1', note }
  })
  if (rows.length === 0) return []
  const best = Math.max(...rows.map(({ value }) => value))
  const difference = { what: `${name}, Phasemark − best peer`, value: mine - best, unit: 'macro-F1' }
  return [...rows, { ...difference, bar: { relation: '≥', limit: 0 } }]
}

async function trainAndScore(
  name: string,
  split: Split,
  data: string,
  seed: number,
  { folder, onProgress, scores }: BenchmarkOptions,
): Promise<Record<string, unknown>> {
  const place = path.join(folder, `${name}-${seed}`)
  const images = (scan: string) => path.join(data, scan, 'images')
  const run = path.join(place, 'run')
  const training = Object.keys(split.train)
  const labels = training.map((scan) =>
    chosenLabels(data, scan, split.train[scan], path.join(place, 'labels', scan)),
  )
  const command = (argv: readonly string[]) =>
    runCommand(argv, { onProgress: (text) => onProgress(`${name}, seed ${seed}: ${text}`) })
  const settings = ['--model', scores.model, '--preset', 'standard', '--unlabelled', 'none']
  if (scores.features !== null) settings.push('--features', scores.features)
  if (scores.steps !== null) settings.push('--max-steps', scores.steps.toString())
  settings.push('--seed', seed.toString())
  await command(['train', ...training.map(images), '--labels', ...labels, ...settings, '--out', run])
  const tested = Object.keys(split.test)
  const truths = tested.map((scan) =>
    chosenLabels(data, scan, split.test[scan], path.join(place, 'truth', scan)),
  )
  const predictions = tested.map((scan) => path.join(place, 'predicted', scan))
  for (const [index, scan] of tested.entries()) {
    mkdirSync(path.dirname(predictions[index]), { recursive: true })
    await command(['segment', images(scan), '--model', run, '--out', predictions[index]])
  }
  const pairs = ['--truth', ...truths, '--predicted', ...predictions]
  return (await command(['evaluate', ...pairs, '--unlabelled', 'none'])).result
}

/** A folder with the label slices of `stems` only. */
function chosenLabels(data: string, scan: string, stems: readonly string[], folder: string): string {
  mkdirSync(folder, { recursive: true })
  for (const stem of stems) {
    const file = path.join(data, scan, 'labels', `${stem}.tif`)
    if (!existsSync(file)) throw new Error(`${file}: expected a label slice of the split, found none`)
    copyFileSync(file, path.join(folder, `${stem}.tif`))
  }
  return folder
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Command, Option } from 'commander'
import type { Benchmark } from './benchmark.ts'
import { describeMachine, formatTable, meets, type BenchmarkResult } from './report.ts'

/** Loaded when asked for: reading files needs no TensorFlow. */
const benchmarks: Record<string, () => Promise<Benchmark>> = {
  train: async () => (await import('./train.ts')).benchmarkTraining,
  predict: async () => (await import('./predict.ts')).benchmarkPrediction,
  io: async () => (await import('./io.ts')).benchmarkFiles,
  slices: async () => (await import('./slices.ts')).benchmarkSlices,
  journal: async () => (await import('./journal.ts')).benchmarkJournal,
  bulk: async () => (await import('./bulk.ts')).benchmarkBulkSteps,
  kills: async () => (await import('./kills.ts')).benchmarkKills,
  window: async () => (await import('./window.ts')).benchmarkWindow,
  memory: async () => (await import('./memory.ts')).benchmarkMemory,
  scores: async () => (await import('./scores.ts')).benchmarkScores,
  soak: async () => (await import('./soak.ts')).benchmarkSoak,
}

interface MainOptions {
  smoke: boolean
  check: boolean
  minutes: number
  out?: string
  peers?: string[]
  model: 'unet' | 'vgg16-nn'
  features?: string
  steps?: number
  seeds: string[]
  splits?: string[]
  keras?: string
}

/**
 * Runs the benchmarks named in `argv` one after the other. Prints a table for each and, as the last line, everything as
 * JSON. Returns the exit code: 1 when `--check` was given and a bar was missed.
 */
export async function runBenchmarks(argv: readonly string[]): Promise<number> {
  const program = new Command('bench')
    .description('Measure Phasemark against its peers; see docs/benchmarks.md')
    .argument('<benchmarks...>', Object.keys(benchmarks).join(', '))
    .option('--smoke', 'tiny sizes: shows that the benchmark runs, the numbers mean nothing', false)
    .option('--check', 'exit with 1 when a bar is missed', false)
    .addOption(new Option('--minutes <n>', 'length of the soak').default(60).argParser(Number))
    .option('--out <file>', 'write the JSON to a file as well')
    .addOption(new Option('--peers <names>', 'compare with these only, separated by commas').argParser(list))
    .addOption(new Option('--model <name>', 'model for scores').choices(['unet', 'vgg16-nn']).default('unet'))
    .option('--features <set>', 'features of vgg16-nn for scores')
    .addOption(
      new Option(
        '--steps <n>',
        'length of training for scores; default: 300 for unet, the preset for vgg16-nn',
      ).argParser(Number),
    )
    .addOption(new Option('--seeds <list>', 'seeds for scores').default(['1']).argParser(list))
    .addOption(new Option('--splits <names>', 'splits for scores; default: all').argParser(list))
    .option('--keras <file>', 'scores that a script of peers/ wrote, to compare with')
    .parse([...argv], { from: 'user' })
  const options = program.opts<MainOptions>()
  for (const name of program.args) {
    if (!(name in benchmarks))
      program.error(`unknown benchmark ${name}: expected ${Object.keys(benchmarks).join(', ')}`)
  }
  // An interrupted benchmark leaves through `exit`, where children are stopped and gigabytes of samples removed.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
  const machine = describeMachine()
  const results: BenchmarkResult[] = []
  for (const name of program.args) {
    const benchmark = await benchmarks[name]()
    const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-bench-'))
    const clean = () => rmSync(folder, { recursive: true, force: true })
    process.once('exit', clean)
    try {
      const result = await benchmark({
        smoke: options.smoke,
        minutes: options.minutes,
        peerNames: options.peers ?? null,
        scores: {
          model: options.model,
          features: options.features ?? null,
          steps: options.steps ?? (options.model === 'unet' ? 300 : null),
          seeds: options.seeds.map(Number),
          splitNames: options.splits ?? null,
          kerasFile: options.keras ?? null,
        },
        folder,
        onProgress: (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${name}: ${text}`),
      })
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
      results.push(options.smoke ? withoutBars(result) : result)
      console.log(`${formatTable(results.at(-1)!)}\n`)
    } finally {
      process.off('exit', clean)
      clean()
    }
  }
  const json = JSON.stringify({ smoke: options.smoke, machine, results })
  if (options.out !== undefined) writeFileSync(options.out, json)
  console.log(json)
  const missed = results.flatMap(({ measurements }) => measurements).filter((one) => meets(one) === false)
  return options.check && missed.length > 0 ? 1 : 0
}

/** Tiny sizes say nothing about the bars. */
function withoutBars(result: BenchmarkResult): BenchmarkResult {
  const measurements = result.measurements.map(({ what, value, unit, note }) => ({
    what,
    value,
    unit,
    ...(note === undefined ? {} : { note }),
  }))
  return { ...result, measurements }
}

function list(text: string): string[] {
  return text.split(',')
}

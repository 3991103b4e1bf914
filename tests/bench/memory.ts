import path from 'node:path'
import type { BenchmarkOptions } from './benchmark.ts'
import { numberOf, runCommand, type CommandOutcome } from './command-line.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { plainLayout, writeSampleVolume } from './sample-volume.ts'
import { trainQuickModel } from './trained-model.ts'

/** DESIGN §7, in GB of 10⁹ bytes. */
const memoryBar = { relation: '<', limit: 4 } as const

/**
 * Peak memory of prediction (with probabilities, the largest output) and evaluation, each in a process of its own, on a
 * deep stack and on few very large slices. Resident memory as the kernel counts it, children included, decides; what the
 * program reports of itself stands beside it.
 */
export async function benchmarkMemory({
  folder,
  smoke,
  onProgress,
}: BenchmarkOptions): Promise<BenchmarkResult> {
  const run = await trainQuickModel(folder, onProgress)
  const measurements: Measurement[] = []
  const details: Record<string, unknown> = {}
  const shapes = smoke
    ? [[3, 96]]
    : [
        [64, 2048],
        [4, 6144],
      ]
  for (const [slices, size] of shapes as [number, number][]) {
    const title = `${slices} × ${size} × ${size}`
    const volume = path.join(folder, `volume-${size}`)
    const labels = path.join(folder, `labels-${size}`)
    const predicted = path.join(folder, `predicted-${size}`)
    const distinctSlices = Math.min(slices, 4)
    writeSampleVolume(
      volume,
      { slices, height: size, width: size, distinctSlices, layout: plainLayout },
      labels,
    )
    const segment = await runCommand(
      ['segment', volume, '--model', run, '--out', predicted, '--probabilities'],
      { onProgress },
    )
    const evaluate = await runCommand(
      ['evaluate', '--truth', labels, '--predicted', predicted, '--unlabelled', 'none'],
      { onProgress },
    )
    measurements.push(
      ...observed(`segment ${title}`, segment),
      {
        what: `segment ${title}, as reported`,
        value: numberOf(segment.result, 'peakMemoryBytes') / 1e9,
        unit: 'GB',
        bar: memoryBar,
      },
      ...observed(`evaluate ${title}`, evaluate),
    )
    details[title] = { segment, evaluate: { ...evaluate, result: undefined } }
  }
  return { benchmark: 'memory', measurements, skipped: {}, details }
}

/** Nothing where the system does not tell (no /proc). */
function observed(what: string, { observedPeakBytes }: CommandOutcome): Measurement[] {
  return observedPeakBytes === null
    ? []
    : [{ what, value: observedPeakBytes / 1e9, unit: 'GB', bar: memoryBar }]
}

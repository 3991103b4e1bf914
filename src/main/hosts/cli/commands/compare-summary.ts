import {
  modelLetters,
  worstMaterialsFirst,
  type Comparison,
  type ComparisonTable,
} from '../../../../shared/comparison/comparison.ts'
import type { CompareResult } from '../../../engine/compare/compare.ts'
import { formatDuration } from '../progress-display.ts'

/** The comparison for people: per table the worst material first, then what it cost, then where the files are. */
export function summariseComparison(result: CompareResult): string {
  return [
    ...comparisonLines(result.summary),
    ...result.warnings.map(({ message }) => `Warning: ${message}`),
    '',
    `Comparison: ${result.comparison}`,
    `Report: ${result.report}`,
  ].join('\n')
}

/** Both models, their scores and what they cost. */
export function comparisonLines(comparison: Comparison): string[] {
  const { models, tables } = comparison
  return [
    ...modelLetters.map((letter) => `${letter}: ${models[letter].title} (${models[letter].path})`),
    ...tables.flatMap(tableLines),
    '',
    ...costLines(comparison),
  ]
}

function tableLines(table: ComparisonTable): string[] {
  const { A, B } = table.models
  const rows = worstMaterialsFirst(table).flatMap((k) =>
    modelLetters.map((letter) => {
      const { name, id, f1, boundaryF1, confidence } = table.models[letter].perMaterial[k]
      return line(`${name} [${id}]`, letter, f1, confidence.f1, boundaryF1)
    }),
  )
  const { difference } = table
  const { pValue } = difference.tests.macroF1.signFlip
  const interval = difference.confidence.macroF1
  return [
    '',
    `${table.dataSet} data set, ${table.split} slices (${table.slices.length}), boundary tolerance ${table.tolerance} voxels`,
    `${'Material'.padEnd(28)}    ${'F1 %'.padStart(6)}  ${'95 % interval'.padEnd(13)}  Boundary F1 %`,
    ...rows,
    line('Macro mean', 'A', A.macroF1, A.confidence.macroF1, A.macroBoundaryF1),
    line('Macro mean', 'B', B.macroF1, B.confidence.macroF1, B.macroBoundaryF1),
    `A − B in macro-F1: ${signed(difference.macroF1)} points${interval === null ? '' : ` (95 % interval ${signed(interval[0])} to ${signed(interval[1])})`}; paired test over slices: p = ${pValue === null ? '–' : pValue.toPrecision(2)}`,
  ]
}

function line(
  name: string,
  letter: string,
  f1: number | null,
  interval: readonly [number, number] | null,
  boundaryF1: number | null,
): string {
  const range = interval === null ? '' : `${percent(interval[0])}–${percent(interval[1])}`
  return `${name.padEnd(28)} ${letter}  ${percent(f1).padStart(6)}  ${range.padEnd(13)}  ${percent(boundaryF1).padStart(6)}`
}

function costLines({ models }: Comparison): string[] {
  return modelLetters.flatMap((letter) => {
    const { parameters, training, costs } = models[letter]
    return [
      `${letter}: ${parameters.toLocaleString('en')} parameters, trained in ${formatDuration(training.seconds)} on ${training.labelledVoxels.toLocaleString('en')} labelled voxels of ${training.labelledSlices} slices`,
      ...costs.map(
        ({ dataSet, voxelsPerSecond, networkVoxelsPerSecond, peakMemoryBytes }) =>
          `   ${dataSet}: ${(voxelsPerSecond / 1e6).toFixed(2)} Mvoxel/s end to end, ${(networkVoxelsPerSecond / 1e6).toFixed(2)} network only${peakMemoryBytes === null ? '' : `, peak memory ${(peakMemoryBytes / 1e9).toFixed(2)} GB`}`,
      ),
    ]
  })
}

function percent(value: number | null): string {
  return value === null ? '–' : (100 * value).toFixed(2)
}

function signed(value: number | null): string {
  if (value === null) return '–'
  const text = (100 * Math.abs(value)).toFixed(2)
  return Number(text) === 0 ? text : `${value > 0 ? '+' : '−'}${text}`
}

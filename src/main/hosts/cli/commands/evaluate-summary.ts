import type { Interval } from '../../../../shared/metrics/bootstrap.ts'
import { formatSlices } from '../../../../shared/slice-ranges.ts'
import { worstFirst, type EvaluationResult } from '../../../../shared/metrics/evaluation.ts'

const undefinedMark = '–'

/** The scores for people: the worst material first, means last, with everything that a number needs beside it. */
export function summariseEvaluation(result: EvaluationResult): string {
  const warnings = result.warnings.map(({ message }) => `Note: ${message}`)
  return [
    ...contextLines(result),
    '',
    ...table(materialRows(result)),
    '',
    ...overallLines(result),
    ...(warnings.length > 0 ? ['', ...warnings] : []),
  ].join('\n')
}

function contextLines({ pairs, unlabelled, tolerance, labelledVoxels }: EvaluationResult): string[] {
  const lines = pairs.map(({ truth, predicted, pairing, slices }) => {
    const how = pairing === 'stem' ? 'file name' : 'position'
    return `${predicted} against ${truth}: ${slices.length === 1 ? 'slice' : 'slices'} ${formatSlices(slices)}, paired by ${how}`
  })
  const value = unlabelled.value === null ? 'none' : String(unlabelled.value)
  const origin = { option: 'as given', file: 'as the files say', default: 'nothing says otherwise' }
  return [
    ...lines,
    `Unlabelled value: ${value} (${origin[unlabelled.from]}). Scored voxels: ${grouped(labelledVoxels)}. Boundary tolerance: ${tolerance} voxels.`,
  ]
}

function materialRows({ perMaterial, tolerance, confidence }: EvaluationResult): string[][] {
  const inMicrometres = perMaterial.some(({ assdUm }) => assdUm !== null)
  const unit = inMicrometres ? 'µm' : 'voxels'
  const level = `${Math.round(confidence.level * 100)} %`
  const header = [
    'Material',
    'F1 %',
    `(${level} interval)`,
    'IoU %',
    'Precision %',
    'Recall %',
    `Boundary F1 % @ ${tolerance}`,
    `ASSD ${unit}`,
    `HD95 ${unit}`,
    'Fraction error %',
    'Voxels',
  ]
  const rows = worstFirst(perMaterial).map((material) => [
    `${material.name} [${material.id}]`,
    percent(material.f1),
    range(material.confidence.f1),
    percent(material.iou),
    percent(material.precision),
    percent(material.recall),
    percent(material.boundaryF1),
    decimal(inMicrometres ? material.assdUm : material.assd),
    decimal(inMicrometres ? material.hd95Um : material.hd95),
    signed(material.volumeFraction?.error ?? null),
    grouped(material.support),
  ])
  return [header, ...rows]
}

function overallLines(result: EvaluationResult): string[] {
  const { confidence } = result
  const line = (name: string, value: number | null, interval: Interval | null) =>
    `${name.padEnd(20)} ${percent(value).padStart(6)} %  ${range(interval)}`.trimEnd()
  return [
    line('Macro F1', result.macroF1, confidence.macroF1),
    line('Weighted F1', result.weightedF1, confidence.weightedF1),
    line('Mean IoU', result.meanIoU, confidence.meanIoU),
    line('Accuracy', result.accuracy, confidence.accuracy),
    line(`Boundary F1 @ ${result.tolerance}`, result.macroBoundaryF1, confidence.macroBoundaryF1),
  ]
}

/** Left-aligned first column, the others right-aligned. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  '),
  )
}

function percent(value: number | null): string {
  return value === null ? undefinedMark : (100 * value).toFixed(2)
}

function signed(value: number | null): string {
  if (value === null) return undefinedMark
  const text = (100 * Math.abs(value)).toFixed(2)
  return Number(text) === 0 ? text : `${value > 0 ? '+' : '−'}${text}`
}

function decimal(value: number | null): string {
  return value === null ? undefinedMark : value.toPrecision(3)
}

function range(interval: Interval | null): string {
  return interval === null ? '' : `(${percent(interval[0])}–${percent(interval[1])})`
}

/** `1 234 567` with thin spaces. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, '\u2009')
}

import {
  modelLetters,
  worstMaterialsFirst,
  type Comparison,
  type ComparisonTable,
} from '../../../shared/comparison/comparison.ts'

type Cell = string | number | null

/** CSV files of a comparison, by name. Every row says which data set, split, model and tolerance it belongs to. */
export function comparisonCsv(comparison: Comparison): Record<string, string> {
  return {
    'scores.csv': toCsv(
      [
        ...[
          'data_set',
          'split',
          'model',
          'material',
          'material_value',
          'metric',
          'tolerance_voxels',
          'value',
        ],
        ...['interval_low', 'interval_high', 'slices', 'labelled_voxels'],
      ],
      comparison.tables.flatMap(scoreRows),
    ),
    'slices.csv': toCsv(
      [
        ...['data_set', 'split', 'volume', 'slice', 'name', 'model', 'tolerance_voxels'],
        ...['macro_f1', 'accuracy', 'macro_boundary_f1'],
      ],
      comparison.tables.flatMap(sliceRows),
    ),
    'confusion.csv': toCsv(
      ['data_set', 'split', 'model', 'truth', 'truth_value', 'predicted', 'predicted_value', 'voxels'],
      comparison.tables.flatMap(confusionRows),
    ),
    'differences.csv': toCsv(
      [
        ...['data_set', 'split', 'material', 'material_value', 'metric', 'tolerance_voxels', 'a_minus_b'],
        ...['interval_low', 'interval_high', 'p_sign_flip', 'p_wilcoxon', 'slices'],
      ],
      comparison.tables.flatMap(differenceRows),
    ),
    'cost.csv': toCsv(
      [
        ...['model', 'data_set', 'parameters', 'training_seconds', 'training_steps', 'labelled_slices'],
        ...['labelled_voxels', 'voxels', 'seconds', 'network_seconds', 'voxels_per_second'],
        ...['network_voxels_per_second', 'memory_before_bytes', 'peak_memory_bytes'],
      ],
      modelLetters.flatMap((letter) => {
        const { parameters, training, costs } = comparison.models[letter]
        return costs.map((cost): Cell[] => [
          ...[letter, cost.dataSet, parameters, training.seconds, training.steps, training.labelledSlices],
          ...[training.labelledVoxels, cost.voxels, cost.seconds, cost.networkSeconds, cost.voxelsPerSecond],
          ...[cost.networkVoxelsPerSecond, cost.memoryBeforeBytes, cost.peakMemoryBytes],
        ])
      }),
    ),
  }
}

/** Scores that depend on the tolerance; the cell is empty for the others. */
const boundaryMetrics = new Set(['boundary_precision', 'boundary_recall', 'boundary_f1', 'macro_boundary_f1'])

function scoreRows(table: ComparisonTable): Cell[][] {
  return modelLetters.flatMap((letter) => {
    const scores = table.models[letter]
    const row = (
      [material, value]: [string, number | null],
      metric: string,
      score: number | null,
      interval: readonly [number, number] | null = null,
    ): Cell[] => [
      ...[table.dataSet, table.split, letter, material, value, metric],
      boundaryMetrics.has(metric) ? table.tolerance : null,
      ...[score, interval?.[0] ?? null, interval?.[1] ?? null],
      ...[scores.confidence.slices, scores.labelledVoxels],
    ]
    const all: [string, null] = ['', null]
    return [
      ...worstMaterialsFirst(table).flatMap((k) => {
        const material = scores.perMaterial[k]
        const which: [string, number] = [material.name, material.id]
        const { confidence, volumeFraction } = material
        return [
          row(which, 'f1', material.f1, confidence.f1),
          row(which, 'iou', material.iou, confidence.iou),
          row(which, 'precision', material.precision),
          row(which, 'recall', material.recall),
          row(which, 'boundary_precision', material.boundaryPrecision),
          row(which, 'boundary_recall', material.boundaryRecall),
          row(which, 'boundary_f1', material.boundaryF1, confidence.boundaryF1),
          row(which, 'assd_voxels', material.assd),
          row(which, 'assd_um', material.assdUm),
          row(which, 'hd95_voxels', material.hd95),
          row(which, 'hd95_um', material.hd95Um),
          row(which, 'volume_fraction_truth', volumeFraction?.truth ?? null),
          row(which, 'volume_fraction_predicted', volumeFraction?.predicted ?? null),
          row(which, 'volume_fraction_error', volumeFraction?.error ?? null),
          row(which, 'support_voxels', material.support),
        ]
      }),
      row(all, 'macro_f1', scores.macroF1, scores.confidence.macroF1),
      row(all, 'weighted_f1', scores.weightedF1, scores.confidence.weightedF1),
      row(all, 'mean_iou', scores.meanIoU, scores.confidence.meanIoU),
      row(all, 'accuracy', scores.accuracy, scores.confidence.accuracy),
      row(all, 'macro_boundary_f1', scores.macroBoundaryF1, scores.confidence.macroBoundaryF1),
    ]
  })
}

function sliceRows(table: ComparisonTable): Cell[][] {
  return table.slices.flatMap((slice) =>
    modelLetters.map((letter): Cell[] => {
      const { macroF1, accuracy, macroBoundaryF1 } = slice[letter]
      return [
        ...[table.dataSet, table.split, table.volumes[slice.volume].volume, slice.z, slice.name, letter],
        ...[table.tolerance, macroF1, accuracy, macroBoundaryF1],
      ]
    }),
  )
}

function confusionRows(table: ComparisonTable): Cell[][] {
  return modelLetters.flatMap((letter) => {
    const { confusion, confusionRows: rows, confusionColumns: columns, perMaterial } = table.models[letter]
    const nameOf = (value: number | 'outside') =>
      perMaterial.find(({ id }) => id === value)?.name ?? 'outside'
    return rows.flatMap((truth, row) =>
      columns.map((predicted, column): Cell[] => [
        ...[table.dataSet, table.split, letter, nameOf(truth), truth, nameOf(predicted)],
        predicted === 'outside' ? null : predicted,
        confusion[row][column],
      ]),
    )
  })
}

function differenceRows(table: ComparisonTable): Cell[][] {
  const { difference, models } = table
  const slices = models.A.confidence.slices
  const row = (
    [material, value]: [string, number | null],
    metric: string,
    score: number | null,
    interval: readonly [number, number] | null,
    test: { signFlip: { pValue: number | null }; wilcoxon: { pValue: number | null } } | null = null,
  ): Cell[] => [
    ...[table.dataSet, table.split, material, value, metric],
    boundaryMetrics.has(metric) ? table.tolerance : null,
    ...[score, interval?.[0] ?? null, interval?.[1] ?? null],
    ...[test?.signFlip.pValue ?? null, test?.wilcoxon.pValue ?? null, slices],
  ]
  const { confidence, tests } = difference
  return [
    ...worstMaterialsFirst(table).flatMap((k) => {
      const { id, f1, boundaryF1, confidence: own } = difference.perMaterial[k]
      const which: [string, number] = [models.A.perMaterial[k].name, id]
      return [row(which, 'f1', f1, own.f1), row(which, 'boundary_f1', boundaryF1, own.boundaryF1)]
    }),
    row(['', null], 'macro_f1', difference.macroF1, confidence.macroF1, tests.macroF1),
    row(['', null], 'weighted_f1', difference.weightedF1, confidence.weightedF1),
    row(['', null], 'mean_iou', difference.meanIoU, confidence.meanIoU),
    row(['', null], 'accuracy', difference.accuracy, confidence.accuracy),
    row(
      ['', null],
      'macro_boundary_f1',
      difference.macroBoundaryF1,
      confidence.macroBoundaryF1,
      tests.macroBoundaryF1,
    ),
  ]
}

/** RFC 4180, with text that a spreadsheet would run as a formula kept text. */
function toCsv(header: readonly string[], rows: readonly Cell[][]): string {
  return [header, ...rows].map((row) => row.map(cellText).join(',')).join('\r\n') + '\r\n'
}

function cellText(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'number') return String(cell)
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

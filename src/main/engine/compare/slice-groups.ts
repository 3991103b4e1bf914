import { splits, type ComparisonTable, type Split } from '../../../shared/comparison/comparison.ts'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import type { SliceRange } from '../../../shared/slice-ranges.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import type { OpenDataSet } from './data-sets.ts'
import { scoredVoxels, type SplitSlices } from './score-slices.ts'
import type { TrainingSlices } from './training-slices.ts'

/** The labelled slices of a data set by what they were to the models. */
export interface SliceGroups {
  /** What is scored, the group that speaks for the data set first. */
  scored: SplitSlices[]
  /** All labelled slices in the chosen ranges, also those that are left out; per volume. */
  all: Record<Split, number[][]>
}

/** The later decides when a slice was different things to A and B: each excludes more than the one before. */
const bySeverity: readonly Split[] = ['held-out', 'unknown', 'validation', 'gap', 'training']

/** These are scored when there are any; the others only when nothing else is left. */
const alwaysScored: readonly Split[] = ['held-out', 'unknown', 'validation']

/**
 * Sorts the labelled slices of a data set by split. A slice counts as what it was to the model that knows it best, so that A and
 * B are scored on the same slices.
 *
 * Throws `WrongUsage` on ranges beyond every volume, `BadInput` when no labelled slice is left to score.
 */
export function groupSlices(
  dataSet: OpenDataSet,
  training: Record<'A' | 'B', readonly TrainingSlices[]>,
  ranges: readonly SliceRange[] | undefined,
): SliceGroups {
  const option = dataSet.kind === 'seen' ? '--slices' : '--unseen-slices'
  const deepest = Math.max(...dataSet.volumes.map(({ source }) => source.meta.shape[0]))
  const beyond = ranges?.find(({ last }) => last >= deepest)
  if (beyond !== undefined)
    throw new PhasemarkError(
      'WrongUsage',
      `${option}: expected positions 0-${deepest - 1}, found ${beyond.first}-${beyond.last}`,
      { argument: option },
    )
  const all = Object.fromEntries(
    splits.map((split) => [split, dataSet.volumes.map((): number[] => [])]),
  ) as Record<Split, number[][]>
  for (const [index, { labels }] of dataSet.volumes.entries())
    for (const z of labels.labelledSlices) {
      if (ranges?.some(({ first, last }) => z >= first && z <= last) === false) continue
      if (scoredVoxels(dataSet, index, z) === 0) continue
      const roles = [training.A[index].roleOf(z), training.B[index].roleOf(z)]
      const split = bySeverity.findLast((name) => roles.includes(name))!
      all[split][index].push(z)
    }
  const filled = splits.filter((split) => all[split].some((slices) => slices.length > 0))
  if (filled.length === 0)
    throw badInput(
      dataSet.volumes.map(({ input }) => input.labels).join(', '),
      `labelled voxels in the slices to score${ranges === undefined ? '' : ` (${option})`}`,
      'not a single one',
    )
  const usual = filled.filter((split) => alwaysScored.includes(split))
  const scored = usual.length > 0 ? usual : [filled[0]]
  return { scored: scored.map((split) => ({ split, slices: all[split] })), all }
}

/** All slices of some groups, per volume, ascending. */
export function unionOf(groups: readonly SplitSlices[]): number[][] {
  return groups[0].slices.map((_, volume) =>
    groups.flatMap(({ slices }) => slices[volume]).sort((a, b) => a - b),
  )
}

/** What a reader should know about where the numbers of a data set come from. */
export function splitWarnings(dataSet: OpenDataSet, scored: readonly SplitSlices[]): VolumeWarning[] {
  const { split } = scored[0]
  const names: Partial<Record<Split, string>> = {
    validation: 'slices on which the best checkpoint was chosen',
    gap: 'slices beside those used for validation',
    training: 'slices that at least one of the models was trained on',
  }
  const what = names[split]
  if (what === undefined) return []
  return [
    {
      kind: 'other',
      message: `the ${dataSet.kind} data set has no held-out slices: its scores are of ${what}, and too good`,
    },
  ]
}

/** Below this number of slices, percentile intervals are noticeably too narrow. */
const fewSlices = 10

/** What limits the numbers of a table. */
export function tableWarnings({ dataSet, split, models, slices }: ComparisonTable): VolumeWarning[] {
  const place = `${dataSet} data set, ${split} slices`
  const messages: string[] = []
  if (slices.length < 2) messages.push(`${place}: one slice only, so no confidence intervals and no test`)
  else if (slices.length < fewSlices)
    messages.push(
      `${place}: ${slices.length} slices only; intervals are rough and rather too narrow, and p cannot be below ${(2 / 2 ** slices.length).toPrecision(2)}`,
    )
  const absent = models.A.perMaterial.filter(({ support }) => support === 0).map(({ name }) => name)
  if (absent.length > 0)
    messages.push(`${place}: no truth for ${absent.join(', ')}, so no F1 and left out of the means`)
  for (const letter of ['A', 'B'] as const)
    if (models[letter].confusionColumns.includes('outside'))
      messages.push(
        `${place}: ${letter} predicts materials that the truth does not have; these voxels count as errors`,
      )
  return messages.map((message) => ({ kind: 'other', message }))
}

import { PhasemarkError } from '../../../../shared/errors.ts'
import type { SliceRange } from '../../../../shared/slice-ranges.ts'

/** Which labelled slices of one volume are used for what. Positions z, ascending. */
export interface SliceSplit {
  training: readonly number[]
  validation: readonly number[]
  /** Labelled slices used for neither, because they lie too close to the validation slab. */
  gap: readonly number[]
}

export interface SplitOptions {
  trainSlices?: readonly SliceRange[]
  validationSlices?: readonly SliceRange[]
}

/** Below this many labelled slices every one is needed for training. */
export const minSlicesForValidation = 10
/** Share of labelled slices that validate, when the split is ours to choose. */
const validationShare = 0.15
/** Neighbouring slices show nearly the same; this many slices beside the slab are left out of training if that is few. */
const gapSlices = 5

/**
 * Splits the labelled slices of every volume. Slices given by the user are taken as they are. Otherwise, when ten slices or
 * more are labelled in all, the last of every volume that has five or more form a slab for validation, with a gap before it.
 *
 * @param labelled per volume: positions of labelled slices, ascending
 * Throws `WrongUsage` when ranges overlap or choose no labelled slice.
 */
export function splitSlices(labelled: readonly (readonly number[])[], options: SplitOptions): SliceSplit[] {
  const { trainSlices, validationSlices } = options
  const inside = (ranges: readonly SliceRange[], z: number) =>
    ranges.some(({ first, last }) => z >= first && z <= last)
  let splits: SliceSplit[]
  if (validationSlices !== undefined) {
    splits = labelled.map((slices) => ({
      training: slices.filter((z) =>
        trainSlices === undefined ? !inside(validationSlices, z) : inside(trainSlices, z),
      ),
      validation: slices.filter((z) => inside(validationSlices, z)),
      gap: [],
    }))
    for (const { training, validation } of splits) {
      const both = training.filter((z) => validation.includes(z))
      if (both.length > 0) {
        throw new PhasemarkError(
          'WrongUsage',
          `--train-slices and --val-slices: expected separate slices, found slice ${both[0]} in both`,
          { argument: '--val-slices' },
        )
      }
    }
    requireSome(
      splits.map(({ validation }) => validation),
      '--val-slices',
    )
  } else if (trainSlices !== undefined) {
    splits = labelled.map((slices) => ({
      training: slices.filter((z) => inside(trainSlices, z)),
      validation: [],
      gap: [],
    }))
  } else {
    const total = labelled.reduce((sum, slices) => sum + slices.length, 0)
    splits = labelled.map((slices) =>
      total < minSlicesForValidation || slices.length < 5
        ? { training: slices, validation: [], gap: [] }
        : slabAtEnd(slices),
    )
  }
  requireSome(
    splits.map(({ training }) => training),
    trainSlices === undefined ? '--val-slices' : '--train-slices',
  )
  return splits
}

function slabAtEnd(slices: readonly number[]): SliceSplit {
  const count = Math.max(1, Math.round(slices.length * validationShare))
  const validation = slices.slice(-count)
  const before = slices.slice(0, -count)
  // A gap never costs more than a tenth of the labels.
  const limit = Math.max(1, Math.floor(slices.length / 10))
  const gap = before.filter((z) => validation[0] - z <= gapSlices).slice(-limit)
  return { training: before.slice(0, before.length - gap.length), validation, gap }
}

function requireSome(chosen: readonly (readonly number[])[], argument: string): void {
  if (chosen.some((slices) => slices.length > 0)) return
  throw new PhasemarkError(
    'WrongUsage',
    `${argument}: expected ranges that leave labelled slices for training and validation, found none`,
    { argument },
  )
}

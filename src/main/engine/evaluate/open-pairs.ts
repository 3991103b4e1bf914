import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import type { SliceRange } from '../../../shared/slice-ranges.ts'
import type { LabelPairing } from '../labels/label-source.ts'
import { openLabelFile, placeOf, type LabelFile, type OpenLabelFileOptions } from '../labels/label-file.ts'
import { pairByName, pairByPosition, shareNames } from '../labels/pair-slices.ts'

/** A truth and a prediction with slices matched. */
export interface OpenPair {
  truth: LabelFile
  predicted: LabelFile
  pairing: LabelPairing
  /** Slices to score, ascending by truth position. */
  slices: { truth: number; predicted: number }[]
}

/**
 * Opens truths and predictions and matches their slices: by file stem, or by position when no stem matches and the numbers
 * agree. `ranges` are positions in each truth. The prediction may have more slices than the truth. The caller closes all with
 * {@link closePairs}; nothing stays open when this throws.
 *
 * Throws `BadInput` when a prediction lacks a slice or has another size, `WrongUsage` when a range lies beyond a truth.
 */
export async function openPairs(
  pairs: readonly { truth: string; predicted: string }[],
  ranges: readonly SliceRange[] | undefined,
  options: Pick<OpenLabelFileOptions, 'signal' | 'unlabelled'>,
): Promise<OpenPair[]> {
  const opened: LabelFile[] = []
  const open = async (path: string, fileOptions: OpenLabelFileOptions) => {
    const file = await openLabelFile(path, fileOptions)
    opened.push(file)
    return file
  }
  try {
    const result: OpenPair[] = []
    for (const paths of pairs) {
      const predicted = await open(paths.predicted, signalOf(options))
      const truth = await open(paths.truth, { ...options, segmentation: predicted.file.meta })
      requireSameSize(truth, predicted)
      result.push({ truth, predicted, ...pairUp(truth, predicted, ranges) })
    }
    return result
  } catch (error) {
    await Promise.allSettled(opened.map(({ file }) => file.close()))
    throw error
  }
}

function signalOf({ signal }: Pick<OpenLabelFileOptions, 'signal'>): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

export async function closePairs(pairs: readonly OpenPair[]): Promise<void> {
  await Promise.all(pairs.flatMap(({ truth, predicted }) => [truth.file.close(), predicted.file.close()]))
}

function requireSameSize(truth: LabelFile, predicted: LabelFile): void {
  const [, height, width] = truth.file.meta.shape
  const [, foundHeight, foundWidth] = predicted.file.meta.shape
  if (height !== foundHeight || width !== foundWidth)
    throw badInput(
      placeOf(predicted.file.meta, 0),
      `a slice of ${height} × ${width} voxels (y × x) like ${placeOf(truth.file.meta, 0)}`,
      `${foundHeight} × ${foundWidth}`,
    )
}

function pairUp(
  truth: LabelFile,
  predicted: LabelFile,
  ranges: readonly SliceRange[] | undefined,
): Pick<OpenPair, 'pairing' | 'slices'> {
  const chosen = chooseSlices(truth, ranges)
  const { sliceNames } = truth.file.meta
  const found = { path: predicted.path, what: 'predicted slice', names: predicted.file.meta.sliceNames }
  const truthSlices = (names: readonly string[]) => ({ path: truth.path, what: 'truth slice', names })
  const wanted = truthSlices(chosen.map((z) => sliceNames[z]))
  const whole = truthSlices(sliceNames)
  // A prediction without matching names may hold all slices of the truth or just the chosen ones.
  const isWhole = found.names.length === sliceNames.length
  const paired = shareNames(whole, found)
    ? pairByName(wanted, found)
    : isWhole
      ? { pairing: 'position' as const, positions: chosen }
      : pairByPosition(wanted, found)
  return {
    pairing: paired.pairing,
    slices: chosen.map((z, i) => ({ truth: z, predicted: paired.positions[i] })),
  }
}

function chooseSlices(truth: LabelFile, ranges: readonly SliceRange[] | undefined): number[] {
  const depth = truth.file.meta.shape[0]
  const all = Array.from({ length: depth }, (_, z) => z)
  if (ranges === undefined) return all
  for (const { first, last } of ranges)
    if (first < 0 || last < first || last >= depth)
      throw new PhasemarkError(
        'WrongUsage',
        `slices ${first}-${last}: expected positions from 0 to ${depth - 1}, because ${truth.path} has ${depth} slices`,
        { argument: '--slices' },
      )
  return all.filter((z) => ranges.some(({ first, last }) => z >= first && z <= last))
}

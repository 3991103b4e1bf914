import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { unlabelledIndex, type Material } from '../../../shared/materials.ts'
import type { EvaluationResult } from '../../../shared/metrics/evaluation.ts'
import { EvaluationTally } from '../../../shared/metrics/evaluation-tally.ts'
import { SliceScorer } from '../../../shared/metrics/slice-score.ts'
import type { SliceRange } from '../../../shared/slice-ranges.ts'
import type { VoxelSize } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import { placeOf, type LabelFile } from '../labels/label-file.ts'
import { requireWholeNumbers, ValueLookup } from '../labels/label-values.ts'
import { readInOrder, readsAhead } from '../labels/read-in-order.ts'
import { resolveLabels, type ResolvedLabels, type ResolveOptions } from '../labels/resolve-labels.ts'
import { evaluationWarnings, nameMaterials, OutsideValues, pixelSize } from './evaluation-context.ts'
import { closePairs, openPairs, type OpenPair } from './open-pairs.ts'

export const defaultTolerance = 2

export interface EvaluateOptions extends JobOptions {
  /** Folders or files; several pairs are pooled as if they were one volume. */
  pairs: readonly { truth: string; predicted: string }[]
  /** File value of the truth that is not scored, or `none`. Default: what the truth files say, else none. */
  unlabelled?: number | 'none'
  /** JSON list of `{ value, name, colour }`. */
  materialsPath?: string
  /** Positions in each truth; default all. */
  slices?: readonly SliceRange[]
  /** Of the boundary F1, in voxels, not negative; default {@link defaultTolerance}. */
  tolerance?: number
  /** Overrules what the files say; gives the surface distances in µm. */
  voxelSize?: VoxelSize
  /** Of the confidence intervals; default 0. */
  seed?: number
}

/**
 * Scores predicted segmentations against the truth. Slices are read and scored one after the other, so that memory does not
 * depend on their number; the truth is read twice, once to learn which materials there are.
 *
 * Throws `BadInput` on files that do not belong together, that hold no labels, or without a single labelled voxel in the
 * chosen slices, `WrongUsage` on slices that do not exist, `NotFound`, `Cancelled`.
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { signal } = options
  const pairs = await openPairs(options.pairs, options.slices, {
    ...(signal === undefined ? {} : { signal }),
    ...(options.unlabelled === undefined ? {} : { unlabelled: options.unlabelled }),
  })
  try {
    const truths = pairs.map(({ truth }) => truth)
    const found = await resolveLabels(truths, resolveOptions(options))
    const materials = nameMaterials(found.materials, pairs, options.materialsPath !== undefined)
    const scored = await scorePairs(pairs, found, materials, options)
    if (scored.slices.every((slices) => slices.length === 0))
      throw badInput(
        truths.map(({ path }) => path).join(', '),
        `labelled voxels in the slices to score (${found.unlabelled.value === null ? 'no value' : `the value ${found.unlabelled.value}`} counts as unlabelled)`,
        'not a single one',
      )
    const pixel = pixelSize(pairs, options.voxelSize)
    const scores = scored.tally.scores(pixel.um, options.seed ?? 0)
    return {
      ...scores,
      unlabelled: found.unlabelled,
      pairs: pairs.map(({ truth, predicted, pairing }, index) => ({
        truth: truth.path,
        predicted: predicted.path,
        pairing,
        slices: scored.slices[index],
      })),
      warnings: [
        ...found.warnings.flat(),
        ...scored.outside.warnings(),
        ...pixel.warnings,
        ...evaluationWarnings(scores, scored.partlyUnlabelled),
      ],
    }
  } finally {
    await closePairs(pairs)
  }
}

function resolveOptions({ unlabelled, materialsPath, signal, onProgress }: EvaluateOptions): ResolveOptions {
  return {
    ...(unlabelled === undefined ? {} : { unlabelled }),
    ...(materialsPath === undefined ? {} : { materialsPath }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  }
}

interface ScoredPairs {
  tally: EvaluationTally
  outside: OutsideValues
  /** Truth positions that hold labelled voxels, per pair. */
  slices: number[][]
  partlyUnlabelled: boolean
}

async function scorePairs(
  pairs: readonly OpenPair[],
  found: ResolvedLabels,
  materials: readonly Material[],
  options: EvaluateOptions,
): Promise<ScoredPairs> {
  const { signal } = options
  const tolerance = options.tolerance ?? defaultTolerance
  const tally = new EvaluationTally(materials, tolerance)
  const outside = new OutsideValues()
  const truthLookup = new ValueLookup(found.indexOf, unlabelledIndex)
  // A prediction of the unlabelled value is none of the materials, and so an error like any other.
  const materialOf = new Map(materials.map(({ value, index }) => [value, index]))
  const predictedLookup = new ValueLookup(materialOf, 0)
  const labelledOf = (pair: number, z: number) => countLabelled(found, pair, z)

  const work = pairs.flatMap(({ slices }, pair) =>
    slices.filter(({ truth }) => labelledOf(pair, truth) > 0).map((slice) => ({ pair, ...slice })),
  )
  const readOptions = signal === undefined ? {} : { signal }
  const largest = Math.max(...pairs.map(({ truth, predicted }) => sliceBytes(truth) + sliceBytes(predicted)))
  const reads = readInOrder(work.length, readsAhead(largest), (index) => {
    const { pair, truth, predicted } = work[index]
    return Promise.all([
      pairs[pair].truth.file.readSlice(truth, readOptions),
      pairs[pair].predicted.file.readSlice(predicted, readOptions),
    ])
  })

  const started = performance.now()
  const slices = pairs.map((): number[] => [])
  let partlyUnlabelled = false
  let scorer: SliceScorer | null = null
  let scorerPair = -1
  let done = 0
  for await (const [truthValues, predictedValues] of reads) {
    throwIfCancelled(signal)
    const { pair, truth: z, predicted: predictedZ } = work[done]
    const place = placeOf(pairs[pair].predicted.file.meta, predictedZ)
    requireWholeNumbers(predictedValues, place)
    const truth = truthLookup.translate(truthValues)
    const predicted = predictedLookup.translate(predictedValues)
    const [, height, width] = pairs[pair].truth.file.meta.shape
    if (scorer === null || scorerPair !== pair) {
      scorer = new SliceScorer(height, width, materials.length, tolerance)
      scorerPair = pair
    }
    tally.add(scorer.score(truth, predicted))
    outside.add(truth, predicted, predictedValues)
    slices[pair].push(z)
    partlyUnlabelled ||= labelledOf(pair, z) < height * width
    done++
    const elapsedSeconds = (performance.now() - started) / 1000
    options.onProgress?.({
      stage: 'scoring',
      done,
      total: work.length,
      unit: 'slices',
      etaSeconds: (elapsedSeconds / done) * (work.length - done),
    })
  }
  return { tally, outside, slices, partlyUnlabelled }
}

function sliceBytes({ file }: LabelFile): number {
  return file.meta.bytes / file.meta.shape[0]
}

function countLabelled(found: ResolvedLabels, file: number, z: number): number {
  const { values, counts } = found.counts[file][z]
  let labelled = 0
  for (const [i, value] of values.entries()) if (value !== found.unlabelled.value) labelled += counts[i]
  return labelled
}

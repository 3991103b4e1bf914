import type { ComparisonTable, Split, WorstRegion } from '../../../shared/comparison/comparison.ts'
import { throwIfCancelled } from '../../../shared/errors.ts'
import type { Material } from '../../../shared/materials.ts'
import { EvaluationTally, type TalliedScores } from '../../../shared/metrics/evaluation-tally.ts'
import { signFlipTest, wilcoxonTest } from '../../../shared/metrics/paired-tests.ts'
import { SliceScorer } from '../../../shared/metrics/slice-score.ts'
import { micrometresPerUnit, type VoxelSize } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import { ValueLookup } from '../labels/label-values.ts'
import { openVolume } from '../volume/open-volume.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import type { OpenDataSet, OpenDataVolume } from './data-sets.ts'
import { WorstRegions } from './worst-regions.ts'

/** The slices of a data set that share a split. */
export interface SplitSlices {
  split: Split
  /** Positions per volume of the data set. */
  slices: number[][]
}

export interface ScoreSettings extends JobOptions {
  tolerance: number
  seed: number
  /** Folder of the written segmentations, by volume of the data set. */
  segmentations: { A: string; B: string }[]
  /** Called after each slice, for progress. */
  onSlice(): void
}

/** A data set with the segmentations of both models open. */
export interface SegmentedSlice {
  truth: Uint8Array
  A: Uint8Array
  B: Uint8Array
}

/** Reads truth and both written segmentations slice by slice. The caller closes. */
export interface SegmentedDataSet {
  /** Indices of the table's materials, C order (y, x); 0 = not scored (truth) or outside (segmentations). */
  readSlice(volume: number, z: number, signal?: AbortSignal): Promise<SegmentedSlice>
  close(): Promise<void>
}

/** Opens the segmentations that were written for `slices` of `dataSet`. Throws as the readers do. */
export async function openSegmented(
  dataSet: OpenDataSet,
  folders: readonly { A: string; B: string }[],
  slices: readonly number[][],
): Promise<SegmentedDataSet> {
  const opened = new Map<number, { A: VolumeSource; B: VolumeSource; at: Map<string, number> }>()
  // A value that is no material of the truth is outside, and so an error like any other.
  const lookup = new ValueLookup(new Map(dataSet.materials.map(({ value, index }) => [value, index])), 0)
  const close = async () => {
    await Promise.all([...opened.values()].flatMap(({ A, B }) => [A.close(), B.close()]))
  }
  try {
    for (const [volume, folder] of folders.entries()) {
      // Nothing was segmented where nothing is scored.
      if (slices[volume].length === 0) continue
      const A = await openVolume(folder.A)
      const B = await openVolume(folder.B)
      opened.set(volume, { A, B, at: new Map(A.meta.sliceNames.map((name, position) => [name, position])) })
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    close,
    async readSlice(volume, z, signal) {
      const cancel = signal === undefined ? {} : { signal }
      const { source, labels } = dataSet.volumes[volume]
      const segmented = opened.get(volume)!
      const position = segmented.at.get(source.meta.sliceNames[z])!
      const [truth, a, b] = await Promise.all([
        labels.readSlice(z, cancel),
        segmented.A.readSlice(position, cancel),
        segmented.B.readSlice(position, cancel),
      ])
      for (let i = 0; i < truth.length; i++) truth[i] = dataSet.indexOf[truth[i]]
      return { truth, A: lookup.translate(a), B: lookup.translate(b) }
    },
  }
}

/** Number of voxels of slice z that are scored. */
export function scoredVoxels(dataSet: OpenDataSet, volume: number, z: number): number {
  const counts = dataSet.volumes[volume].labels.countSlice(z)
  return counts.reduce((sum, count, index) => sum + (dataSet.indexOf[index] > 0 ? count : 0), 0)
}

/**
 * Scores both models on the slices of one split, from the written segmentations: the numbers are those of `evaluate`.
 * Throws `BadInput`, `Cancelled`.
 */
export async function scoreSplit(
  dataSet: OpenDataSet,
  { split, slices }: SplitSlices,
  isPrimary: boolean,
  settings: ScoreSettings,
): Promise<{ table: ComparisonTable; regions: WorstRegion[] }> {
  const { tolerance, seed, signal } = settings
  const { materials } = dataSet
  const tallies = {
    A: new EvaluationTally(materials, tolerance),
    B: new EvaluationTally(materials, tolerance),
  }
  const regions = new WorstRegions()
  const segmented = await openSegmented(dataSet, settings.segmentations, slices)
  const places: { volume: number; z: number; name: string }[] = []
  try {
    for (const [volume, { source }] of dataSet.volumes.entries()) {
      const [, height, width] = source.meta.shape
      const scorer = new SliceScorer(height, width, materials.length, tolerance)
      for (const z of slices[volume]) {
        throwIfCancelled(signal)
        const { truth, A, B } = await segmented.readSlice(volume, z, signal)
        tallies.A.add(scorer.score(truth, A))
        tallies.B.add(scorer.score(truth, B))
        const name = source.meta.sliceNames[z]
        places.push({ volume, z, name })
        regions.add({ dataSet: dataSet.kind, volume, z, name }, materials, {
          ...{ truth, a: A, b: B, height, width },
        })
        settings.onSlice()
      }
    }
  } finally {
    await segmented.close()
  }
  const pixelUm = pixelSizeUm(dataSet.volumes.map(({ source }) => source.meta.voxelSize))
  const scores = { A: tallies.A.scores(pixelUm, seed), B: tallies.B.scores(pixelUm, seed) }
  const perSlice = { A: tallies.A.sliceScores(), B: tallies.B.sliceScores() }
  const test = (name: 'macroF1' | 'macroBoundaryF1') => {
    const differences = perSlice.A.flatMap(({ [name]: a }, i) => {
      const b = perSlice.B[i][name]
      return a === null || b === null ? [] : [a - b]
    })
    return { signFlip: signFlipTest(differences, seed), wilcoxon: wilcoxonTest(differences) }
  }
  return {
    regions: regions.regions(),
    table: {
      dataSet: dataSet.kind,
      split,
      tolerance,
      primary: isPrimary,
      volumes: dataSet.volumes.flatMap((volume, index) => describeVolume(volume, slices[index])),
      unlabelled: dataSet.unlabelled,
      models: scores,
      difference: {
        ...differenceOf(scores, tallies, seed, materials),
        tests: { macroF1: test('macroF1'), macroBoundaryF1: test('macroBoundaryF1') },
      },
      slices: places.map((place, i) => ({ ...place, A: perSlice.A[i], B: perSlice.B[i] })),
    },
  }
}

function describeVolume(
  { id, input, labels }: OpenDataVolume,
  slices: readonly number[],
): ComparisonTable['volumes'] {
  return [
    {
      id,
      ...input,
      pairing: labels.pairing,
      slices: [...slices],
      labelSlices: slices.map((z) => labels.labelledSlices.indexOf(z)),
    },
  ]
}

const overallNames = ['macroF1', 'weightedF1', 'meanIoU', 'accuracy', 'macroBoundaryF1'] as const

function differenceOf(
  { A, B }: Record<'A' | 'B', TalliedScores>,
  tallies: Record<'A' | 'B', EvaluationTally>,
  seed: number,
  materials: readonly Material[],
): Omit<ComparisonTable['difference'], 'tests'> {
  const intervals = tallies.A.differenceIntervals(tallies.B, seed)
  const overall = <T>(pick: (name: (typeof overallNames)[number]) => T) =>
    Object.fromEntries(overallNames.map((name) => [name, pick(name)])) as Record<
      (typeof overallNames)[number],
      T
    >
  return {
    ...overall((name) => minus(A[name], B[name])),
    confidence: overall((name) => intervals[name]),
    perMaterial: materials.map(({ value }, k) => ({
      id: value,
      f1: minus(A.perMaterial[k].f1, B.perMaterial[k].f1),
      boundaryF1: minus(A.perMaterial[k].boundaryF1, B.perMaterial[k].boundaryF1),
      confidence: {
        f1: intervals.perMaterial[k].f1,
        boundaryF1: intervals.perMaterial[k].boundaryF1,
      },
    })),
  }
}

function minus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b
}

/** Edges that differ by less are the same edge, written with another number of digits. */
const relativeTolerance = 1e-4

/** Edge of a voxel within the slice in µm, when it is known and the same for all volumes and for y and x. */
function pixelSizeUm(sizes: readonly (VoxelSize | null)[]): number | null {
  const edges = sizes.flatMap((size) =>
    size === null ? [null, null] : [size.y, size.x].map((edge) => inMicrometres(edge, size)),
  )
  const first = edges.at(0) ?? null
  if (first === null) return null
  const isSame = (edge: number | null) =>
    edge !== null && Math.abs(edge - first) <= relativeTolerance * Math.max(edge, first)
  return edges.every(isSame) ? first : null
}

function inMicrometres(edge: number | null, { unit }: VoxelSize): number | null {
  return edge === null ? null : edge * micrometresPerUnit[unit]
}

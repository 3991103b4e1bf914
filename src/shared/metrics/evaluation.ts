import type { VolumeWarning } from '../volume.ts'
import type { Interval } from './bootstrap.ts'
import type { MaterialScores, OverallScores, VolumeFraction } from './confusion.ts'

/**
 * What `evaluate` finds. Definitions, formulas and conventions of every score: docs/scores.md. `null` is a score that is not
 * defined for the data at hand (0/0), never zero.
 */
export interface EvaluationResult extends OverallScores {
  /** Mean of boundary F1 over the materials that have one. */
  macroBoundaryF1: number | null
  /** In order of file value. */
  perMaterial: MaterialEvaluation[]
  /** Truth × predicted, voxels; rows and columns as the next two fields name them. */
  confusion: number[][]
  /** File values. */
  confusionRows: number[]
  /** File values; `outside` last, and only when something was predicted that is no material of the truth. */
  confusionColumns: (number | 'outside')[]
  confidence: {
    level: number
    resamples: number
    seed: number
    /** Slices that hold labelled voxels, which are what is resampled. */
    slices: number
    macroF1: Interval | null
    weightedF1: Interval | null
    meanIoU: Interval | null
    accuracy: Interval | null
    macroBoundaryF1: Interval | null
  }
  /** Of the boundary F1, in voxels. */
  tolerance: number
  labelledVoxels: number
  /** Which file value of the truth is not scored, and how that was decided. */
  unlabelled: { value: number | null; from: 'option' | 'file' | 'default' }
  /** Slices that were scored, per pair. */
  pairs: EvaluatedPair[]
  warnings: VolumeWarning[]
}

export interface MaterialEvaluation extends MaterialScores {
  /** The value in the files. */
  id: number
  name: string
  colour: string
  boundaryPrecision: number | null
  boundaryRecall: number | null
  boundaryF1: number | null
  /** Average symmetric distance between the boundaries, within slices: in voxels, and in µm when the voxel size is known. */
  assd: number | null
  assdUm: number | null
  /** 95th percentile of the distance between the boundaries, the larger of both directions. */
  hd95: number | null
  hd95Um: number | null
  volumeFraction: VolumeFraction | null
  confidence: { f1: Interval | null; iou: Interval | null; boundaryF1: Interval | null }
}

export interface EvaluatedPair {
  truth: string
  predicted: string
  pairing: 'stem' | 'position'
  /** Positions in the truth volume, ascending. */
  slices: number[]
}

/** The lowest F1 first; materials without one last. A mean never stands alone, and the worst material decides. */
export function worstFirst(perMaterial: readonly MaterialEvaluation[]): MaterialEvaluation[] {
  return [...perMaterial].sort((a, b) => (a.f1 ?? Infinity) - (b.f1 ?? Infinity) || a.id - b.id)
}

import { modelLetters, type ModelLetter } from '../../../shared/comparison/comparison.ts'
import type { StudyConfig } from './study-config.ts'

/** One step of a study. Paths are relative to the folder of the study. */
export type StudyStage =
  | { kind: 'scribble'; id: string; fraction: number; volume: number; out: string }
  | { kind: 'train'; id: string; letter: ModelLetter; fraction: number | null; seed: number; out: string }
  | { kind: 'compare'; id: string; fraction: number | null; seed: number; out: string; isMain: boolean }

/** Where the comparison is that speaks for the study: full labels, first seed. */
export const mainComparison = 'comparison'

/**
 * Everything that a study does, in order: what is needed for the main comparison comes first, the runs with fewer labels
 * and other seeds after it, and the main comparison last, because its report shows them all.
 */
export function planStages({ seeds, labelFractions, data }: StudyConfig): StudyStage[] {
  const stages: StudyStage[] = []
  const [firstSeed] = seeds
  stages.push(...trainings(null, firstSeed))
  for (const seed of seeds.slice(1)) stages.push(...trainings(null, seed), comparison(null, seed))
  for (const fraction of labelFractions) {
    for (const volume of data.seen.keys())
      stages.push({
        ...{ kind: 'scribble', fraction, volume },
        id: `scribbles ${nameOf(fraction)}, volume ${volume + 1}`,
        out: scribbleFolder(fraction, volume),
      })
    for (const seed of seeds) stages.push(...trainings(fraction, seed), comparison(fraction, seed))
  }
  stages.push({
    ...{ kind: 'compare', fraction: null, seed: firstSeed, isMain: true },
    id: 'comparison',
    out: mainComparison,
  })
  return stages
}

/** Folder of the scribbles of a seen volume. */
export function scribbleFolder(fraction: number, volume: number): string {
  return `labels/${nameOf(fraction)}/volume-${volume + 1}`
}

/** Folder of a run. */
export function runFolder(letter: ModelLetter, fraction: number | null, seed: number): string {
  return `runs/${letter}-${nameOf(fraction)}-seed-${seed}`
}

function trainings(fraction: number | null, seed: number): StudyStage[] {
  return modelLetters.map((letter) => ({
    ...{ kind: 'train', letter, fraction, seed },
    id: `training ${letter}, ${nameOf(fraction)}, seed ${seed}`,
    out: runFolder(letter, fraction, seed),
  }))
}

function comparison(fraction: number | null, seed: number): StudyStage {
  return {
    ...{ kind: 'compare', fraction, seed, isMain: false },
    id: `comparison, ${nameOf(fraction)}, seed ${seed}`,
    out: `comparisons/${nameOf(fraction)}-seed-${seed}`,
  }
}

function nameOf(fraction: number | null): string {
  return fraction === null ? 'all-labels' : `scribbles-${fraction}`
}

import { realpath } from 'node:fs/promises'
import type { Split } from '../../../shared/comparison/comparison.ts'
import { hasTag } from '../../../shared/errors.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import { dataFingerprint, openTrainingData, type TrainingInput } from '../learning/training/training-data.ts'
import type { ComparedRun } from './compared-run.ts'
import type { OpenDataSet } from './data-sets.ts'

/** What a run says about the slices of one volume. */
export interface TrainingSlices {
  /** How that was found out, for people. */
  known: string
  /** Role of slice z: what the run says, `held-out` when it did not use it, `unknown` when nothing can be told. */
  roleOf(z: number): Split
}

/**
 * Which slices of each compared volume a run learned from, in the order of the data sets and their volumes. A volume of the run is
 * recognised by its real path, and by its content (the fingerprint over grey values and labels) when it has moved or was
 * copied. When neither tells and the volume could be one of the run (same shape and type, original not found), its slices are
 * `unknown` rather than held-out.
 */
export async function findTrainingSlices(
  run: ComparedRun,
  dataSets: readonly OpenDataSet[],
  job: JobOptions,
): Promise<{ perVolume: TrainingSlices[][]; warnings: VolumeWarning[] }> {
  const { record } = run
  const volumes = dataSets.flatMap((dataSet) => dataSet.volumes)
  if (record === null) {
    const unknown: TrainingSlices = {
      known: 'a model folder without its run: nothing tells which slices it learned from',
      roleOf: () => 'unknown',
    }
    return {
      perVolume: dataSets.map((dataSet) => dataSet.volumes.map(() => unknown)),
      warnings: [
        note(
          `${run.letter} (${run.path}) is a model without its run: nothing tells which slices it learned from, so its scores may include slices it was trained on`,
        ),
      ],
    }
  }
  const warnings: VolumeWarning[] = []
  const originals = await Promise.all(record.data.map(({ volume }) => realPathOf(volume)))
  const paths = await Promise.all(volumes.map(({ input }) => realPathOf(input.volume)))
  const byPath = paths.map((place) => (place === null ? [] : positionsOf(originals, place)))
  const byContent = await matchContent(run, dataSets, byPath, job)

  const found = volumes.map((volume, index): TrainingSlices => {
    const entries = [...new Set([...byPath[index], ...byContent.entries[index]])]
    if (entries.length > 0) {
      const used = entries.map((entry) => record.data[entry])
      const known = byContent.entries[index].length > 0 ? 'path and content' : 'path'
      return {
        known: byPath[index].length > 0 ? `by ${known}` : 'by content',
        roleOf: (z) =>
          used.some(({ training }) => training.includes(z))
            ? 'training'
            : used.some(({ gap }) => gap.includes(z))
              ? 'gap'
              : used.some(({ validation }) => validation.includes(z))
                ? 'validation'
                : 'held-out',
      }
    }
    const { shape, dtype } = volume.source.meta
    const possible = record.data.some(
      (data, entry) =>
        originals[entry] === null && data.dtype === dtype && data.shape.join() === shape.join(),
    )
    if (!possible) return { known: 'not trained on this volume', roleOf: () => 'held-out' }
    warnings.push(
      note(
        `${volume.input.volume}: ${run.letter} was trained on a volume of the same shape that is not where it was; it cannot be told whether it is this one, so its slices count as unknown`,
      ),
    )
    return {
      known: 'unknown: trained on a volume of this shape that has moved',
      roleOf: () => 'unknown',
    }
  })
  let next = 0
  return {
    perVolume: dataSets.map((dataSet) => dataSet.volumes.map(() => found[next++])),
    warnings,
  }
}

/**
 * Compares fingerprints: each volume of the run is stood for by the compared volume at its path, else by one of the same
 * shape and type. Other labels than in training (dense truth after scribbles) give another fingerprint, and then only the
 * path speaks.
 */
async function matchContent(
  { record, model }: ComparedRun,
  dataSets: readonly OpenDataSet[],
  byPath: readonly number[][],
  job: JobOptions,
): Promise<{ entries: number[][] }> {
  const volumes = dataSets.flatMap((dataSet) => dataSet.volumes)
  const none = { entries: volumes.map((): number[] => []) }
  if (record === null) return none
  const standIns: number[] = []
  for (const [entry, data] of record.data.entries()) {
    const atPath = byPath.findIndex((entries) => entries.includes(entry))
    const alike = volumes.findIndex(
      ({ source, labels }, index) =>
        !standIns.includes(index) &&
        source.meta.dtype === data.dtype &&
        source.meta.shape.join() === data.shape.join() &&
        [...data.training, ...data.validation].every((z) => labels.labelledSlices.includes(z)),
    )
    const standIn = atPath >= 0 ? atPath : alike
    if (standIn < 0) return none
    standIns.push(standIn)
  }
  const inputs = standIns.map((index): TrainingInput => volumes[index].input)
  const used = record.data.map(({ training, validation }) => [...training, ...validation])
  const { value } = record.unlabelled
  try {
    const data = await openTrainingData(
      inputs,
      { open: {}, labels: { unlabelled: value ?? 'none' } },
      job.signal === undefined ? {} : { signal: job.signal },
    )
    try {
      const fingerprint = await dataFingerprint(data, used, job)
      if (fingerprint !== record.dataFingerprint || fingerprint !== model.card.training.fingerprint)
        return none
    } finally {
      await data.close()
    }
  } catch (error) {
    // Labels that cannot be read as those of the run are not those of the run.
    if (hasTag(error, 'BadInput')) return none
    throw error
  }
  const entries = none.entries
  for (const [entry, index] of standIns.entries()) entries[index].push(entry)
  return { entries }
}

async function realPathOf(place: string): Promise<string | null> {
  try {
    return await realpath(place)
  } catch {
    // It has moved, or was given relative to another folder.
    return null
  }
}

function positionsOf(list: readonly (string | null)[], wanted: string): number[] {
  return list.flatMap((item, position) => (item === wanted ? [position] : []))
}

function note(message: string): VolumeWarning {
  return { kind: 'other', message }
}

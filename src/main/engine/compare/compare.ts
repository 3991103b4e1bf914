import { existsSync } from 'node:fs'
import { rename, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import {
  comparisonSchema,
  type Comparison,
  type ComparisonTable,
  type CurvePoint,
  type ModelLetter,
  type WorstRegion,
} from '../../../shared/comparison/comparison.ts'
import type { SliceRange } from '../../../shared/slice-ranges.ts'
import type { VolumeWarning, VoxelSize } from '../../../shared/volume.ts'
import type { ComputeRuntime } from '../compute/runtime/load.ts'
import { makeFolder, syncFolder, writeFileAtomic } from '../files/atomic-file.ts'
import { acquireLock } from '../files/lock.ts'
import { writeError } from '../files/write-error.ts'
import type { JobOptions } from '../job-options.ts'
import { checkOutput, partialPathOf } from '../output/output-guard.ts'
import { kindOfPlace } from '../output/output-state.ts'
import { packageVersion } from '../package-version.ts'
import type { OpenVolumeOptions } from '../volume/open-volume.ts'
import { renderPictures } from '../report/pictures.ts'
import { renderReport } from '../report/report.ts'
import { openComparedRun, type ComparedRun } from './compared-run.ts'
import { comparisonCsv } from './comparison-csv.ts'
import {
  joinMaterials,
  openDataSet,
  readMaterialMap,
  type DataInput,
  type OpenDataSet,
  type OpenDataSetOptions,
} from './data-sets.ts'
import { describeDataSet, describeModel } from './describe.ts'
import { curvePoints } from './label-curve.ts'
import { writeMappedTruth } from './mapped-truth.ts'
import { predictAll } from './predict.ts'
import { openSegmented, scoreSplit } from './score-slices.ts'
import { groupSlices, splitWarnings, tableWarnings, unionOf } from './slice-groups.ts'
import { findTrainingSlices } from './training-slices.ts'

export interface CompareOptions extends JobOptions {
  /** Run or model folders. */
  runs: { A: string; B: string }
  seen: readonly DataInput[]
  unseen: readonly DataInput[]
  /** How volumes are read; of the unseen ones, only the voxel size can be overruled. */
  open: Omit<OpenVolumeOptions, 'signal'>
  unseenVoxelSize?: VoxelSize
  /** Positions in each seen volume that may be scored; default all labelled ones. */
  slices?: readonly SliceRange[]
  unseenSlices?: readonly SliceRange[]
  unlabelled?: number | 'none'
  materialsPath?: string
  /** File of the map, or its entries and what to call it in messages. */
  materialMap?: string | NonNullable<OpenDataSetOptions['map']>
  /** Of the boundary F1, in voxels. */
  tolerance: number
  /** Of intervals and tests. */
  seed: number
  /** From a study: scores of its other runs; those of this comparison are added. */
  labelCurve?: readonly CurvePoint[]
  out: string
}

export interface CompareResult {
  out: string
  comparison: string
  /** One page with tables, plots and pictures. */
  report: string
  csv: string[]
  /** Relative to `out`. */
  segmentations: string[]
  summary: Comparison
  warnings: VolumeWarning[]
}

/** Marks a folder that a comparison was writing: what was begun and not finished may be begun anew. */
const markerName = '.phasemark-comparison'
const reportName = 'report.html'

/**
 * Compares two models on labelled slices: segments them, scores the written segmentations, and leaves `comparison.json`, CSV
 * files, `report.html` and the segmentations in `out`. Everything grows in `OUT.partial`, which gets its name at the end.
 *
 * Throws `WrongUsage` and `OutputExists` before anything is computed; `NotFound` and `BadInput` for runs and data that cannot be
 * compared; `Cancelled`, `NoSpace`, `OutOfMemory`.
 */
export async function compare(runtime: ComputeRuntime, options: CompareOptions): Promise<CompareResult> {
  const { out, runs } = options
  const inputs = [
    ...[...options.seen, ...options.unseen].flatMap(({ volume, labels }) => [volume, labels]),
    ...Object.values(runs),
  ]
  const partial = partialPathOf(out)
  if (existsSync(path.join(partial, markerName)))
    await checkOutput({ output: out, inputs, resume: false, kind: 'run' })
  else await checkOutput({ output: out, inputs, resume: false, kind: 'streamed' })
  const compared = { A: await openComparedRun('A', runs.A), B: await openComparedRun('B', runs.B) }
  const dataSets: OpenDataSet[] = []
  try {
    const joined = joinMaterials(compared.A.model.card.materials, compared.B.model.card.materials)
    const warnings = [...joined.warnings]
    for (const kind of ['seen', 'unseen'] as const) {
      if (options[kind].length === 0) continue
      dataSets.push(await openDataSet(await dataSetOptions(kind, options, joined.materials)))
    }
    warnings.push(...dataSets.flatMap((dataSet) => dataSet.warnings))
    return await inPartialFolder(partial, out, () =>
      compareOpen(runtime, options, compared, dataSets, partial, warnings),
    )
  } finally {
    await Promise.all(dataSets.map((dataSet) => dataSet.close()))
  }
}

async function dataSetOptions(
  kind: 'seen' | 'unseen',
  options: CompareOptions,
  models: OpenDataSetOptions['models'],
): Promise<OpenDataSetOptions> {
  const { signal, onProgress, unlabelled, materialsPath, materialMap, unseenVoxelSize } = options
  const map = typeof materialMap === 'string' ? await readMaterialMap(materialMap) : materialMap
  return {
    kind,
    inputs: options[kind],
    open:
      kind === 'seen' ? options.open : unseenVoxelSize === undefined ? {} : { voxelSize: unseenVoxelSize },
    labels: {
      ...(unlabelled === undefined ? {} : { unlabelled }),
      ...(materialsPath === undefined || kind === 'unseen' ? {} : { materialsPath }),
    },
    models,
    map: kind === 'seen' ? null : (map ?? null),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  }
}

/** Runs `work` with `partial` as its folder; gives it the name `out` when all went well. */
async function inPartialFolder<T>(partial: string, out: string, work: () => Promise<T>): Promise<T> {
  await makeFolder(partial)
  const lock = await acquireLock(partial, { purpose: 'comparing' })
  let result: T
  try {
    for (const name of [markerName, 'segmentations'])
      await rm(path.join(partial, name), { recursive: true, force: true })
    await writeFileAtomic(path.join(partial, markerName), '')
    result = await work()
    await rm(path.join(partial, markerName))
  } catch (error) {
    // A comparison is not resumed: what is unfinished would only stand in the way of the next one.
    await rm(partial, { recursive: true, force: true })
    throw error
  } finally {
    await lock.release()
  }
  try {
    // Not every system replaces an empty folder by renaming.
    if ((await kindOfPlace(out)) === 'empty folder') await rmdir(out)
    await rename(partial, out)
  } catch (error) {
    throw writeError(out, error)
  }
  await syncFolder(path.dirname(path.resolve(out)))
  return result
}

async function compareOpen(
  runtime: ComputeRuntime,
  options: CompareOptions,
  compared: Record<ModelLetter, ComparedRun>,
  dataSets: readonly OpenDataSet[],
  folder: string,
  warnings: VolumeWarning[],
): Promise<CompareResult> {
  const { tolerance, seed, signal, onProgress } = options
  const roles = {
    A: await findTrainingSlices(compared.A, dataSets, options),
    B: await findTrainingSlices(compared.B, dataSets, options),
  }
  warnings.push(...roles.A.warnings, ...roles.B.warnings)
  const groups = dataSets.map((dataSet, index) => {
    const training = { A: roles.A.perVolume[index], B: roles.B.perVolume[index] }
    return groupSlices(dataSet, training, dataSet.kind === 'seen' ? options.slices : options.unseenSlices)
  })
  warnings.push(...dataSets.flatMap((dataSet, index) => splitWarnings(dataSet, groups[index].scored)))

  const predictions = await predictAll(runtime, compared, dataSets, {
    ...{ slices: groups.map(({ scored }) => unionOf(scored)), folder, warnings },
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  const mappedTruth: (string | null)[][] = []
  for (const [index, dataSet] of dataSets.entries())
    mappedTruth.push(await writeMappedTruth(dataSet, unionOf(groups[index].scored), folder, signal))

  const total = groups.flatMap(({ scored }) => scored.flatMap(({ slices }) => slices.flat())).length
  const began = performance.now()
  let done = 0
  const tables: ComparisonTable[] = []
  const regions: WorstRegion[] = []
  for (const [index, dataSet] of dataSets.entries())
    for (const [rank, group] of groups[index].scored.entries()) {
      const { table, regions: found } = await scoreSplit(dataSet, group, rank === 0, {
        tolerance,
        seed,
        segmentations: placesIn(folder, predictions.folders[index]),
        ...(signal === undefined ? {} : { signal }),
        onSlice: () => {
          done++
          const elapsed = (performance.now() - began) / 1000
          onProgress?.({
            ...{ stage: 'scoring', done, total, unit: 'slices' },
            etaSeconds: (elapsed / done) * (total - done),
          })
        },
      })
      tables.push(table)
      if (rank === 0) regions.push(...found)
      warnings.push(...tableWarnings(table))
    }
  const models = {
    A: describeModel(compared.A, predictions.costs.A),
    B: describeModel(compared.B, predictions.costs.B),
  }
  const comparison = comparisonSchema.parse({
    format: 'phasemark-comparison',
    version: 1,
    createdAt: new Date().toISOString(),
    phasemark: packageVersion(),
    tolerance,
    seed,
    device: { ...runtime.device },
    versions: runtime.versions,
    models,
    dataSets: dataSets.map((dataSet, index) =>
      describeDataSet(dataSet, {
        splits: groups[index].all,
        roles: { A: roles.A.perVolume[index], B: roles.B.perVolume[index] },
        folders: predictions.folders[index],
        mappedTruth: mappedTruth[index],
      }),
    ),
    tables: [...tables.filter(({ primary }) => primary), ...tables.filter(({ primary }) => !primary)],
    worstRegions: regions,
    labelCurve:
      options.labelCurve === undefined ? [] : [...options.labelCurve, ...curvePoints({ tables, models })],
    warnings: onlyOnce(warnings),
  } satisfies Comparison)
  await writeFileAtomic(path.join(folder, 'comparison.json'), `${JSON.stringify(comparison, null, 2)}\n`)
  onProgress?.({ stage: 'report', done: 0, total: 1, unit: 'pages' })
  const pictures = await renderPictures(
    comparison,
    dataSets,
    (dataSet) => {
      const index = dataSets.indexOf(dataSet)
      return openSegmented(
        dataSet,
        placesIn(folder, predictions.folders[index]),
        groups[index].scored[0].slices,
      )
    },
    signal,
  )
  await writeFileAtomic(path.join(folder, reportName), await renderReport(comparison, pictures))
  onProgress?.({ stage: 'report', done: 1, total: 1, unit: 'pages' })
  const csv = comparisonCsv(comparison)
  for (const [name, text] of Object.entries(csv)) await writeFileAtomic(path.join(folder, name), text)
  return {
    out: options.out,
    comparison: path.join(options.out, 'comparison.json'),
    report: path.join(options.out, reportName),
    csv: Object.keys(csv).map((name) => path.join(options.out, name)),
    segmentations: predictions.folders.flat().flatMap(({ A, B }) => [A, B]),
    summary: comparison,
    warnings: onlyOnce(warnings),
  }
}

function placesIn(folder: string, relative: readonly { A: string; B: string }[]): { A: string; B: string }[] {
  return relative.map(({ A, B }) => ({ A: path.join(folder, A), B: path.join(folder, B) }))
}

/** The same thing may be noticed for A and for B. */
function onlyOnce(warnings: readonly VolumeWarning[]): VolumeWarning[] {
  return [...new Map(warnings.map((warning) => [warning.message, warning])).values()]
}

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { comparisonSchema, type Comparison, type CurvePoint } from '../../../shared/comparison/comparison.ts'
import { badInput, hasTag, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { parseSliceRanges, type SliceRange } from '../../../shared/slice-ranges.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import { compare } from '../compare/compare.ts'
import type { DataInput } from '../compare/data-sets.ts'
import { curvePoints } from '../compare/label-curve.ts'
import type { ComputeRuntime } from '../compute/runtime/load.ts'
import { makeFolder } from '../files/atomic-file.ts'
import { acquireLock } from '../files/lock.ts'
import type { JobOptions } from '../job-options.ts'
import { scribble } from '../labels/scribble/scribble.ts'
import type { TrainChoices } from '../learning/training/train-config.ts'
import { train } from '../learning/training/train.ts'
import { checkOutput } from '../output/output-guard.ts'
import { removeUnfinished } from '../output/remove-unfinished.ts'
import { readStudyConfig, type StudyConfig, type StudyModel } from './study-config.ts'
import { studyProgress } from './study-progress.ts'
import { mainComparison, planStages, runFolder, scribbleFolder, type StudyStage } from './study-stages.ts'
import { StudyState } from './study-state.ts'

export interface StudyOptions extends JobOptions {
  /** JSON file, see docs/comparing.md. */
  config: string
  out: string
  resume: boolean
}

export interface StudyResult {
  out: string
  /** Of the main comparison: full labels, first seed. */
  comparison: string
  report: string
  runs: { A: string; B: string }
  /** Stages in all, and those that were done before this call. */
  stages: number
  stagesDoneBefore: number
  seconds: number
  summary: Comparison
  warnings: VolumeWarning[]
}

/**
 * Trains both models of a configuration on all labels and on the fractions asked for, compares them, and reports. After an
 * interruption or a kill, `resume` goes on: finished stages are not repeated, a training goes on from its checkpoint.
 *
 * Throws `WrongUsage` and `OutputExists` before anything is computed, `Locked`, what training and comparing throw, and
 * `Cancelled` with a hint how to go on.
 */
export async function study(runtime: ComputeRuntime, options: StudyOptions): Promise<StudyResult> {
  const { out, resume, signal } = options
  const config = await readStudyConfig(options.config)
  const { seen, unseen } = config.data
  const inputs = [...seen, ...unseen].flatMap(({ volume, labels }) => [volume, labels])
  await checkOutput({ output: out, inputs, resume, kind: 'run' })
  const stages = planStages(config)
  await makeFolder(out)
  const lock = await acquireLock(out, { purpose: 'a study' })
  const began = performance.now()
  try {
    const state = await StudyState.open(out, config, stages)
    const stagesDoneBefore = stages.filter((stage) => state.isDone(stage)).length
    const warnings: VolumeWarning[] = []
    for (const [index, stage] of stages.entries()) {
      if (state.isDone(stage)) continue
      throwIfCancelled(signal)
      await state.begin(stage)
      const stageBegan = performance.now()
      const onProgress = studyProgress(stages, index, state, config, options.onProgress)
      const job: JobOptions = { ...(signal === undefined ? {} : { signal }), onProgress }
      warnings.push(...(await runStage(runtime, stage, { config, out, job })))
      await state.finish(stage, (performance.now() - stageBegan) / 1000)
    }
    const folder = path.join(out, mainComparison)
    const [seed] = config.seeds
    return {
      out,
      comparison: path.join(folder, 'comparison.json'),
      report: path.join(folder, 'report.html'),
      runs: {
        A: path.join(out, runFolder('A', null, seed)),
        B: path.join(out, runFolder('B', null, seed)),
      },
      stages: stages.length,
      stagesDoneBefore,
      seconds: (performance.now() - began) / 1000,
      summary: await readComparison(folder),
      warnings: [...new Map(warnings.map((warning) => [warning.message, warning])).values()],
    }
  } catch (error) {
    if (!hasTag(error, 'Cancelled')) throw error
    const resumeHint = 'repeat the command with --resume to go on'
    throw new PhasemarkError(
      'Cancelled',
      `the study stopped; ${resumeHint}`,
      { resumeHint },
      { cause: error },
    )
  } finally {
    await lock.release()
  }
}

interface StageContext {
  config: StudyConfig
  out: string
  job: JobOptions
}

async function runStage(
  runtime: ComputeRuntime,
  stage: StudyStage,
  context: StageContext,
): Promise<readonly VolumeWarning[]> {
  switch (stage.kind) {
    case 'scribble':
      return await drawScribbles(stage, context)
    case 'train':
      return await trainModel(runtime, stage, context)
    case 'compare':
      return await compareRuns(runtime, stage, context)
  }
}

async function drawScribbles(
  { fraction, volume, out }: Extract<StudyStage, { kind: 'scribble' }>,
  { config, out: folder, job }: StageContext,
): Promise<readonly VolumeWarning[]> {
  const { seen, trainSlices, valSlices, voxelSize } = config.data
  const target = path.join(folder, out)
  await removeUnfinished(target)
  await makeFolder(path.dirname(target))
  // Slices for testing get no scribbles: whatever is in this folder may be learned from.
  const slices =
    trainSlices === undefined
      ? undefined
      : [...ranges(trainSlices), ...(valSlices === undefined ? [] : ranges(valSlices))]
  const { warnings } = await scribble({
    labels: seen[volume].labels,
    volume: seen[volume].volume,
    ...(voxelSize === undefined ? {} : { open: { voxelSize } }),
    out: target,
    resolve: labelOptions(config),
    amount: { kind: 'fraction', fraction },
    brush: config.brush,
    ...(slices === undefined ? {} : { slices }),
    seed: config.seed,
    ...job,
  })
  return warnings
}

async function trainModel(
  runtime: ComputeRuntime,
  { letter, fraction, seed, out }: Extract<StudyStage, { kind: 'train' }>,
  { config, out: folder, job }: StageContext,
): Promise<readonly VolumeWarning[]> {
  const model = config.models[letter === 'A' ? 0 : 1]
  const { seen, trainSlices, valSlices, testSlices, voxelSize } = config.data
  const target = path.join(folder, out)
  await makeFolder(path.dirname(target))
  const inputs = seen.map((input, index): DataInput =>
    fraction === null
      ? input
      : { volume: input.volume, labels: path.join(folder, scribbleFolder(fraction, index)) },
  )
  requireTestApart(testSlices, trainSlices)
  const { warnings } = await train(runtime, {
    inputs,
    data: {
      open: voxelSize === undefined ? {} : { voxelSize },
      // Scribbles say themselves what their values mean.
      labels: fraction === null ? labelOptions(config) : {},
    },
    split: {
      ...(trainSlices === undefined ? {} : { trainSlices: ranges(trainSlices) }),
      ...(valSlices === undefined ? {} : { validationSlices: ranges(valSlices) }),
    },
    choices: choicesOf(model, seed),
    weights: model.model === 'vgg16-nn' && model.weights !== undefined ? { set: model.weights } : {},
    out: target,
    resume: existsSync(target),
    ...job,
  })
  return warnings
}

/** Without training slices everything labelled is learned from, test slices included. */
function requireTestApart(testSlices: string | undefined, trainSlices: string | undefined): void {
  if (testSlices === undefined || trainSlices !== undefined) return
  throw new PhasemarkError(
    'WrongUsage',
    'the configuration has testSlices and no trainSlices: expected both, because without trainSlices every labelled slice is learned from',
    {},
  )
}

function choicesOf(model: StudyModel, seed: number): TrainChoices {
  const choices: TrainChoices = { model: model.model, preset: model.preset, seed }
  if (model.maxSteps !== undefined) choices.maxSteps = model.maxSteps
  if (model.maxMinutes !== undefined) choices.maxMinutes = model.maxMinutes
  if (model.checkpointSteps !== undefined) choices.checkpointSteps = model.checkpointSteps
  if (model.intensity !== 'auto') choices.intensityScope = model.intensity
  if (model.model === 'unet') choices.contextSlices = model.context
  else {
    if (model.features !== undefined) choices.features = model.features
    choices.fineTune = model.fineTune
  }
  return choices
}

async function compareRuns(
  runtime: ComputeRuntime,
  { fraction, seed, out, isMain }: Extract<StudyStage, { kind: 'compare' }>,
  { config, out: folder, job }: StageContext,
): Promise<readonly VolumeWarning[]> {
  const { data, tolerance } = config
  const target = path.join(folder, out)
  await removeUnfinished(target)
  await makeFolder(path.dirname(target))
  const { unlabelled, materialsPath } = labelOptions(config)
  const { warnings } = await compare(runtime, {
    runs: {
      A: path.join(folder, runFolder('A', fraction, seed)),
      B: path.join(folder, runFolder('B', fraction, seed)),
    },
    seen: data.seen,
    unseen: data.unseen,
    open: data.voxelSize === undefined ? {} : { voxelSize: data.voxelSize },
    ...(data.unseenVoxelSize === undefined ? {} : { unseenVoxelSize: data.unseenVoxelSize }),
    ...(data.testSlices === undefined ? {} : { slices: ranges(data.testSlices) }),
    ...(data.unseenSlices === undefined ? {} : { unseenSlices: ranges(data.unseenSlices) }),
    ...(unlabelled === undefined ? {} : { unlabelled }),
    ...(materialsPath === undefined ? {} : { materialsPath }),
    ...(data.materialMap === undefined
      ? {}
      : { materialMap: { path: 'materialMap of the study', entries: data.materialMap } }),
    tolerance,
    seed: config.seed,
    ...(isMain ? { labelCurve: await curveOf(config, folder) } : {}),
    out: target,
    ...job,
  })
  return warnings
}

/** Scores of all comparisons that were made before the main one. */
async function curveOf(config: StudyConfig, folder: string): Promise<CurvePoint[]> {
  const points: CurvePoint[] = []
  for (const stage of planStages(config)) {
    if (stage.kind !== 'compare' || stage.isMain) continue
    points.push(...curvePoints(await readComparison(path.join(folder, stage.out))))
  }
  return points
}

async function readComparison(folder: string): Promise<Comparison> {
  const file = path.join(folder, 'comparison.json')
  try {
    return comparisonSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw badInput(file, 'a finished comparison', cause instanceof Error ? cause.message : 'something else', {
      cause,
    })
  }
}

function labelOptions({ data }: StudyConfig): { unlabelled?: number | 'none'; materialsPath?: string } {
  return {
    ...(data.unlabelled === undefined ? {} : { unlabelled: data.unlabelled }),
    ...(data.materials === undefined ? {} : { materialsPath: data.materials }),
  }
}

function ranges(text: string): SliceRange[] {
  return parseSliceRanges(text, 'slices')
}

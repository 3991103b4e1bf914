import path from 'node:path'
import type { ComparedModel, ModelLetter } from '../../../shared/comparison/comparison.ts'
import type { DeviceInfo } from '../../../shared/device.ts'
import { hasTag, PhasemarkError } from '../../../shared/errors.ts'
import { compare } from '../compare/compare.ts'
import type { ComputeRuntime } from '../compute/runtime/load.ts'
import { acquireLock } from '../files/lock.ts'
import type { JobOptions } from '../job-options.ts'
import { segmentVolume } from '../learning/prediction/segment-volume.ts'
import type { ModelKind } from '../learning/training/train-config.ts'
import { train, type TrainResult } from '../learning/training/train.ts'
import { checkOutput } from '../output/output-guard.ts'
import { removeUnfinished } from '../output/remove-unfinished.ts'
import { openVolume } from '../volume/open-volume.ts'
import { ownData, sampleData, type DemoData } from './demo-data.ts'
import { exportLabels } from './export-labels.ts'
import { openStageRecord, type StageRecord } from './stage-record.ts'

export interface DemoOptions extends JobOptions {
  out: string
  /** The user's data; a generated sample without. */
  given?: { volume: string; labels: string; unlabelled?: number | 'none' }
  /** Time for everything, about. */
  maxMinutes: number
  resume: boolean
  /** What is going on, for people. */
  onStage?: (text: string) => void
}

export interface DemoResult {
  out: string
  /** Whether the data was generated: then no number here says anything about a real material. */
  synthetic: boolean
  runs: Record<ModelKind, string>
  training: Record<ModelKind, Pick<TrainResult, 'steps' | 'seconds' | 'parameters'>>
  report: string
  comparison: string
  /** Split and scores that the better model was chosen by. */
  scores: { split: string; macroF1: Record<ModelKind, number | null> }[]
  /** The model whose segmentation of the volume is written. */
  better: ModelKind
  segmentation: string
  /** The same as one file that opens in Fiji. */
  exported: string
  slices: { first: number; last: number }
  /** Command that segments the rest, when time did not suffice for the whole volume. */
  toSegmentAll: string | null
  device: DeviceInfo
  seconds: number
}

const kinds: Record<ModelLetter, ModelKind> = { A: 'unet', B: 'vgg16-nn' }
/** Of all the time: the UNet takes what it gets, the rest is for everything else. */
const unetShare = 0.5
const segmentShare = 0.25

/**
 * Does the whole main job: labels, both models, comparison, segmentation with the better one, export. Interrupted, it goes on
 * where it was with `resume`.
 *
 * Throws what its stages throw; `OutputExists` when `out` holds something and `resume` was not asked for; `Cancelled` with a hint.
 */
export async function demo(runtime: ComputeRuntime, options: DemoOptions): Promise<DemoResult> {
  const { out, given, maxMinutes, resume } = options
  const inputs = given === undefined ? [] : [given.volume, given.labels]
  await checkOutput({ output: out, inputs, resume, kind: 'run' })
  const stages = await openStageRecord(out, { given: given ?? null, maxMinutes }, resume)
  const lock = await acquireLock(out, { purpose: 'the demo' })
  try {
    return await runStages(runtime, options, stages)
  } catch (error) {
    if (!hasTag(error, 'Cancelled')) throw error
    const resumeHint = 'repeat the command with --resume to go on'
    throw new PhasemarkError(
      'Cancelled',
      `the demo was stopped; ${resumeHint}`,
      { resumeHint },
      { cause: error },
    )
  } finally {
    await lock.release()
  }
}

async function runStages(
  runtime: ComputeRuntime,
  options: DemoOptions,
  stages: StageRecord,
): Promise<DemoResult> {
  const { out, given, onStage } = options
  const began = performance.now()
  const job = jobOf(options)
  onStage?.(given === undefined ? 'preparing a synthetic sample volume' : 'looking at the labels')
  const data = given === undefined ? await sampleData(out, stages, job) : await ownData(given, job)

  const runs: Record<ModelKind, string> = {
    unet: path.join(out, 'unet'),
    'vgg16-nn': path.join(out, 'vgg16-nn'),
  }
  const training: Partial<DemoResult['training']> = {}
  for (const kind of Object.values(kinds)) {
    onStage?.(`training ${kind}`)
    training[kind] = await stages.run(`train ${kind}`, () =>
      trainOne(runtime, kind, runs[kind], data, options, job),
    )
  }
  onStage?.(
    data.heldOut === null
      ? 'comparing both on the slices they learned from, since too few are labelled to spare any: the scores are too good'
      : 'comparing both on slices that neither learned from',
  )
  const compared = await stages.run('compare', () => compareBoth(runtime, runs, data, options, job))
  onStage?.(`segmenting the volume with ${compared.better}`)
  const segmented = await stages.run('segment', () =>
    segmentAndExport(runtime, runs[compared.better], compared, data, options, job),
  )
  return {
    out,
    synthetic: data.synthetic,
    runs,
    training: training as DemoResult['training'],
    report: compared.report,
    comparison: compared.comparison,
    scores: compared.scores,
    better: compared.better,
    ...segmented,
    device: runtime.device,
    seconds: (performance.now() - began) / 1000,
  }
}

async function trainOne(
  runtime: ComputeRuntime,
  kind: ModelKind,
  run: string,
  data: DemoData,
  { given, maxMinutes }: DemoOptions,
  job: JobOptions,
): Promise<Pick<TrainResult, 'steps' | 'seconds' | 'parameters'>> {
  const { steps, seconds, parameters } = await train(runtime, {
    inputs: [{ volume: data.volume, labels: data.labels }],
    data: { open: {}, labels: given?.unlabelled === undefined ? {} : { unlabelled: given.unlabelled } },
    split: { trainSlices: data.training },
    choices:
      kind === 'unet'
        ? { model: kind, preset: 'standard', maxMinutes: maxMinutes * unetShare }
        : { model: kind, preset: 'standard' },
    out: run,
    // A run folder that is not there yet is simply begun.
    resume: true,
    ...job,
  })
  return { steps, seconds, parameters }
}

interface Compared {
  report: string
  comparison: string
  scores: DemoResult['scores']
  better: ModelKind
  /** Of the better model, and the materials that it knows. */
  voxelsPerSecond: number
  materials: ComparedModel['materials']
}

async function compareBoth(
  runtime: ComputeRuntime,
  runs: Record<ModelKind, string>,
  data: DemoData,
  { out, given }: DemoOptions,
  job: JobOptions,
): Promise<Compared> {
  const target = path.join(out, 'comparison')
  await removeUnfinished(target)
  const { summary, report, comparison } = await compare(runtime, {
    runs: { A: runs[kinds.A], B: runs[kinds.B] },
    seen: [{ volume: data.volume, labels: data.truth }],
    unseen: data.unseen === null ? [] : [{ volume: data.unseen.volume, labels: data.unseen.labels }],
    open: {},
    ...(data.heldOut === null ? {} : { slices: data.heldOut }),
    ...(given?.unlabelled === undefined ? {} : { unlabelled: given.unlabelled }),
    ...(data.unseen === null
      ? {}
      : { materialMap: { path: 'the materials of the demo', entries: data.unseen.materialMap } }),
    tolerance: 2,
    seed: 0,
    out: target,
    ...job,
  })
  const scores = summary.tables
    .filter(({ primary }) => primary)
    .map(({ dataSet, split, models }) => ({
      split: `${dataSet}, ${split}`,
      macroF1: { [kinds.A]: models.A.macroF1, [kinds.B]: models.B.macroF1 } as Record<
        ModelKind,
        number | null
      >,
    }))
  // The seen data set always has a table, and it comes first.
  const seen = scores[0].macroF1
  const better = (seen['vgg16-nn'] ?? 0) > (seen.unet ?? 0) ? 'vgg16-nn' : 'unet'
  const letter: ModelLetter = better === kinds.A ? 'A' : 'B'
  const { costs, materials } = summary.models[letter]
  return { report, comparison, scores, better, voxelsPerSecond: costs[0].voxelsPerSecond, materials }
}

/** Segments as many slices as the time allows, then exports them as one file. */
async function segmentAndExport(
  runtime: ComputeRuntime,
  run: string,
  { voxelsPerSecond, materials }: Compared,
  data: DemoData,
  { out, maxMinutes }: DemoOptions,
  job: JobOptions,
): Promise<Pick<DemoResult, 'segmentation' | 'exported' | 'slices' | 'toSegmentAll'>> {
  const volume = await openVolume(data.volume, job.signal === undefined ? {} : { signal: job.signal })
  const [depth, height, width] = volume.meta.shape
  await volume.close()
  const affordable = (maxMinutes * 60 * segmentShare * voxelsPerSecond) / (height * width)
  const last = Math.min(depth, Math.max(1, Math.floor(affordable))) - 1
  const segmentation = path.join(out, 'segmentation')
  const exported = path.join(out, 'segmentation.tif')
  await segmentVolume(runtime, {
    volume: data.volume,
    open: {},
    model: run,
    out: segmentation,
    format: 'tiff-stack',
    slices: { first: 0, last },
    probabilities: false,
    uncertainty: false,
    resume: true,
    ...job,
  })
  await removeUnfinished(exported)
  await exportLabels(segmentation, exported, materials, job)
  return {
    segmentation,
    exported,
    slices: { first: 0, last },
    toSegmentAll:
      last === depth - 1
        ? null
        : `phasemark segment ${data.volume} --model ${run} --out ${segmentation}-whole`,
  }
}

function jobOf({ signal, onProgress }: DemoOptions): JobOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  }
}

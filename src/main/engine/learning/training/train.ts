import { createHash } from 'node:crypto'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { hasTag, PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { Material } from '../../../../shared/materials.ts'
import type { VolumeWarning } from '../../../../shared/volume.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { acquireLock } from '../../files/lock.ts'
import type { JobOptions } from '../../job-options.ts'
import type { LabelPairing } from '../../labels/label-source.ts'
import { requireTrainable } from '../../labels/require-trainable.ts'
import { checkOutput } from '../../output/output-guard.ts'
import { findPretrainedWeights, type PretrainedWeights } from '../../pretrained/find-weights.ts'
import type { ModelScore } from '../model/model-card.ts'
import { RunFolder } from '../runs/run-folder.ts'
import type { RunRecord } from '../runs/run-record.ts'
import { splitSlices, type SliceSplit, type SplitOptions } from './split-slices.ts'
import { unetConfig, vgg16Config, type TrainChoices, type TrainConfig } from './train-config.ts'
import {
  dataFingerprint,
  intensityScopeOf,
  normalisationsOf,
  openTrainingData,
  type TrainingData,
  type TrainingDataOptions,
  type TrainingInput,
} from './training-data.ts'
import { runTraining } from './training-loop.ts'

export interface TrainOptions extends JobOptions {
  inputs: readonly TrainingInput[]
  data: TrainingDataOptions
  split: SplitOptions
  choices: TrainChoices
  /** Where to look for pretrained weights, for `vgg16-nn`. */
  weights?: { set?: string; project?: string }
  /** Run folder to write. */
  out: string
  resume: boolean
}

export interface TrainResult {
  run: string
  model: string
  steps: number
  seconds: number
  parameters: number
  device: DeviceInfo
  /** The weights that the model began with, for `vgg16-nn`. */
  pretrained: Pick<PretrainedWeights, 'id' | 'title' | 'licence' | 'place' | 'path' | 'sha256'> | null
  /** Scores on the validation slices, or `null` when there were none (`warnings` say why). */
  validation: ModelScore | null
  /** Step of the checkpoint that training went on from, 0 when it began anew. */
  resumedFromStep: number
  materials: readonly Material[]
  unlabelled: { value: number | null; from: string }
  split: { volume: string; pairing: LabelPairing; training: number[]; validation: number[]; gap: number[] }[]
  warnings: VolumeWarning[]
}

/**
 * Trains a model on labelled slices of one or more volumes and leaves a run folder with checkpoints, metrics and the model.
 *
 * Throws `WrongUsage`, `OutputExists`, `Locked` before anything is written; `BadInput` for data that cannot be learned from;
 * `Cancelled` with a hint how to go on, after writing a checkpoint; `OutOfMemory`, `NoSpace`.
 */
export async function train(runtime: ComputeRuntime, options: TrainOptions): Promise<TrainResult> {
  const { inputs, out, resume, signal } = options
  const protectedPaths = inputs.flatMap(({ volume, labels }) => [volume, labels])
  await checkOutput({ output: out, inputs: protectedPaths, resume, kind: 'run' })
  const folder = new RunFolder(out)
  if (resume) await folder.requireRun()
  const pretrained =
    options.choices.model === 'vgg16-nn'
      ? await findPretrainedWeights({ ...options.weights, ...signalOf(signal) })
      : null
  const data = await openTrainingData(inputs, options.data, options)
  try {
    const labelled = data.labels.sources.map((source) => source.labelledSlices)
    const splits = splitSlices(labelled, options.split)
    const warnings: VolumeWarning[] = [
      ...data.volumes.flatMap((volume) => volume.meta.warnings),
      ...data.labels.sources.flatMap((source) => source.warnings),
      ...requireTrainable(
        data.labels,
        splits.map(({ training }) => training),
      ),
      ...splitWarnings(splits),
    ]
    const statistics = await normalisationsOf(data.volumes, options)
    const intensity = await chooseScope(data, options)
    warnings.push(...intensity.warnings)
    warnings.push(...statistics.warnings)
    const used = splits.map((split) => [...split.training, ...split.validation])
    const fingerprint = await dataFingerprint(data, used, options)
    throwIfCancelled(signal)

    await folder.create()
    const lock = await acquireLock(out, { purpose: 'training' })
    try {
      const choices = { ...options.choices, intensityScope: intensity.scope }
      const config = configOf(choices, runtime.device.kind, pretrained)
      const record = newRecord(runtime, data, splits, options, { config, fingerprint })
      const earlier = await folder.readRecord()
      if (earlier !== null && !resume) {
        // Another process began and ended a run here while this one was reading its data.
        throw new PhasemarkError('OutputExists', `${out}: exists already; go on with --resume`, { path: out })
      }
      if (earlier !== null) requireSame(earlier, record, out)
      const checkpoint = earlier === null ? null : await folder.readCheckpoint('last')
      if (resume && checkpoint === null) {
        warnings.push({
          kind: 'other',
          message: `${out}: there is no checkpoint to resume from; training starts anew`,
        })
      }
      if (checkpoint === null) {
        await folder.clear()
        await folder.create()
      }
      await folder.openMetrics(checkpoint?.position.step ?? 0)
      const result = await runTraining({
        runtime,
        data,
        inputs: sameMoment(inputs, data),
        dataOptions: options.data,
        splits,
        normalisations: statistics.normalisations,
        folder,
        record: {
          ...record,
          createdAt: earlier?.createdAt ?? record.createdAt,
          totalSteps: earlier?.totalSteps ?? null,
        },
        checkpoint,
        pretrained,
        warnings,
        job: options,
      })
      return {
        run: out,
        model: folder.modelFolder,
        ...result,
        device: runtime.device,
        pretrained: pretrained === null ? null : describe(pretrained),
        resumedFromStep: checkpoint?.position.step ?? 0,
        materials: data.labels.materials,
        unlabelled: data.labels.unlabelled,
        split: record.data.map(({ volume, pairing, training, validation, gap }) => ({
          volume,
          pairing,
          training,
          validation,
          gap,
        })),
        warnings,
      }
    } catch (error) {
      if (!hasTag(error, 'Cancelled')) throw error
      const resumeHint = `repeat the command with --resume to go on`
      throw new PhasemarkError(
        'Cancelled',
        `training stopped; ${resumeHint}`,
        { resumeHint },
        { cause: error },
      )
    } finally {
      folder.close()
      await lock.release()
    }
  } finally {
    await data.close()
  }
}

function signalOf(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

function describe({ id, title, licence, place, path, sha256 }: PretrainedWeights) {
  return { id, title, licence, place, path, sha256 }
}

function configOf(
  choices: TrainChoices,
  device: DeviceInfo['kind'],
  pretrained: PretrainedWeights | null,
): TrainConfig {
  if (pretrained === null) return unetConfig(choices, device)
  return vgg16Config(choices, device, { id: pretrained.id, sha256: tensorsSha256(pretrained) })
}

/** Of the values alone: the same weights in another file format are the same. */
function tensorsSha256({ tensors }: PretrainedWeights): string {
  const hash = createHash('sha256')
  for (const [name, { values }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex')
}

/** What the user chose, else what the slices suggest. */
async function chooseScope(
  data: TrainingData,
  options: TrainOptions,
): Promise<Awaited<ReturnType<typeof intensityScopeOf>>> {
  const { intensityScope } = options.choices
  if (intensityScope !== undefined) return { scope: intensityScope, warnings: [] }
  return await intensityScopeOf(data.volumes, options)
}

function splitWarnings(splits: readonly SliceSplit[]): VolumeWarning[] {
  if (splits.some(({ validation }) => validation.length > 0)) return []
  return [
    {
      kind: 'other',
      message:
        'no validation: fewer than 10 labelled slices and no --val-slices; nothing tells here how the model does on new slices',
    },
  ]
}

/** Labels of a project go on changing while somebody paints; every thread of a training reads those that it began with. */
function sameMoment(inputs: readonly TrainingInput[], { labels }: TrainingData): TrainingInput[] {
  return inputs.map((input, index) => {
    const { moment } = labels.sources[index]
    return moment === undefined ? input : { ...input, moment }
  })
}

function newRecord(
  runtime: ComputeRuntime,
  data: TrainingData,
  splits: readonly SliceSplit[],
  options: TrainOptions,
  made: Pick<RunRecord, 'config'> & { fingerprint: string },
): RunRecord {
  const now = new Date().toISOString()
  return {
    format: 'phasemark-run',
    version: 1,
    createdAt: now,
    updatedAt: now,
    status: 'running',
    config: made.config,
    totalSteps: null,
    dataFingerprint: made.fingerprint,
    data: options.inputs.map(({ volume, labels }, index) => ({
      volume,
      labels,
      shape: [...data.volumes[index].meta.shape] as [number, number, number],
      dtype: data.volumes[index].meta.dtype,
      pairing: data.labels.sources[index].pairing,
      training: [...splits[index].training],
      validation: [...splits[index].validation],
      gap: [...splits[index].gap],
    })),
    materials: [...data.labels.materials],
    unlabelled: data.labels.unlabelled,
    versions: runtime.versions,
    device: { ...runtime.device },
  }
}

/** A resumed run must be the same run: other data or settings would give a curve that nothing explains. */
function requireSame(earlier: RunRecord, now: RunRecord, out: string): void {
  const differences: string[] = []
  for (const key of Object.keys(now.config) as (keyof RunRecord['config'])[]) {
    // How often a checkpoint is written does not change what is learned.
    if (key === 'checkpointSteps') continue
    const [before, after] = [earlier.config[key], now.config[key]].map((value) => JSON.stringify(value))
    if (before !== after) differences.push(`${key} was ${before}, is ${after}`)
  }
  if (earlier.dataFingerprint !== now.dataFingerprint)
    differences.push('the volumes, labels or slices are not the same')
  if (differences.length === 0) return
  throw new PhasemarkError(
    'WrongUsage',
    `${out}: --resume expected the settings and data the run was begun with, found that ${differences.join('; ')}`,
    { argument: '--resume' },
  )
}

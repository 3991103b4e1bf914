import { setImmediate } from 'node:timers/promises'
import { PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { Architecture, ModelScore, Pretrained } from '../model/model-card.ts'
import { saveModelPackage } from '../model/model-package.ts'
import { parameterCount } from '../network/network-spec.ts'
import { isOutOfMemory } from '../out-of-memory.ts'
import { createSlicePredictor } from '../prediction/slice-predictor.ts'
import { tileMemoryBytes } from '../prediction/tile-memory.ts'
import type { Checkpoint } from '../runs/run-folder.ts'
import type { RunRecord } from '../runs/run-record.ts'
import { packageVersion } from '../../package-version.ts'
import { openVgg16Course } from '../vgg16/vgg16-course.ts'
import { volumeNormalisations, type Course, type CourseOptions } from './course.ts'
import { openUnetCourse } from './patch-course.ts'
import { learningRateAt } from './schedule.ts'
import type { TrainConfig } from './train-config.ts'
import type { StepResult, TrainingBatch } from './training-step.ts'
import { scoreSlices } from './validation.ts'

export interface TrainingLoopResult {
  steps: number
  seconds: number
  parameters: number
  validation: ModelScore | null
}

/** At most this much training is lost when the machine goes down. */
const checkpointSeconds = 150
/** Steps whose duration decides how many fit into a time limit; the first ones are slower. */
const measuredSteps = { from: 4, to: 12 }
/** Share of the time limit left for the last checkpoint, scoring and writing the model. */
const reservedShare = 0.05
/** Scoring all slices of a large validation set every hundred steps would take longer than training. */
const maxVoxelsPerValidation = 8e6
const maxSlicesPerValidation = 8

export async function runTraining(options: CourseOptions): Promise<TrainingLoopResult> {
  const { runtime, data, folder, record, checkpoint, job } = options
  const { config } = record
  const beganMs = performance.now()
  const course = await openCourse(options)
  try {
    if (checkpoint !== null) course.step.restore(checkpoint.state)
    const progress = new TrainingProgress(options, course, beganMs)
    await progress.run()
    const { position } = progress

    // The model is the best state seen when there is something to judge by, else the last.
    const best = position.bestStep === null ? null : await folder.readCheckpoint('best')
    if (best !== null) course.step.restore(best.state)
    const state = course.step.state()
    const validation = await progress.validate(Infinity)
    throwIfCancelled(job.signal)
    const model = course.model({
      parameters: state.averageParameters,
      statistics: state.averageStatistics,
    })
    const parameters = parameterCount(model.spec)
    await saveModelPackage(runtime, folder.modelFolder, {
      ...model,
      card: {
        format: 'phasemark-model',
        version: 1,
        createdAt: new Date().toISOString(),
        phasemark: packageVersion(),
        architecture: architectureOf(config),
        parameters,
        materials: record.materials,
        normalisation: {
          method: 'percentile',
          scope: config.intensityScope,
          training: [...options.normalisations],
        },
        voxelSize: data.volumes[0].meta.voxelSize,
        training: {
          fingerprint: record.dataFingerprint,
          volumes: data.volumes.length,
          labelledSlices: options.splits.reduce((sum, { training }) => sum + training.length, 0),
          labelledVoxels: labelledVoxels(options),
          steps: best?.position.step ?? position.step,
          seconds: position.seconds,
          seed: config.seed,
          device: runtime.device.name,
        },
        scores: validation === null ? [] : [validation],
        pretrained: pretrainedOf(options),
      },
    })
    await folder.writeRecord({ ...progress.record, status: 'finished' })
    return { steps: position.step, seconds: position.seconds, parameters, validation }
  } finally {
    await course.close()
  }
}

async function openCourse(options: CourseOptions): Promise<Course> {
  const { config } = options.record
  switch (config.model) {
    case 'unet':
      return openUnetCourse(options, config)
    case 'vgg16-nn':
      return openVgg16Course(options, config, options.pretrained!)
  }
}

function architectureOf(config: TrainConfig): Architecture {
  switch (config.model) {
    case 'unet': {
      const { contextSlices, baseFilters, depth, normalisation } = config
      return { name: 'unet', contextSlices, baseFilters, depth, normalisation }
    }
    case 'vgg16-nn':
      return { name: 'vgg16-nn', contextSlices: 0, features: config.features, hidden: config.hidden }
  }
}

function pretrainedOf({ pretrained, record }: CourseOptions): Pretrained | null {
  if (pretrained === null || record.config.model !== 'vgg16-nn') return null
  const { id, title, licence, source, citation, sha256 } = pretrained
  return { id, title, licence, source, citation, sha256, fineTuned: record.config.fineTune !== null }
}

function labelledVoxels({ splits, data }: CourseOptions): number {
  let sum = 0
  splits.forEach(({ training }, volume) => {
    for (const z of training)
      data.labels.sources[volume].countSlice(z).forEach((count, k) => (sum += k > 0 ? count : 0))
  })
  return sum
}

/** The loop itself: steps, metrics, validation, checkpoints, time limit. */
class TrainingProgress {
  record: RunRecord
  position: Checkpoint['position']
  private readonly options: CourseOptions
  private readonly course: Course
  private readonly config: TrainConfig
  /** Into how many parts a batch is cut; doubled when memory runs out. */
  private parts = 1
  /** When this sitting would have begun, had all of training been done in it. */
  private readonly startedMs: number
  private lastCheckpointMs = 0
  private readonly durations: number[] = []

  constructor(options: CourseOptions, course: Course, beganMs: number) {
    this.options = options
    this.course = course
    this.record = options.record
    this.config = options.record.config
    this.position = options.checkpoint?.position ?? { step: 0, seconds: 0, bestScore: null, bestStep: null }
    this.startedMs = beganMs - this.position.seconds * 1000
  }

  async run(): Promise<void> {
    const { folder, job } = this.options
    if (this.config.maxMinutes === null) this.record = { ...this.record, totalSteps: this.config.maxSteps }
    await folder.writeRecord(this.record)
    this.lastCheckpointMs = performance.now()
    try {
      while (!this.finished()) await this.oneStep()
    } catch (error) {
      // Stopped on purpose, what was learned so far is kept. After anything else the last checkpoint is the one to trust.
      if (this.position.step > 0 && job.signal?.aborted) await this.checkpoint()
      // On a full disk the record cannot be written either; the first error says why the run ended.
      await folder.writeRecord({ ...this.record, status: 'interrupted' }).catch(() => undefined)
      throw error
    }
    await this.checkpoint()
  }

  private finished(): boolean {
    const { step, bestStep, seconds } = this.position
    const total = this.record.totalSteps ?? this.config.maxSteps
    if (step >= total) return true
    const { maxMinutes, patience, validationSteps } = this.config
    if (maxMinutes !== null && seconds >= maxMinutes * 60 * (1 - reservedShare)) {
      this.options.warnings.push({
        kind: 'other',
        message: `the time limit of ${maxMinutes} minutes ended training after ${step} of ${total} planned steps`,
      })
      return true
    }
    return bestStep !== null && validationSteps !== null && step - bestStep >= patience * validationSteps
  }

  private async oneStep(): Promise<void> {
    const { folder, job } = this.options
    // Steps follow from messages of the patch thread, one in the wake of the other: without a pause signals would never arrive.
    await setImmediate()
    throwIfCancelled(job.signal)
    const number = this.position.step + 1
    const learningRate = learningRateAt(number, this.record.totalSteps ?? this.config.maxSteps, this.config)
    const batch = await this.course.batch(number, job.signal)
    const began = performance.now()
    const result = this.compute(batch, learningRate, number)
    if (!Number.isFinite(result.loss)) {
      throw new PhasemarkError(
        'Internal',
        `training: the loss of step ${number} is ${result.loss}; the last checkpoint is kept`,
        {},
      )
    }
    this.measure(number, (performance.now() - began) / 1000)
    this.position = { ...this.position, step: number, seconds: this.seconds() }
    const metrics = { step: number, ...result, learningRate, seconds: this.seconds() }
    let validation: ModelScore | null = null
    try {
      const { validationSteps } = this.config
      if (validationSteps !== null && number % validationSteps === 0) {
        validation = await this.validate(this.slicesPerValidation())
        await this.rememberBest(validation)
      }
    } finally {
      // Also when validation is stopped: the step is done and will be in the checkpoint.
      folder.appendMetrics(validation === null ? metrics : { ...metrics, validation })
    }
    this.report(result)
    const everySteps = this.config.checkpointSteps
    const due =
      everySteps === null
        ? performance.now() - this.lastCheckpointMs > checkpointSeconds * 1000
        : number % everySteps === 0
    if (due) await this.checkpoint()
  }

  /** One step, in smaller and smaller parts when memory runs out. */
  private compute(batch: TrainingBatch, learningRate: number, number: number): StepResult {
    for (;;) {
      try {
        return this.course.step.run(batch, learningRate, number, this.parts)
      } catch (error) {
        if (!isOutOfMemory(error)) throw error
        const device = this.options.runtime.device.name
        if (this.parts >= batch.shape[0]) {
          throw new PhasemarkError(
            'OutOfMemory',
            `training: even a single patch of ${batch.shape[1]} × ${batch.shape[2]} does not fit into the memory of ${device}; close other programs or choose a smaller preset`,
            { device },
            { cause: error },
          )
        }
        this.parts = Math.min(this.parts * 2, batch.shape[0])
        this.options.warnings.push({
          kind: 'other',
          message: `memory of ${device} ran out at step ${number}; batches go through in ${this.parts} parts from here on`,
        })
      }
    }
  }

  /** Turns a time limit into a number of steps, once steps have been timed. */
  private measure(number: number, seconds: number): void {
    const { maxMinutes, maxSteps } = this.config
    if (maxMinutes === null || this.record.totalSteps !== null) return
    this.durations.push(seconds)
    if (this.durations.length < measuredSteps.to) return
    const sorted = this.durations.slice(measuredSteps.from).sort((a, b) => a - b)
    const typical = sorted[sorted.length >> 1]
    const left = maxMinutes * 60 * (1 - 2 * reservedShare) - this.seconds()
    const totalSteps = Math.min(maxSteps, number + Math.max(1, Math.floor(left / typical)))
    this.record = { ...this.record, totalSteps }
  }

  private seconds(): number {
    return (performance.now() - this.startedMs) / 1000
  }

  private slicesPerValidation(): number {
    const largest = Math.max(...this.options.data.volumes.map(({ meta }) => meta.shape[1] * meta.shape[2]))
    return Math.min(maxSlicesPerValidation, Math.max(1, Math.floor(maxVoxelsPerValidation / largest)))
  }

  /** Scores up to `maxSlices` validation slices, evenly chosen; `null` when there are none. */
  async validate(maxSlices: number): Promise<ModelScore | null> {
    const { runtime, data, splits, normalisations, record, job } = this.options
    const validation = splits.map((split) => split.validation)
    const count = validation.reduce((sum, slices) => sum + slices.length, 0)
    if (count === 0) return null
    const every = Math.max(1, Math.ceil(count / maxSlices))
    const chosen = validation.map((slices) => slices.filter((_, index) => index % every === 0))
    const model = this.course.model(this.course.step.weights())
    const predictor = createSlicePredictor(runtime, model.spec, {
      ...model,
      memoryBytes: tileMemoryBytes(runtime.device),
    })
    try {
      return await scoreSlices(predictor, data, volumeNormalisations(record.config, normalisations), chosen, {
        split: 'validation',
        contextSlices: record.config.contextSlices,
        ...(job.signal === undefined ? {} : { signal: job.signal }),
      })
    } finally {
      predictor.dispose()
    }
  }

  private async rememberBest(validation: ModelScore | null): Promise<void> {
    const score = validation?.macroF1 ?? null
    if (score === null || (this.position.bestScore !== null && score <= this.position.bestScore)) return
    this.position = { ...this.position, bestScore: score, bestStep: this.position.step }
    await this.options.folder.writeCheckpoint('best', {
      position: this.position,
      state: this.course.step.state(),
    })
  }

  private async checkpoint(): Promise<void> {
    await this.options.folder.writeRecord(this.record)
    await this.options.folder.writeCheckpoint('last', {
      position: this.position,
      state: this.course.step.state(),
    })
    this.lastCheckpointMs = performance.now()
  }

  private report({ loss }: StepResult): void {
    const total = this.record.totalSteps ?? this.config.maxSteps
    const { step, seconds, bestScore } = this.position
    const readings: Record<string, number> = { loss }
    if (bestScore !== null) readings['bestMacroF1'] = bestScore
    this.options.job.onProgress?.({
      stage: 'training',
      done: step,
      total,
      unit: 'steps',
      readings,
      ...(this.record.totalSteps === null ? {} : { etaSeconds: ((total - step) * seconds) / step }),
    })
  }
}

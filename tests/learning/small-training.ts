import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ComputeRuntime } from '../../src/main/engine/compute/runtime/load.ts'
import type { UnetConfig } from '../../src/main/engine/learning/training/train-config.ts'
import { runtime } from '../unit/learning/compute-runtime.ts'
import { train, type TrainOptions, type TrainResult } from '../../src/main/engine/learning/training/train.ts'

/** A network and patches so small that a hundred steps take seconds; everything else is as the presets say. */
export const smallConfig: Partial<UnetConfig> = {
  baseFilters: 8,
  depth: 2,
  // Learns within the hundred steps that a test can afford, and takes the path of running statistics too.
  normalisation: 'batch',
  learningRate: 2e-3,
  patchSize: 64,
  batchSize: 4,
  averageDecay: 0.95,
  validationSteps: 40,
}

export interface TrainingRequest extends Partial<Omit<TrainOptions, 'inputs' | 'data'>> {
  volume: string
  labels: string
  out: string
  unlabelled?: number | 'none'
  on?: ComputeRuntime
}

/** Trains on one volume. */
export function trainOn({
  volume,
  labels,
  unlabelled,
  on,
  ...options
}: TrainingRequest): Promise<TrainResult> {
  return train(on ?? runtime, {
    inputs: [{ volume, labels }],
    data: { open: {}, labels: unlabelled === undefined ? {} : { unlabelled } },
    split: {},
    choices: { model: 'unet', maxSteps: 20 },
    resume: false,
    ...options,
  })
}

export interface MetricsLine {
  step: number
  loss: number
  learningRate: number
  validation?: { macroF1: number }
}

export function readMetrics(run: string): MetricsLine[] {
  return readFileSync(path.join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as MetricsLine)
}

export function readJson(...parts: string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(path.join(...parts), 'utf8')) as Record<string, unknown>
}

import { z } from 'zod'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { intensityScopes, type IntensityScope } from '../normalisation.ts'

export const presets = ['quick', 'standard', 'overnight'] as const
export type Preset = (typeof presets)[number]

/** Everything that decides how a UNet is trained, apart from the data. Stored in `run.json`; resume refuses another. */
export const trainConfigSchema = z.object({
  model: z.literal('unet'),
  preset: z.enum(presets),
  baseFilters: z.number().int().min(1).max(256),
  depth: z.number().int().min(1).max(7),
  normalisation: z.enum(['batch', 'none']),
  contextSlices: z.number().int().min(0).max(16),
  intensityScope: z.enum(intensityScopes),
  patchSize: z.number().int().min(16).max(2048),
  batchSize: z.number().int().min(1).max(256),
  /** Length of the schedule. With `maxMinutes` an upper limit. */
  maxSteps: z.number().int().min(1),
  /** The schedule is cut to what fits into this time, measured over the first steps. */
  maxMinutes: z.number().positive().nullable(),
  learningRate: z.number().positive(),
  warmupSteps: z.number().int().min(0),
  weightDecay: z.number().min(0),
  diceWeight: z.number().min(0),
  averageDecay: z.number().min(0).max(1),
  balance: z.number().min(0).max(1),
  augmentation: z.object({
    geometry: z.object({
      affineProbability: z.number(),
      maxRotationDegrees: z.number(),
      maxScale: z.number(),
      elasticProbability: z.number(),
      elasticVoxels: z.number(),
    }),
    intensity: z.object({
      probability: z.number(),
      maxContrast: z.number(),
      maxBrightness: z.number(),
      maxGamma: z.number(),
      maxNoise: z.number(),
      maxBlurVoxels: z.number(),
    }),
  }),
  /** Steps between validations, when there are validation slices. */
  validationSteps: z.number().int().min(1),
  /** Validations without a better score after which training ends. */
  patience: z.number().int().min(1),
  /** Steps between checkpoints; `null` means by time. */
  checkpointSteps: z.number().int().min(1).nullable(),
  seed: z.number().int(),
})
export type TrainConfig = z.infer<typeof trainConfigSchema>

interface PresetSize {
  baseFilters: number
  batchSize: number
  maxSteps: number
}

/** A step on two CPU cores takes about as long as twenty on a graphics card of a workstation. */
const sizes: Record<DeviceInfo['kind'], Record<Preset, PresetSize>> = {
  cpu: {
    quick: { baseFilters: 16, batchSize: 4, maxSteps: 300 },
    standard: { baseFilters: 16, batchSize: 4, maxSteps: 1500 },
    overnight: { baseFilters: 32, batchSize: 4, maxSteps: 12_000 },
  },
  gpu: {
    quick: { baseFilters: 16, batchSize: 8, maxSteps: 1000 },
    standard: { baseFilters: 32, batchSize: 8, maxSteps: 5000 },
    overnight: { baseFilters: 64, batchSize: 8, maxSteps: 40_000 },
  },
}

/** What the user may choose; the rest follows from preset and device. */
export interface TrainChoices {
  preset?: Preset
  maxMinutes?: number
  maxSteps?: number
  seed?: number
  contextSlices?: number
  checkpointSteps?: number
  /** Default: by how much the grey values of slices differ. */
  intensityScope?: IntensityScope
}

/** Settings chosen by measured scores on slices that were not trained on: docs/training.md. */
export function trainConfig(choices: TrainChoices, device: DeviceInfo['kind']): TrainConfig {
  const preset = choices.preset ?? 'standard'
  const size = sizes[device][preset]
  // With a time limit only, the time decides and the preset's length does not.
  const maxSteps = choices.maxSteps ?? (choices.maxMinutes === undefined ? size.maxSteps : 1_000_000)
  return {
    model: 'unet',
    preset,
    baseFilters: size.baseFilters,
    depth: 4,
    normalisation: 'none',
    contextSlices: choices.contextSlices ?? 0,
    intensityScope: choices.intensityScope ?? 'volume',
    patchSize: 256,
    batchSize: size.batchSize,
    maxSteps,
    maxMinutes: choices.maxMinutes ?? null,
    learningRate: 1e-3,
    warmupSteps: 20,
    weightDecay: 1e-2,
    diceWeight: 1,
    averageDecay: 0.97,
    balance: 0.5,
    augmentation: {
      geometry: {
        affineProbability: 0.3,
        maxRotationDegrees: 45,
        maxScale: 1.25,
        elasticProbability: 0.2,
        elasticVoxels: 4,
      },
      intensity: {
        probability: 0.3,
        // Small on purpose: where grey values alone tell materials apart, larger changes cost more than they gain.
        maxContrast: 0.1,
        maxBrightness: 0.05,
        maxGamma: 1.1,
        maxNoise: 0.05,
        maxBlurVoxels: 0.7,
      },
    },
    validationSteps: 100,
    patience: 15,
    checkpointSteps: choices.checkpointSteps ?? null,
    seed: choices.seed ?? 1,
  }
}

import { z } from 'zod'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { intensityScopes, type IntensityScope } from '../normalisation.ts'
import { featureSets, type FeatureSet } from '../vgg16/vgg16-spec.ts'

export const presets = ['quick', 'standard', 'overnight'] as const
export type Preset = (typeof presets)[number]

/** What every kind of model is trained with. */
const commonShape = {
  preset: z.enum(presets),
  contextSlices: z.number().int().min(0).max(16),
  intensityScope: z.enum(intensityScopes),
  /** Length of the schedule. With `maxMinutes` an upper limit. */
  maxSteps: z.number().int().min(1),
  /** The schedule is cut to what fits into this time, measured over the first steps. */
  maxMinutes: z.number().positive().nullable(),
  learningRate: z.number().positive(),
  warmupSteps: z.number().int().min(0),
  weightDecay: z.number().min(0),
  diceWeight: z.number().min(0),
  averageDecay: z.number().min(0).max(1),
  /** 0: materials are seen as often as they are labelled; 1: equally often. */
  balance: z.number().min(0).max(1),
  /** Steps between validations, when there are validation slices; `null` means once, at the end. */
  validationSteps: z.number().int().min(1).nullable(),
  /** Validations without a better score after which training ends. */
  patience: z.number().int().min(1),
  /** Steps between checkpoints; `null` means by time. */
  checkpointSteps: z.number().int().min(1).nullable(),
  seed: z.number().int(),
}

/** Learning from patches: all of a UNet, or VGG16 when it is fine-tuned. */
const patchShape = {
  patchSize: z.number().int().min(16).max(2048),
  batchSize: z.number().int().min(1).max(256),
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
}
const patchSchema = z.object(patchShape)
export type PatchConfig = z.infer<typeof patchSchema>

const unetConfigSchema = z.object({
  model: z.literal('unet'),
  ...commonShape,
  ...patchShape,
  baseFilters: z.number().int().min(1).max(256),
  depth: z.number().int().min(1).max(7),
  normalisation: z.enum(['batch', 'none']),
})
export type UnetConfig = z.infer<typeof unetConfigSchema>

const vgg16ConfigSchema = z.object({
  model: z.literal('vgg16-nn'),
  ...commonShape,
  features: z.enum(featureSets),
  hidden: z.array(z.number().int().min(1).max(1024)).min(1).max(4),
  /** Labelled voxels whose features are computed, over all slices. */
  maxRows: z.number().int().min(1),
  /** Rows per step. */
  batchRows: z.number().int().min(1),
  /** Pretrained weights, and a hash of their values: resume refuses others. */
  pretrained: z.object({ id: z.string(), sha256: z.string() }),
  /** When not `null`, VGG16 is trained too, on patches, after its classifier was trained for `classifierSteps`. */
  fineTune: patchSchema.extend({ classifierSteps: z.number().int().min(1) }).nullable(),
})
export type Vgg16Config = z.infer<typeof vgg16ConfigSchema>

/** Everything that decides how a model is trained, apart from the data. Stored in `run.json`; resume refuses another. */
export const trainConfigSchema = z.discriminatedUnion('model', [unetConfigSchema, vgg16ConfigSchema])
export type TrainConfig = z.infer<typeof trainConfigSchema>

export const modelKinds = ['unet', 'vgg16-nn'] as const
export type ModelKind = (typeof modelKinds)[number]

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

/**
 * The classifier learns from rows of features in seconds on any device. More steps fit the many features
 * of several scales ever more closely to few labelled slices and do worse on others (docs/training.md).
 */
const classifierSteps: Record<FeatureSet, Record<Preset, number>> = {
  block1: { quick: 300, standard: 1000, overnight: 3000 },
  'multi-scale': { quick: 100, standard: 200, overnight: 600 },
}
const fineTuneSteps: Record<DeviceInfo['kind'], Record<Preset, number>> = {
  cpu: { quick: 50, standard: 300, overnight: 3000 },
  gpu: { quick: 300, standard: 2000, overnight: 15_000 },
}

/** What the user may choose; the rest follows from model, preset and device. */
export interface TrainChoices {
  model: ModelKind
  preset?: Preset
  maxMinutes?: number
  maxSteps?: number
  seed?: number
  contextSlices?: number
  checkpointSteps?: number
  /** Default: by how much the grey values of slices differ. */
  intensityScope?: IntensityScope
  /** `vgg16-nn` only. */
  features?: FeatureSet
  fineTune?: boolean
}

/** Small on purpose: where grey values alone tell materials apart, larger changes cost more than they gain. */
const augmentation: PatchConfig['augmentation'] = {
  geometry: {
    affineProbability: 0.3,
    maxRotationDegrees: 45,
    maxScale: 1.25,
    elasticProbability: 0.2,
    elasticVoxels: 4,
  },
  intensity: {
    probability: 0.3,
    maxContrast: 0.1,
    maxBrightness: 0.05,
    maxGamma: 1.1,
    maxNoise: 0.05,
    maxBlurVoxels: 0.7,
  },
}

function lengthOf(choices: TrainChoices, presetSteps: number) {
  return {
    // With a time limit only, the time decides and the preset's length does not.
    maxSteps: choices.maxSteps ?? (choices.maxMinutes === undefined ? presetSteps : 1_000_000),
    maxMinutes: choices.maxMinutes ?? null,
    checkpointSteps: choices.checkpointSteps ?? null,
    seed: choices.seed ?? 1,
  }
}

/** Settings chosen by measured scores on slices that were not trained on: docs/training.md. */
export function unetConfig(choices: TrainChoices, device: DeviceInfo['kind']): UnetConfig {
  const preset = choices.preset ?? 'standard'
  const size = sizes[device][preset]
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
    ...lengthOf(choices, size.maxSteps),
    learningRate: 1e-3,
    warmupSteps: 20,
    weightDecay: 1e-2,
    diceWeight: 1,
    averageDecay: 0.97,
    balance: 0.5,
    augmentation,
    validationSteps: 100,
    patience: 15,
  }
}

/** Settings chosen by measured scores on slices that were not trained on: docs/training.md. */
export function vgg16Config(
  choices: TrainChoices,
  device: DeviceInfo['kind'],
  pretrained: Vgg16Config['pretrained'],
): Vgg16Config {
  const preset = choices.preset ?? 'standard'
  const features = choices.features ?? 'multi-scale'
  const fineTune = choices.fineTune === true
  return {
    model: 'vgg16-nn',
    preset,
    features,
    hidden: [64, 64],
    maxRows: 300_000,
    batchRows: 4096,
    pretrained,
    contextSlices: 0,
    intensityScope: choices.intensityScope ?? 'volume',
    ...lengthOf(choices, fineTune ? fineTuneSteps[device][preset] : classifierSteps[features][preset]),
    learningRate: fineTune ? 1e-4 : 2e-3,
    warmupSteps: 20,
    weightDecay: fineTune ? 1e-2 : 1,
    diceWeight: fineTune ? 1 : 0,
    averageDecay: 0.97,
    balance: 0.15,
    validationSteps: fineTune ? 100 : null,
    patience: 15,
    fineTune: fineTune
      ? { patchSize: 256, batchSize: 4, augmentation, classifierSteps: classifierSteps[features].standard }
      : null,
  }
}

import { z } from 'zod'
import { materialSchema, type Material } from '../../../../shared/materials.ts'
import { voxelSizeSchema } from '../../../../shared/voxel-size-schema.ts'
import { intensityScopes, normalisationSchema } from '../normalisation.ts'
import { featureSets } from '../vgg16/vgg16-spec.ts'

/** Limits on what a card may ask for: cards come from strangers, and sizes decide allocations. */
const maxBaseFilters = 256
const maxDepth = 7
const maxContextSlices = 16
const maxHidden = 1024
const maxHiddenLayers = 4

const unetArchitectureSchema = z.object({
  name: z.literal('unet'),
  contextSlices: z.number().int().min(0).max(maxContextSlices),
  baseFilters: z.number().int().min(1).max(maxBaseFilters),
  depth: z.number().int().min(1).max(maxDepth),
  normalisation: z.enum(['batch', 'none']),
})

const vgg16ArchitectureSchema = z.object({
  name: z.literal('vgg16-nn'),
  contextSlices: z.literal(0),
  features: z.enum(featureSets),
  /** Width of each hidden layer of the classifier. */
  hidden: z.array(z.number().int().min(1).max(maxHidden)).min(1).max(maxHiddenLayers),
})

const architectureSchema = z.discriminatedUnion('name', [unetArchitectureSchema, vgg16ArchitectureSchema])
export type Architecture = z.infer<typeof architectureSchema>

/** Which pretrained weights a model began with, for its results to say. */
const pretrainedSchema = z.object({
  id: z.string(),
  title: z.string(),
  licence: z.string(),
  source: z.string(),
  citation: z.string().nullable(),
  /** Of the file that they were read from, hexadecimal. */
  sha256: z.string(),
  /** Whether they were trained on. */
  fineTuned: z.boolean(),
})

const scoreSchema = z.object({
  split: z.string(),
  slices: z.number().int(),
  macroF1: z.number().nullable(),
  meanIoU: z.number().nullable(),
  perMaterial: z.array(z.object({ id: z.number(), name: z.string(), f1: z.number().nullable() })),
})

function requireOrder(materials: readonly Material[], context: z.RefinementCtx): void {
  for (const [position, { index }] of materials.entries()) {
    if (index === position + 1) continue
    context.addIssue({
      code: 'custom',
      message: `expected the material of index ${position + 1}, found ${index}`,
    })
  }
  if (new Set(materials.map(({ value }) => value)).size < materials.length) {
    context.addIssue({ code: 'custom', message: 'expected a label value of its own for each material' })
  }
}

/** What a model is, what it learned from and what it reached: `card.json` in a model package. */
export const modelCardSchema = z.object({
  format: z.literal('phasemark-model'),
  version: z.literal(1),
  createdAt: z.string(),
  phasemark: z.string(),
  architecture: architectureSchema,
  parameters: z.number().int(),
  /** In order of index, from 1: the classes of the network. */
  materials: z.array(materialSchema).min(2).max(255).superRefine(requireOrder),
  /** How input is normalised: with one range per volume or per slice; `training` holds the values of each training volume, to notice a drift. */
  normalisation: z.object({
    method: z.literal('percentile'),
    scope: z.enum(intensityScopes),
    training: z.array(normalisationSchema).min(1),
  }),
  /** Voxel size of the first training volume; structures of another size in voxels are new to the model. */
  voxelSize: voxelSizeSchema.nullable(),
  training: z.object({
    fingerprint: z.string(),
    volumes: z.number().int(),
    labelledSlices: z.number().int(),
    labelledVoxels: z.number(),
    steps: z.number().int(),
    seconds: z.number(),
    seed: z.number().int(),
    device: z.string(),
  }),
  scores: z.array(scoreSchema),
  /** SHA-256 of `weights.bin`, hexadecimal. */
  weightsSha256: z.string(),
  pretrained: pretrainedSchema.nullable(),
})
export type ModelCard = z.infer<typeof modelCardSchema>
export type Pretrained = z.infer<typeof pretrainedSchema>
export type ModelScore = z.infer<typeof scoreSchema>

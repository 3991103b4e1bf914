import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { materialMapSchema } from '../../../shared/comparison/material-map.ts'
import { badInput, isPhasemarkError, PhasemarkError } from '../../../shared/errors.ts'
import { parseSliceRanges } from '../../../shared/slice-ranges.ts'
import { voxelSizeSchema } from '../../../shared/voxel-size-schema.ts'
import { intensityScopes } from '../learning/normalisation.ts'
import { presets } from '../learning/training/train-config.ts'
import { featureSets } from '../learning/vgg16/vgg16-spec.ts'

/** A configuration is a page of text; anything far larger is another file. */
const maxConfigBytes = 1024 * 1024
/** More runs than this are rather a mistake than a study. */
const [maxSeeds, maxFractions, maxVolumes] = [20, 20, 100]

const slicesSchema = z.string().superRefine((text, context) => {
  try {
    parseSliceRanges(text, 'slices')
  } catch (error) {
    context.addIssue({ code: 'custom', message: isPhasemarkError(error) ? error.message : String(error) })
  }
})

const inputSchema = z.strictObject({ volume: z.string().min(1), labels: z.string().min(1) })

const lengthShape = {
  preset: z.enum(presets).default('standard'),
  maxSteps: z.number().int().min(1).optional(),
  maxMinutes: z.number().positive().optional(),
  /** Steps between checkpoints; default by time. */
  checkpointSteps: z.number().int().min(1).optional(),
  intensity: z.enum(['auto', ...intensityScopes]).default('auto'),
}

const modelSchema = z.discriminatedUnion('model', [
  z.strictObject({
    model: z.literal('unet'),
    ...lengthShape,
    context: z.number().int().min(0).max(16).default(0),
  }),
  z.strictObject({
    model: z.literal('vgg16-nn'),
    ...lengthShape,
    features: z.enum(featureSets).optional(),
    fineTune: z.boolean().default(false),
    /** A set of the catalogue or a file. */
    weights: z.string().min(1).optional(),
  }),
])
export type StudyModel = z.infer<typeof modelSchema>

const studyConfigSchema = z
  .strictObject({
    version: z.literal(1),
    data: z.strictObject({
      /** What the models learn from. Slice ranges hold for each of these volumes. */
      seen: z.array(inputSchema).min(1).max(maxVolumes),
      trainSlices: slicesSchema.optional(),
      valSlices: slicesSchema.optional(),
      /** Default: all labelled slices that are used neither for training nor for validation. */
      testSlices: slicesSchema.optional(),
      /** What they never see. */
      unseen: z.array(inputSchema).max(maxVolumes).default([]),
      unseenSlices: slicesSchema.optional(),
      materialMap: materialMapSchema.optional(),
      unlabelled: z.union([z.number().int(), z.literal('none')]).optional(),
      /** JSON list of materials. */
      materials: z.string().min(1).optional(),
      voxelSize: voxelSizeSchema.optional(),
      unseenVoxelSize: voxelSizeSchema.optional(),
    }),
    models: z.tuple([modelSchema, modelSchema]),
    seeds: z.array(z.number().int().min(0)).min(1).max(maxSeeds).default([1]),
    /** Shares of the pixels that scribbles cover, for score against labels; the full labels are always one of the runs. */
    labelFractions: z.array(z.number().gt(0).lt(1)).max(maxFractions).default([]),
    /** Width of the scribbles in pixels. */
    brush: z.number().positive().max(1000).default(5),
    /** Of the boundary F1, in voxels. */
    tolerance: z.number().min(0).max(1000).default(2),
    /** Of intervals and tests. */
    seed: z.number().int().min(0).default(0),
  })
  .superRefine(({ seeds, labelFractions, data }, context) => {
    const issue = (place: string, message: string) =>
      context.addIssue({ code: 'custom', path: [place], message })
    if (new Set(seeds).size < seeds.length) issue('seeds', 'expected each seed once')
    if (new Set(labelFractions).size < labelFractions.length)
      issue('labelFractions', 'expected each fraction once')
    if (data.unseen.length > 0) return
    for (const name of ['materialMap', 'unseenSlices', 'unseenVoxelSize'] as const)
      if (data[name] !== undefined) issue('data', `${name} is for unseen volumes, and there are none`)
  })
export type StudyConfig = z.infer<typeof studyConfigSchema>

/**
 * Reads the configuration of a study. Paths in it are relative to its folder; they come out absolute.
 * Throws `NotFound`, and `BadInput` naming every field that does not fit.
 */
export async function readStudyConfig(file: string): Promise<StudyConfig> {
  const text = await readText(file)
  const expected = 'the configuration of a study (docs/comparing.md)'
  let json: unknown
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw badInput(file, expected, 'text that is not JSON', { cause })
  }
  const parsed = studyConfigSchema.safeParse(json)
  if (!parsed.success) throw badInput(file, expected, z.prettifyError(parsed.error).replace(/\s*\n\s*/g, ' '))
  const config = parsed.data
  const absolute = (place: string) => path.resolve(path.dirname(file), place)
  const inputs = (list: StudyConfig['data']['seen']) =>
    list.map(({ volume, labels }) => ({ volume: absolute(volume), labels: absolute(labels) }))
  const { materials } = config.data
  return {
    ...config,
    data: {
      ...config.data,
      seen: inputs(config.data.seen),
      unseen: inputs(config.data.unseen),
      ...(materials === undefined ? {} : { materials: absolute(materials) }),
    },
  }
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > maxConfigBytes) throw badInput(file, `at most ${maxConfigBytes} bytes`, `${size} bytes`)
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (isPhasemarkError(cause)) throw cause
    throw new PhasemarkError(
      'NotFound',
      `${file}: expected the configuration of a study, found none that can be read`,
      { path: file },
      { cause },
    )
  }
}

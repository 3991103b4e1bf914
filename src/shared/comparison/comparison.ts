import { z } from 'zod'
import { materialSchema } from '../materials.ts'
import { voxelSizeSchema } from '../voxel-size-schema.ts'

/**
 * `comparison.json`: everything that `compare` finds. `null` is a score that is not defined for the data at hand (0/0), never
 * zero. Definitions: docs/scores.md and docs/comparing.md.
 */

/** The two models; letters follow the order in which they were given. */
export const modelLetters = ['A', 'B'] as const
export type ModelLetter = (typeof modelLetters)[number]

/**
 * What a slice was to the models. `held-out`: neither learned from it nor was chosen by it. `validation`: it decided which
 * checkpoint became the model. `gap`: left out of training for lying beside validation slices. `training`: a model learned from it.
 * `unknown`: nothing tells what at least one of the models learned from.
 */
export const splits = ['held-out', 'unknown', 'validation', 'gap', 'training'] as const
export type Split = (typeof splits)[number]

const score = z.number().nullable()
const interval = z.tuple([z.number(), z.number()]).readonly().nullable()

const overallShape = {
  macroF1: score,
  weightedF1: score,
  meanIoU: score,
  accuracy: score,
  macroBoundaryF1: score,
}
const overallIntervalShape = {
  macroF1: interval,
  weightedF1: interval,
  meanIoU: interval,
  accuracy: interval,
  macroBoundaryF1: interval,
}

const materialScoresSchema = z.object({
  /** File value, and for an unseen data set with other materials that of the model's material. */
  id: z.number(),
  name: z.string(),
  colour: z.string(),
  precision: score,
  recall: score,
  f1: score,
  iou: score,
  support: z.number(),
  predictedVoxels: z.number(),
  boundaryPrecision: score,
  boundaryRecall: score,
  boundaryF1: score,
  /** In voxels; `…Um` in µm when the voxel size is known. */
  assd: score,
  assdUm: score,
  hd95: score,
  hd95Um: score,
  volumeFraction: z
    .object({ truth: z.number(), predicted: z.number(), error: z.number(), relativeError: score })
    .nullable(),
  confidence: z.object({ f1: interval, iou: interval, boundaryF1: interval }),
})

const modelScoresSchema = z.object({
  ...overallShape,
  /** In order of file value. */
  perMaterial: z.array(materialScoresSchema),
  /** Truth × predicted, voxels. */
  confusion: z.array(z.array(z.number())),
  confusionRows: z.array(z.number()),
  confusionColumns: z.array(z.union([z.number(), z.literal('outside')])),
  confidence: z.object({
    level: z.number(),
    resamples: z.number(),
    seed: z.number(),
    slices: z.number(),
    ...overallIntervalShape,
  }),
  tolerance: z.number(),
  labelledVoxels: z.number(),
})
export type ModelScores = z.infer<typeof modelScoresSchema>

const pairedTestSchema = z.object({
  mean: z.number(),
  pValue: z.number().nullable(),
  method: z.enum(['exact', 'monte-carlo', 'normal-approximation', 'no-differences']),
  resamples: z.number().nullable(),
  pairs: z.number(),
})

/** A minus B throughout: positive means that A is better. */
const differenceSchema = z.object({
  /** Of the pooled scores. */
  ...overallShape,
  /** Paired bootstrap over slices, 95 %. */
  confidence: z.object(overallIntervalShape),
  perMaterial: z.array(
    z.object({
      id: z.number(),
      f1: score,
      boundaryF1: score,
      confidence: z.object({ f1: interval, boundaryF1: interval }),
    }),
  ),
  /** Of the macro-F1 and macro boundary F1 of each slice. */
  tests: z.object({
    macroF1: z.object({ signFlip: pairedTestSchema, wilcoxon: pairedTestSchema }),
    macroBoundaryF1: z.object({ signFlip: pairedTestSchema, wilcoxon: pairedTestSchema }),
  }),
})

const sliceScoreSchema = z.object({
  /** Index into `volumes` of the table. */
  volume: z.number(),
  /** Position in the volume. */
  z: z.number(),
  name: z.string(),
  A: z.object({ macroF1: score, accuracy: score, macroBoundaryF1: score }),
  B: z.object({ macroF1: score, accuracy: score, macroBoundaryF1: score }),
})

const tableSchema = z.object({
  dataSet: z.enum(['seen', 'unseen']),
  split: z.enum(splits),
  tolerance: z.number(),
  /** The one table of its data set that speaks for it: held-out slices when there are any. */
  primary: z.boolean(),
  volumes: z.array(
    z.object({
      id: z.string(),
      volume: z.string(),
      labels: z.string(),
      pairing: z.enum(['stem', 'position']),
      /** Positions in the volume. */
      slices: z.array(z.number()),
      /** The same as positions in the labels, ascending: what `evaluate --slices` takes. */
      labelSlices: z.array(z.number()),
    }),
  ),
  unlabelled: z.object({
    value: z.number().nullable(),
    from: z.enum(['option', 'file', 'default']),
  }),
  models: z.object({ A: modelScoresSchema, B: modelScoresSchema }),
  difference: differenceSchema,
  slices: z.array(sliceScoreSchema),
})
export type ComparisonTable = z.infer<typeof tableSchema>

/** A part of a slice where the models are wrong most often. */
const regionSchema = z.object({
  dataSet: z.enum(['seen', 'unseen']),
  volume: z.number(),
  z: z.number(),
  name: z.string(),
  /** Upper left corner and edge lengths, in voxels. */
  y: z.number(),
  x: z.number(),
  height: z.number(),
  width: z.number(),
  /** Material whose voxels are missed most often there. */
  material: z.object({ id: z.number(), name: z.string(), colour: z.string() }),
  /** F1 of that material within the region. */
  f1: z.object({ A: score, B: score }),
  wrong: z.object({ A: z.number(), B: z.number() }),
  labelledVoxels: z.number(),
})
export type WorstRegion = z.infer<typeof regionSchema>

const costSchema = z.object({
  dataSet: z.enum(['seen', 'unseen']),
  voxels: z.number(),
  /** Reading, network and writing; one slice per volume beforehand warms up and is not counted. */
  seconds: z.number(),
  networkSeconds: z.number(),
  voxelsPerSecond: z.number(),
  networkVoxelsPerSecond: z.number(),
  /** Resident memory of the process beforehand: what earlier work, such as the other model or a training, left behind. */
  memoryBeforeBytes: z.number().nullable(),
  /** Largest resident memory of the process while this model was at work; `null` when the system does not tell. */
  peakMemoryBytes: z.number().nullable(),
})

const modelSchema = z.object({
  /** As given. */
  path: z.string(),
  /** For people: `UNet`, `VGG16 features + NN (block1)`. */
  title: z.string(),
  architecture: z.record(z.string(), z.unknown()),
  parameters: z.number(),
  materials: z.array(materialSchema),
  voxelSize: voxelSizeSchema.nullable(),
  weightsSha256: z.string(),
  createdAt: z.string(),
  phasemark: z.string(),
  pretrained: z.record(z.string(), z.unknown()).nullable(),
  training: z.object({
    fingerprint: z.string(),
    volumes: z.number(),
    labelledSlices: z.number(),
    labelledVoxels: z.number(),
    steps: z.number(),
    seconds: z.number(),
    seed: z.number(),
    device: z.string(),
  }),
  /** Where the training slices are known from; `none` for a model folder without its run. */
  trainingSlicesFrom: z.enum(['run', 'none']),
  costs: z.array(costSchema),
})
export type ComparedModel = z.infer<typeof modelSchema>

const dataSetSchema = z.object({
  kind: z.enum(['seen', 'unseen']),
  /** Whether a file says that the data was generated, not measured; the report repeats it at every number. */
  synthetic: z.boolean(),
  materialMap: z
    .object({
      from: z.enum(['file', 'names-and-values']),
      entries: z.array(
        z.object({
          value: z.number(),
          name: z.string(),
          /** `null`: voxels of this material are not scored. */
          target: z.object({ value: z.number(), name: z.string() }).nullable(),
          by: z.enum(['map', 'name', 'value']),
          voxels: z.number(),
        }),
      ),
    })
    .nullable(),
  volumes: z.array(
    z.object({
      id: z.string(),
      volume: z.string(),
      labels: z.string(),
      shape: z.tuple([z.number(), z.number(), z.number()]),
      dtype: z.string(),
      voxelSize: voxelSizeSchema.nullable(),
      pairing: z.enum(['stem', 'position']),
      greyRange: z.tuple([z.number(), z.number()]),
      /** How it was found out which slices each model learned from. */
      trainingKnown: z.object({ A: z.string(), B: z.string() }),
      /** Labelled slices (positions in the volume) by what they were to the models. */
      splits: z.record(z.enum(splits), z.array(z.number())),
      /** Segmentations of the scored slices, relative to the comparison. */
      segmentations: z.object({ A: z.string(), B: z.string() }),
      /** Truth with the materials of the models, when a material map changes it; relative to the comparison. */
      mappedTruth: z.string().nullable(),
    }),
  ),
})
export type ComparedDataSet = z.infer<typeof dataSetSchema>

const curvePointSchema = z.object({
  model: z.enum(modelLetters),
  labelledVoxels: z.number(),
  dataSet: z.enum(['seen', 'unseen']),
  split: z.enum(splits),
  seed: z.number(),
  macroF1: score,
  interval,
})
export type CurvePoint = z.infer<typeof curvePointSchema>

export const comparisonSchema = z.object({
  format: z.literal('phasemark-comparison'),
  version: z.literal(1),
  createdAt: z.string(),
  phasemark: z.string(),
  tolerance: z.number(),
  seed: z.number(),
  device: z.record(z.string(), z.unknown()),
  versions: z.record(z.string(), z.string()),
  models: z.object({ A: modelSchema, B: modelSchema }),
  dataSets: z.array(dataSetSchema),
  /** The primary table of each data set first. */
  tables: z.array(tableSchema),
  worstRegions: z.array(regionSchema),
  /** Score against number of labelled voxels, from a study; otherwise empty. */
  labelCurve: z.array(curvePointSchema),
  warnings: z.array(z.object({ kind: z.string(), message: z.string() })),
})
export type Comparison = z.infer<typeof comparisonSchema>

/** The table that speaks for a data set. */
export function primaryTable(
  { tables }: Pick<Comparison, 'tables'>,
  dataSet: 'seen' | 'unseen',
): ComparisonTable | null {
  return tables.find((table) => table.dataSet === dataSet && table.primary) ?? null
}

/**
 * Materials of a table in the order in which people should look at them: the lowest F1 of either model first, those without
 * truth last. Returns positions in `perMaterial`.
 */
export function worstMaterialsFirst({ models }: ComparisonTable): number[] {
  const lowest = (k: number) =>
    Math.min(models.A.perMaterial[k].f1 ?? Infinity, models.B.perMaterial[k].f1 ?? Infinity)
  return models.A.perMaterial.map((_, k) => k).sort((a, b) => lowest(a) - lowest(b) || a - b)
}

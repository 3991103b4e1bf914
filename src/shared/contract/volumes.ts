import { z } from 'zod'
import { planeAxisSchema } from '../annotation/edit.ts'
import { dtypes } from '../volume.ts'
import { voxelSizeSchema } from '../voxel-size-schema.ts'
import { float64ArraySchema, uint32ArraySchema, voxelArraySchema } from './arrays.ts'
import { method, service } from './definition.ts'

const extent = z.number().int().min(1)
export const shapeSchema = z.tuple([extent, extent, extent])

/** Header of a raw file, as `--raw` of the command line. */
export const rawHeaderSchema = z.object({
  shape: shapeSchema,
  dtype: z.enum(dtypes),
  littleEndian: z.boolean(),
  offsetBytes: z.number().int().min(0),
})
export type RawDescription = z.infer<typeof rawHeaderSchema>

export const volumeWarningSchema = z.object({
  kind: z.enum(['numbering-gap', 'non-finite-voxels', 'constant-slice', 'intensity-drift', 'other']),
  message: z.string(),
})

/** Metadata of a volume for the window: `VolumeMeta` without its list of slice names. */
export const volumeSummarySchema = z.object({
  format: z.string(),
  path: z.string(),
  shape: shapeSchema,
  dtype: z.enum(dtypes),
  /** What the files say. */
  voxelSize: voxelSizeSchema.nullable(),
  bytes: z.number(),
  firstSlice: z.string(),
  lastSlice: z.string(),
  gaps: z.array(z.number().int()),
  warnings: z.array(volumeWarningSchema),
})
export type VolumeSummary = z.infer<typeof volumeSummarySchema>

/** Counts of grey values from a fixed sample of slices. */
export const histogramSchema = z.object({
  /** 256 counts over [low, high], equally wide; voxels outside are not counted. */
  counts: uint32ArraySchema,
  low: z.number(),
  high: z.number(),
  /** Smallest and largest finite value in the sample. */
  min: z.number(),
  max: z.number(),
  mean: z.number(),
  /** Robust limits for display: 0.1 and 99.9 % of the sample. */
  autoLow: z.number(),
  autoHigh: z.number(),
  /** Share of voxels at either end of an integer type, 0…1; `null` for float. */
  saturated: z.number().nullable(),
  sampledSlices: z.number().int(),
  /** Mean grey value of each sampled slice and its z. */
  sliceMeans: float64ArraySchema,
  slicePositions: uint32ArraySchema,
})
export type GreyHistogram = z.infer<typeof histogramSchema>

/**
 * One plane of a volume. Level L has one element for 2^L × 2^L voxels, the mean of them; in XZ and YZ also over 2^L planes in
 * depth (XY is always of the one slice asked for). The last row, column and plane may cover fewer. C order, shape
 * [rows, columns] = ceil of the plane's extents / 2^L. `index` counts voxels at every level. Non-finite voxels are left out
 * of means.
 */
export const planeDataSchema = z.object({
  axis: planeAxisSchema,
  index: z.number().int(),
  level: z.number().int().min(0),
  shape: z.tuple([z.number().int(), z.number().int()]),
  dtype: z.enum(dtypes),
  data: voxelArraySchema,
  /** Share of its voxels that were read, 0…1; what is not known yet comes from the nearest that is, or is 0. */
  coverage: z.number().min(0).max(1),
})
export type PlaneData = z.infer<typeof planeDataSchema>

export const pyramidStateSchema = z.object({
  volumeId: z.uuid(),
  /** Coarsest level there is. */
  levels: z.number().int(),
  /** Finest level that XZ and YZ are shown at once it is ready, and why not 0. */
  finestLevel: z.number().int(),
  reason: z.string().nullable(),
  blocksDone: z.number().int(),
  blocksTotal: z.number().int(),
  state: z.enum(['none', 'building', 'ready', 'stopped']),
})
export type PyramidState = z.infer<typeof pyramidStateSchema>

const readOptions = {
  path: z.string(),
  raw: rawHeaderSchema.optional(),
}

/** Grey volumes: looking at one before import, and reading those of the open project by id. Never writes to a source. */
export const volumesService = service({
  methods: {
    /** Reads headers only. Throws `NotFound`, `BadInput`, `WrongUsage`. */
    inspect: method(z.object(readOptions), volumeSummarySchema),
    /** Three planes through the middle, each at most `maxExtent` on its longer side, and the histogram. */
    preview: method(
      z.object({ ...readOptions, maxExtent: z.number().int().min(16).max(1024).default(512) }),
      z.object({ planes: z.array(planeDataSchema).length(3), histogram: histogramSchema }),
    ),
    /** Opens a volume of the project for reading and starts its pyramid. Throws as `inspect` (source moved: `NotFound`). */
    open: method(
      z.object({ volumeId: z.uuid() }),
      z.object({ summary: volumeSummarySchema, pyramid: pyramidStateSchema }),
    ),
    close: method(z.object({ volumeId: z.uuid() }), z.object({})),
    histogram: method(z.object({ volumeId: z.uuid() }), histogramSchema),
    /** The histogram of one XY slice, for automatic limits. */
    sliceLimits: method(
      z.object({ volumeId: z.uuid(), z: z.number().int().min(0) }),
      z.object({ low: z.number(), high: z.number() }),
    ),
    /**
     * A plane at level `level` or the next coarser one that can be had. With `quick`, only what needs no reading of many files:
     * caches and the pyramid as far as it is built.
     */
    readPlane: method(
      z.object({
        volumeId: z.uuid(),
        axis: planeAxisSchema,
        index: z.number().int().min(0),
        level: z.number().int().min(0).max(16),
        quick: z.boolean(),
      }),
      planeDataSchema,
    ),
  },
  events: { pyramidChanged: pyramidStateSchema },
})

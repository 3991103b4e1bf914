import { z } from 'zod'
import { float32ArraySchema } from '../contract/arrays.ts'
import { maxMaterials } from '../materials.ts'

/**
 * What a person does to labels. An edit is a description; the process that holds the labels turns it into changed voxels and
 * writes those into its journal, so that replaying never depends on grey values or on a later version of a tool.
 *
 * Planes: axis z is XY (rows y, columns x), axis y is XZ (rows z, columns x), axis x is YZ (rows z, columns y). In-plane
 * positions are (row, column) in voxels with voxel centres at whole numbers.
 */
export const planeAxisSchema = z.enum(['z', 'y', 'x'])
export type PlaneAxis = z.infer<typeof planeAxisSchema>

export const planeSchema = z.object({ axis: planeAxisSchema, index: z.number().int().min(0) })
export type Plane = z.infer<typeof planeSchema>

/** Half-open rectangle in a plane: rows [top, bottom), columns [left, right). */
export const rectangleSchema = z.object({
  top: z.number().int().min(0),
  left: z.number().int().min(0),
  bottom: z.number().int().min(0),
  right: z.number().int().min(0),
})
export type Rectangle = z.infer<typeof rectangleSchema>

/** Half-open box of voxels [start, stop), axes z, y, x. */
const voxelTriple = z.tuple([z.number().int(), z.number().int(), z.number().int()])
export const voxelBoxSchema = z.object({ start: voxelTriple, stop: voxelTriple })
export type VoxelBox = z.infer<typeof voxelBoxSchema>

/** Material index to paint; 0 erases. */
const paintSchema = z.number().int().min(0).max(maxMaterials)

/** Only voxels whose grey value lies in [low, high] are changed. */
const greyRangeSchema = z.object({ low: z.number(), high: z.number() }).nullable()

/** Longest stroke in one edit (points); at 1000 points/s this is several minutes of one line. */
export const maxStrokePoints = 200_000
/** Largest brush radius in voxels. */
export const maxBrushRadius = 500

/** (row, column) pairs, interleaved: length is even. */
const pointsSchema = float32ArraySchema.refine(
  (points) => points.length >= 2 && points.length % 2 === 0 && points.length <= 2 * maxStrokePoints,
  `expected 1 to ${maxStrokePoints} (row, column) pairs`,
)

const brushEditSchema = z.object({
  kind: z.literal('brush'),
  plane: planeSchema,
  points: pointsSchema,
  /** A voxel is painted when its centre lies within `radius` of the line through the points (`round`) or of its square. */
  radius: z.number().min(0).max(maxBrushRadius),
  shape: z.enum(['round', 'square']),
  /** Paints a ball (or cube) around the line instead of a disc in the plane. */
  volumetric: z.boolean(),
  material: paintSchema,
  greyRange: greyRangeSchema,
})
export type BrushEdit = z.infer<typeof brushEditSchema>

const polygonEditSchema = z.object({
  kind: z.literal('polygon'),
  plane: planeSchema,
  /** Corners; the last is joined to the first; even-odd rule. */
  points: pointsSchema,
  material: paintSchema,
  greyRange: greyRangeSchema,
})
export type PolygonEdit = z.infer<typeof polygonEditSchema>

const fillEditSchema = z.object({
  kind: z.literal('fill'),
  plane: planeSchema,
  /** (row, column) of the voxel clicked. */
  seed: z.tuple([z.number().int().min(0), z.number().int().min(0)]),
  /** Connected voxels (4 neighbours in the plane) whose grey value differs from the seed's by at most this. */
  tolerance: z.number().min(0),
  material: paintSchema,
})
export type FillEdit = z.infer<typeof fillEditSchema>

const interpolateEditSchema = z.object({
  kind: z.literal('interpolate'),
  /** Two labelled XY slices, from < to; those between are filled by shape-based interpolation (Raya & Udupa 1990). */
  from: z.number().int().min(0),
  to: z.number().int().min(0),
  /** Material to interpolate, or `null` for all that both slices have. */
  material: z.number().int().min(1).max(maxMaterials).nullable(),
})
export type InterpolateEdit = z.infer<typeof interpolateEditSchema>

const copySliceEditSchema = z.object({
  kind: z.literal('copy-slice'),
  from: z.number().int().min(0),
  to: z.number().int().min(0),
})
export type CopySliceEdit = z.infer<typeof copySliceEditSchema>

const clearSliceEditSchema = z.object({ kind: z.literal('clear-slice'), z: z.number().int().min(0) })

export const labelEditSchema = z.discriminatedUnion('kind', [
  brushEditSchema,
  polygonEditSchema,
  fillEditSchema,
  interpolateEditSchema,
  copySliceEditSchema,
  clearSliceEditSchema,
])
export type LabelEdit = z.infer<typeof labelEditSchema>

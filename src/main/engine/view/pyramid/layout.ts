import { bytesPerElement, type Dtype, type Shape3 } from '../../../../shared/volume.ts'
import { cellsAlong } from '../averages.ts'

/**
 * How a volume is cut up for planes that stand across its slices.
 *
 * Level L has one element for 2^L × 2^L × 2^L voxels. The coarsest stored one, the **coarse level**, is held in memory; the finer
 * ones are files of bricks, deep along z and narrow in y and x: XZ and YZ then touch few bytes that they do not show. Bricks
 * lie in C order of (slab, brick row, brick column), their voxels in C order (z, y, x), padded at the edges, so that every
 * position follows from the shape. A **unit** is the depth that is built, flushed and recorded at a time; it is a whole number of
 * slabs of every level.
 */
export interface PyramidLayout {
  readonly shape: Shape3
  readonly dtype: Dtype
  /** Level held in memory; 0 for small volumes, which need no files. */
  readonly coarseLevel: number
  /** Slices of the volume in one unit. */
  readonly unitSlices: number
  readonly units: number
  /** Levels 0 to `coarseLevel`. */
  readonly levels: readonly LevelLayout[]
}

export interface LevelLayout {
  readonly level: number
  /** z, y, x in elements of the level. */
  readonly shape: Shape3
  /** z, y, x in elements. */
  readonly brick: Shape3
  readonly bricksDown: number
  readonly bricksAcross: number
  readonly brickBytes: number
  /** All bricks of one depth. */
  readonly slabBytes: number
  readonly slabs: number
  readonly fileBytes: number
}

export interface LayoutLimits {
  /** Bytes of the coarse level in memory. */
  coarseBytes: number
  /** Bytes of one slab, which is put together in memory. */
  slabBytes: number
}

/** A thousand slices of 2048 × 2048 in 16 bits are 16 MiB at level 3; more would buy sharpness that no screen shows at once. */
export const defaultLimits: LayoutLimits = { coarseBytes: 80 * 2 ** 20, slabBytes: 128 * 2 ** 20 }

/** Deep enough for few reads across the slices, and a second's work at most on an ordinary disk. */
const leastUnitSlices = 32
/** One page of a disk: reading less costs the same. */
const leastBrickBytes = 4096
const narrowestBrick = 8

export function planPyramid(
  shape: Shape3,
  dtype: Dtype,
  limits: LayoutLimits = defaultLimits,
): PyramidLayout {
  const elementBytes = bytesPerElement[dtype]
  let coarseLevel = 0
  while (product(shapeAt(shape, coarseLevel)) * elementBytes > limits.coarseBytes) coarseLevel++
  const unitSlices = Math.max(leastUnitSlices, 2 ** coarseLevel)
  return {
    shape,
    dtype,
    coarseLevel,
    unitSlices,
    units: Math.ceil(shape[0] / unitSlices),
    levels: Array.from({ length: coarseLevel + 1 }, (_, level) =>
      planLevel(shapeAt(shape, level), level, unitSlices / 2 ** level, elementBytes, limits.slabBytes),
    ),
  }
}

/** Extents of level `level`. */
export function shapeAt(shape: Shape3, level: number): Shape3 {
  return [cellsAlong(shape[0], level), cellsAlong(shape[1], level), cellsAlong(shape[2], level)]
}

/** Bytes of the files of levels `finest` to the coarse one. */
export function filesBytes(layout: PyramidLayout, finest: number): number {
  return layout.levels.slice(finest).reduce((sum, level) => sum + level.fileBytes, 0)
}

/** The unit that holds slab `slab` of `level`. */
export function unitOfSlab(layout: PyramidLayout, level: LevelLayout, slab: number): number {
  return Math.floor((slab * level.brick[0] * 2 ** level.level) / layout.unitSlices)
}

function planLevel(
  shape: Shape3,
  level: number,
  deepest: number,
  elementBytes: number,
  slabLimit: number,
): LevelLayout {
  const [depth, height, width] = shape
  let bricksDeep = deepest
  while (bricksDeep > 1 && bricksDeep * height * width * elementBytes > slabLimit) bricksDeep /= 2
  const area = Math.max(narrowestBrick ** 2, leastBrickBytes / (elementBytes * bricksDeep))
  const across = 2 ** Math.floor(Math.log2(area) / 2)
  const brick = [bricksDeep, area / across, across] as const
  const [bricksDown, bricksAcross] = [Math.ceil(height / brick[1]), Math.ceil(width / brick[2])]
  const brickBytes = product(brick) * elementBytes
  const slabBytes = bricksDown * bricksAcross * brickBytes
  const slabs = Math.ceil(depth / bricksDeep)
  return {
    level,
    shape,
    brick,
    bricksDown,
    bricksAcross,
    brickBytes,
    slabBytes,
    slabs,
    fileBytes: slabs * slabBytes,
  }
}

function product(shape: Shape3): number {
  return shape[0] * shape[1] * shape[2]
}

import { throwIfCancelled } from '../../../../shared/errors.ts'
import { createTypedArray, type TypedArray } from '../../../../shared/volume.ts'
import { elementsOf, takeColumns, takeRows, type Elements } from './bricks.ts'
import type { CoarseLevel, CoarsePlane } from './coarse-level.ts'
import { unitOfSlab, type LevelLayout, type PyramidLayout } from './layout.ts'
import type { PyramidStore } from './store.ts'

/** Reading blocks the thread; after this long it looks whether somebody else wants something. */
const blockMs = 4
/** Slabs up to this size are read whole, which takes less time than many small reads. */
const readWholeBytes = 256 * 1024

export interface StandingPlaneOptions {
  store: PyramidStore
  coarse: CoarseLevel
  /** One byte per unit: 1 when its bricks are on the disk. */
  unitsDone: Uint8Array
  axis: 'y' | 'x'
  /** Voxel of the axis. */
  index: number
  /** Between the store's finest level and the coarse one. */
  level: number
  signal: AbortSignal
}

/**
 * An XZ or YZ plane from bricks. Units that are not built yet are filled from the coarse level in memory.
 * Throws `Cancelled` through the signal, system errors when the files cannot be read.
 */
export async function readStandingPlane(options: StandingPlaneOptions): Promise<CoarsePlane> {
  const { store, coarse, unitsDone, axis, index, signal } = options
  const { layout } = store
  const level = layout.levels[options.level]
  const rows = level.shape[0]
  const columns = level.shape[axis === 'y' ? 2 : 1]
  const data = createTypedArray(layout.dtype, rows * columns)
  const elements = elementsOf(data, layout.dtype)
  const reader = axis === 'y' ? rowReader(store, level, index) : columnReader(store, level, index)
  let filler: ((firstRow: number, stopRow: number) => void) | null = null
  let knownSlices = 0
  let blockedSince = performance.now()
  for (let slab = 0; slab < level.slabs; slab++) {
    const first = slab * level.brick[0]
    const stop = Math.min(first + level.brick[0], rows)
    const part = elements.subarray(first * columns, stop * columns)
    const unit = unitOfSlab(layout, level, slab)
    if (Atomics.load(unitsDone, unit) === 1 && reader(slab, part, stop - first)) {
      knownSlices += slicesOf(layout, level, first, stop)
    } else {
      filler ??= coarseFiller(options, level, data, columns)
      filler(first, stop)
      knownSlices += coarseSlices(coarse, level, first, stop)
    }
    if (performance.now() - blockedSince > blockMs) {
      await new Promise((resolve) => setImmediate(resolve))
      throwIfCancelled(signal)
      blockedSince = performance.now()
    }
  }
  return { shape: [rows, columns], data, coverage: Math.min(1, knownSlices / layout.shape[0]) }
}

/** Fills its part of the plane from one slab; `false` when the file is cut off. */
type SlabReader = (slab: number, target: Elements, rows: number) => boolean

/** A row of bricks lies in one piece. */
function rowReader(store: PyramidStore, level: LevelLayout, index: number): SlabReader {
  const y = index >> level.level
  const down = Math.floor(y / level.brick[1])
  const bytes = new Uint8Array(level.bricksAcross * level.brickBytes)
  const bricks = elementsOf(bytes, store.layout.dtype)
  return (slab, target, rows) => {
    const position = slab * level.slabBytes + down * bytes.length
    if (!store.read(level.level, position, bytes)) return false
    takeRows(bricks, level, y % level.brick[1], target, rows)
    return true
  }
}

/** A column of bricks is scattered over the slab. */
function columnReader(store: PyramidStore, level: LevelLayout, index: number): SlabReader {
  const x = index >> level.level
  const across = Math.floor(x / level.brick[2])
  const inBrick = x % level.brick[2]
  const whole = level.slabBytes <= readWholeBytes
  const bytes = new Uint8Array(whole ? level.slabBytes : level.brickBytes)
  const bricks = elementsOf(bytes, store.layout.dtype)
  const brickLength = level.brickBytes / bricks.BYTES_PER_ELEMENT
  return (slab, target, rows) => {
    const start = slab * level.slabBytes
    if (whole && !store.read(level.level, start, bytes)) return false
    for (let down = 0; down < level.bricksDown; down++) {
      const brick = down * level.bricksAcross + across
      if (!whole && !store.read(level.level, start + brick * level.brickBytes, bytes)) return false
      takeColumns(bricks, whole ? brick * brickLength : 0, level, inBrick, down, target, rows)
    }
    return true
  }
}

/** Enlarges the same plane of the coarse level into rows of a finer one. */
function coarseFiller(
  { coarse, axis, index }: StandingPlaneOptions,
  level: LevelLayout,
  data: TypedArray,
  columns: number,
): (firstRow: number, stopRow: number) => void {
  const source = coarse.plane(axis, index, coarse.level)
  const factor = coarse.level - level.level
  const sourceColumns = source.shape[1]
  return (firstRow, stopRow) => {
    for (let row = firstRow; row < stopRow; row++) {
      const from = (row >> factor) * sourceColumns
      const to = row * columns
      for (let column = 0; column < columns; column++) {
        data[to + column] = source.data[from + (column >> factor)]
      }
    }
  }
}

/** Slices of the volume that rows `[first, stop)` of a level stand for. */
function slicesOf(layout: PyramidLayout, level: LevelLayout, first: number, stop: number): number {
  const slices = 2 ** level.level
  return Math.min(stop * slices, layout.shape[0]) - first * slices
}

function coarseSlices(coarse: CoarseLevel, level: LevelLayout, first: number, stop: number): number {
  const factor = coarse.level - level.level
  let slices = 0
  for (let row = first; row < stop; row++) slices += coarse.slicesRead(row >> factor) / 2 ** factor
  return slices
}

import { bytesPerElement, type Dtype } from '../../../../shared/volume.ts'
import type { LevelLayout } from './layout.ts'

/**
 * Between planes and bricks. Voxels are moved as they are, so one type of each width stands for every dtype.
 */
export type Elements = Uint8Array | Uint16Array | Uint32Array | Float64Array

const elementArrays = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: Float64Array } as const

/** The bytes of `array` as elements of `dtype`'s width. The start must be aligned to it. */
export function elementsOf(array: ArrayBufferView, dtype: Dtype): Elements {
  const width = bytesPerElement[dtype] as keyof typeof elementArrays
  return new elementArrays[width](array.buffer as ArrayBuffer, array.byteOffset, array.byteLength / width)
}

/** Puts plane `z` (within the slab) of a slab together: `voxels` in C order (y, x) into `slab`, bricks as in the file. */
export function putPlane(slab: Elements, level: LevelLayout, z: number, voxels: Elements): void {
  const [, height, width] = level.shape
  const [depth, brickHeight, brickWidth] = level.brick
  const brickLength = depth * brickHeight * brickWidth
  for (let y = 0, from = 0; y < height; y++) {
    const down = Math.floor(y / brickHeight)
    let to =
      down * level.bricksAcross * brickLength + (z * brickHeight + (y - down * brickHeight)) * brickWidth
    const end = from + width
    while (from < end) {
      const stop = Math.min(from + brickWidth, end)
      for (let at = to; from < stop;) slab[at++] = voxels[from++]
      to += brickLength
    }
  }
}

/** The reverse of {@link putPlane}: plane `z` of a slab in C order (y, x). */
export function takePlane(slab: Elements, level: LevelLayout, z: number, voxels: Elements): void {
  const [, height, width] = level.shape
  const [depth, brickHeight, brickWidth] = level.brick
  const brickLength = depth * brickHeight * brickWidth
  for (let y = 0, to = 0; y < height; y++) {
    const down = Math.floor(y / brickHeight)
    let from =
      down * level.bricksAcross * brickLength + (z * brickHeight + (y - down * brickHeight)) * brickWidth
    const end = to + width
    while (to < end) {
      const stop = Math.min(to + brickWidth, end)
      for (let at = from; to < stop;) voxels[to++] = slab[at++]
      from += brickLength
    }
  }
}

/**
 * Rows of an XZ plane out of one row of bricks: row y (within the brick) of each depth.
 * @param bricks `bricksAcross` bricks, one after the other
 * @param target C order (z, x), `rows` × width of the level
 */
export function takeRows(
  bricks: Elements,
  level: LevelLayout,
  y: number,
  target: Elements,
  rows: number,
): void {
  const width = level.shape[2]
  const [depth, brickHeight, brickWidth] = level.brick
  const brickLength = depth * brickHeight * brickWidth
  for (let z = 0, to = 0; z < rows; z++) {
    let from = (z * brickHeight + y) * brickWidth
    const end = to + width
    while (to < end) {
      const stop = Math.min(to + brickWidth, end)
      for (let at = from; to < stop;) target[to++] = bricks[at++]
      from += brickLength
    }
  }
}

/**
 * The part of a YZ plane that one brick holds: its column x of each depth and row.
 * @param target C order (z, y), rows of the level's height; columns from `down` × brick height on are filled
 */
export function takeColumns(
  brick: Elements,
  offset: number,
  level: LevelLayout,
  x: number,
  down: number,
  target: Elements,
  rows: number,
): void {
  const height = level.shape[1]
  const [, brickHeight, brickWidth] = level.brick
  const first = down * brickHeight
  const count = Math.min(brickHeight, height - first)
  for (let z = 0; z < rows; z++) {
    let from = offset + z * brickHeight * brickWidth + x
    const to = z * height + first
    for (let y = 0; y < count; y++, from += brickWidth) target[to + y] = brick[from]
  }
}

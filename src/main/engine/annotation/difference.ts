import { readTile, type Tile } from './stored-slice.ts'
import { tileEdge, tileVoxels } from './tile.ts'

/** How many voxels differ, and the smallest half-open box (z, y, x) around them; of one slice only y and x are set. */
export interface Region {
  voxels: number
  readonly start: [z: number, y: number, x: number]
  readonly stop: [z: number, y: number, x: number]
}

export function emptyRegion(): Region {
  return { voxels: 0, start: [Infinity, Infinity, Infinity], stop: [-Infinity, -Infinity, -Infinity] }
}

/** Adds what differs in slice `z` to `region`. */
export function growRegion(region: Region, z: number, { voxels, start, stop }: Region): void {
  if (voxels === 0) return
  region.voxels += voxels
  region.start[0] = Math.min(region.start[0], z)
  region.stop[0] = Math.max(region.stop[0], z + 1)
  for (const axis of [1, 2] as const) {
    region.start[axis] = Math.min(region.start[axis], start[axis])
    region.stop[axis] = Math.max(region.stop[axis], stop[axis])
  }
}

const before = new Uint8Array(tileVoxels)
const after = new Uint8Array(tileVoxels)

/** Adds to `region` what differs between two tiles (missing: unlabelled) whose first voxel is at (top, left) of its slice. */
export function tileDifference(
  region: Region,
  old: Tile | undefined,
  current: Tile | undefined,
  top: number,
  left: number,
): void {
  readTile(old, before)
  readTile(current, after)
  for (let row = 0; row < tileEdge; row++) {
    const start = row * tileEdge
    let first = 0
    while (first < tileEdge && before[start + first] === after[start + first]) first++
    if (first === tileEdge) continue
    let last = tileEdge - 1
    while (before[start + last] === after[start + last]) last--
    for (let x = first; x <= last; x++) if (before[start + x] !== after[start + x]) region.voxels++
    region.start[1] = Math.min(region.start[1], top + row)
    region.stop[1] = Math.max(region.stop[1], top + row + 1)
    region.start[2] = Math.min(region.start[2], left + first)
    region.stop[2] = Math.max(region.stop[2], left + last + 1)
  }
}

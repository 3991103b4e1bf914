import type { PlaneExtent } from '../../../shared/annotation/brush-raster.ts'
import type { Rectangle } from '../../../shared/annotation/edit.ts'
import type { TypedArray } from '../../../shared/volume.ts'

/**
 * Voxels connected to the seed (4 neighbours in the plane) whose grey value differs from the seed's by at most `tolerance`.
 * NaN differs from everything, so that a seed on NaN fills nothing.
 *
 * Method: span filling (Smith, "Tint fill", SIGGRAPH 1979): whole runs of a row at a time, each voxel looked at a few times.
 *
 * @param grey the plane, C order (row, column)
 * @returns spans as (row, from, to), and their bounds
 */
export function fillSpans(
  grey: TypedArray,
  { rows, columns }: PlaneExtent,
  [seedRow, seedColumn]: readonly [number, number],
  tolerance: number,
): { spans: number[]; bounds: Rectangle } {
  const value = grey[seedRow * columns + seedColumn]
  const visited = new Uint8Array(rows * columns)
  const belongs = (at: number) => visited[at] === 0 && Math.abs(grey[at] - value) <= tolerance
  const spans: number[] = []
  const bounds = { top: rows, left: columns, bottom: 0, right: 0 }
  const waiting = [seedRow, seedColumn]
  while (waiting.length > 0) {
    const column = waiting.pop()!
    const row = waiting.pop()!
    const start = row * columns
    if (!belongs(start + column)) continue
    let from = column
    let to = column + 1
    while (from > 0 && belongs(start + from - 1)) from--
    while (to < columns && belongs(start + to)) to++
    visited.fill(1, start + from, start + to)
    spans.push(row, from, to)
    bounds.top = Math.min(bounds.top, row)
    bounds.left = Math.min(bounds.left, from)
    bounds.bottom = Math.max(bounds.bottom, row + 1)
    bounds.right = Math.max(bounds.right, to)
    for (const next of [row - 1, row + 1]) {
      if (next < 0 || next >= rows) continue
      for (let x = from; x < to; x++) {
        // One seed for each run of the neighbouring row.
        if (!belongs(next * columns + x)) continue
        waiting.push(next, x)
        while (x + 1 < to && belongs(next * columns + x + 1)) x++
      }
    }
  }
  return { spans, bounds }
}

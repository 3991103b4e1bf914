/** A rectangle in voxels of a padded slice. */
export interface Rectangle {
  y: number
  x: number
  height: number
  width: number
}

/** The network sees `input`; of its output only `output` is kept. */
export interface Tile {
  input: Rectangle
  output: Rectangle
}

export interface TilePlanOptions {
  /** Largest number of voxels that the network may see at once. */
  maxVoxels: number
  /** How far an output voxel looks; tiles overlap by it, so that their results equal those of the whole slice. */
  halo: number
  /** Origins and sizes of inputs are multiples of this. */
  stride: number
}

/**
 * Cuts a slice whose sides are multiples of `stride` into tiles whose outputs cover it exactly once. Inputs reach `halo`
 * beyond outputs except at the borders of the slice, where the network pads as it would for the whole slice: the result
 * does not depend on the tiling.
 *
 * The number of tiles along y and x is chosen so that the network computes the fewest voxels.
 */
export function planTiles(height: number, width: number, options: TilePlanOptions): Tile[] {
  const { maxVoxels, stride } = options
  const halo = Math.ceil(options.halo / stride) * stride
  let best: { cost: number; rows: Span[]; columns: Span[] } | null = null
  let smallest: { voxels: number; rows: Span[]; columns: Span[] } | null = null
  for (let ny = 1; ny <= height / stride; ny++) {
    const rows = spans(height, ny, halo, stride)
    for (let nx = 1; nx <= width / stride; nx++) {
      const columns = spans(width, nx, halo, stride)
      const voxels = largest(rows) * largest(columns)
      const cost = total(rows) * total(columns)
      if (smallest === null || voxels < smallest.voxels) smallest = { voxels, rows, columns }
      if (voxels <= maxVoxels && (best === null || cost < best.cost)) best = { cost, rows, columns }
      // More columns only add overlap once the tiles fit.
      if (voxels <= maxVoxels) break
      if (largest(columns) <= 2 * halo + stride) break
    }
    if (best !== null && total(rows) * width > best.cost) break
    if (largest(rows) <= 2 * halo + stride) break
  }
  // When even the smallest tile is over the budget it is still the best that can be tried.
  const { rows, columns } = best ?? smallest!
  return rows.flatMap((row) =>
    columns.map((column) => ({
      input: { y: row.inStart, x: column.inStart, height: row.inLength, width: column.inLength },
      output: { y: row.outStart, x: column.outStart, height: row.outLength, width: column.outLength },
    })),
  )
}

interface Span {
  inStart: number
  inLength: number
  outStart: number
  outLength: number
}

function spans(length: number, count: number, halo: number, stride: number): Span[] {
  const units = length / stride
  const result: Span[] = []
  for (let i = 0; i < count; i++) {
    const outStart = Math.round((i * units) / count) * stride
    const outEnd = Math.round(((i + 1) * units) / count) * stride
    const inStart = Math.max(0, outStart - halo)
    const inEnd = Math.min(length, outEnd + halo)
    result.push({ inStart, inLength: inEnd - inStart, outStart, outLength: outEnd - outStart })
  }
  return result
}

function largest(spansAlong: readonly Span[]): number {
  return Math.max(...spansAlong.map((span) => span.inLength))
}

function total(spansAlong: readonly Span[]): number {
  return spansAlong.reduce((sum, span) => sum + span.inLength, 0)
}

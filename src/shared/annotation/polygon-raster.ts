import type { EmitSpan, PlaneExtent } from './brush-raster.ts'

/**
 * Emits the voxels inside a polygon, row by row, ascending; spans of a row do not overlap.
 *
 * Rule: even-odd. A voxel is inside when a ray from its centre to lower columns crosses the border an odd number of times; an edge
 * belongs to the rows [upper end, lower end) and a centre on it counts as beyond it. Polygons that share an edge therefore share
 * no voxel and leave none out.
 *
 * @param points corners as interleaved (row, column), finite; the last is joined to the first
 */
export function polygonSpans(points: Float32Array, extent: PlaneExtent, emit: EmitSpan): void {
  const edges = edgesOf(points, extent.rows)
  if (edges.length === 0) return
  edges.sort((a, b) => a.firstRow - b.firstRow)
  let next = 0
  let active: Edge[] = []
  for (let row = edges[0].firstRow; row < extent.rows; row++) {
    while (next < edges.length && edges[next].firstRow <= row) active.push(edges[next++])
    active = active.filter((edge) => edge.endRow > row)
    if (active.length === 0) {
      if (next === edges.length) return
      row = edges[next].firstRow - 1
      continue
    }
    const crossings = Float64Array.from(active, (edge) => firstColumnBeyond(edge, row)).sort()
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, crossings[i])
      const to = Math.min(extent.columns, crossings[i + 1])
      if (from < to) emit(row, from, to)
    }
  }
}

/** An edge that runs downwards, with the rows of the plane that it crosses: [firstRow, endRow). */
interface Edge {
  row: number
  column: number
  alongRows: number
  alongColumns: number
  firstRow: number
  endRow: number
}

function edgesOf(points: Float32Array, rows: number): Edge[] {
  const edges: Edge[] = []
  const count = points.length / 2
  for (let i = 0; i < count; i++) {
    const j = (i + 1) % count
    const [row, column, toRow, toColumn] = [
      points[2 * i],
      points[2 * i + 1],
      points[2 * j],
      points[2 * j + 1],
    ]
    const down = row < toRow
    const upper = down ? { row, column } : { row: toRow, column: toColumn }
    const lower = down ? { row: toRow, column: toColumn } : { row, column }
    const firstRow = Math.max(0, Math.ceil(upper.row))
    const endRow = Math.min(rows, Math.ceil(lower.row))
    if (firstRow >= endRow) continue
    edges.push({
      ...upper,
      alongRows: lower.row - upper.row,
      alongColumns: lower.column - upper.column,
      firstRow,
      endRow,
    })
  }
  return edges
}

/** Smallest whole column c with c ≥ the edge's position in the row, decided without division. */
function firstColumnBeyond(edge: Edge, row: number): number {
  const offset = (row - edge.row) * edge.alongColumns
  const beyond = (column: number) => (column - edge.column) * edge.alongRows >= offset
  let column = Math.ceil(edge.column + offset / edge.alongRows)
  if (beyond(column - 1)) column--
  else if (!beyond(column)) column++
  return column
}

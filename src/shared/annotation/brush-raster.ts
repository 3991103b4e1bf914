/**
 * Which voxels a brush paints, as spans of rows. The window draws a stroke with this code in the frame in which it happens,
 * the process that holds the labels journals the same voxels.
 *
 * Rule: a voxel is painted when its centre lies within the radius of the line through the points; `round` measures the
 * Euclidean distance, `square` the larger one of the distances along rows and columns. The line is the union of its segments
 * and each segment is rastered by itself, so a stroke painted piece by piece is the same as the whole stroke.
 *
 * Positions are (row, column) in voxels with centres at whole numbers. Coordinates must be finite.
 */

/** Number of rows and columns of a plane. */
export interface PlaneExtent {
  rows: number
  columns: number
}

/** Columns [from, to) of a row. Spans of one call may overlap. */
export type EmitSpan = (row: number, from: number, to: number) => void

export type BrushShape = 'round' | 'square'

/** What a brush covers in one plane. */
export interface BrushTip {
  readonly shape: BrushShape
  /** In voxels, ≥ 0. */
  readonly radius: number
  /** Kept beside the radius, because that of a ball's cross-section has no exact root. */
  readonly squaredRadius: number
}

/**
 * The tip of a brush in the plane that lies `depth` voxels from the stroke's own one: the cross-section of the ball or cube
 * that a volumetric brush sweeps. `null` where the brush does not reach.
 */
export function brushTip(shape: BrushShape, radius: number, depth = 0): BrushTip | null {
  if (Math.abs(depth) > radius) return null
  if (shape === 'square') return { shape, radius, squaredRadius: radius * radius }
  const squaredRadius = radius * radius - depth * depth
  return { shape, radius: Math.sqrt(squaredRadius), squaredRadius }
}

/** Below this radius a disc between four voxel centres may hold none of them. */
const smallestSureRadius = Math.SQRT1_2

/**
 * Where a point of a stroke goes before it is painted and sent: with a brush so small that it may miss every centre, onto the
 * centre of its voxel, so that a click always paints. Lines between such points have no holes from radius 0.5 on.
 */
export function brushPosition(coordinate: number, radius: number): number {
  return radius < smallestSureRadius ? Math.round(coordinate) : coordinate
}

/**
 * Emits what the tip covers along a stroke, segment by segment.
 *
 * @param points interleaved (row, column)
 * @param firstPoint index of the first point (not coordinate) that has not been painted yet; the segment that leads to it
 *   is included. 0 paints the whole stroke.
 */
export function strokeSpans(
  points: Float32Array,
  tip: BrushTip,
  extent: PlaneExtent,
  emit: EmitSpan,
  firstPoint = 0,
): void {
  const count = points.length / 2
  if (firstPoint === 0 && count > 0)
    segmentSpans(points[0], points[1], points[0], points[1], tip, extent, emit)
  for (let i = Math.max(1, firstPoint); i < count; i++) {
    const at = 2 * i
    segmentSpans(points[at - 2], points[at - 1], points[at], points[at + 1], tip, extent, emit)
  }
}

/** Emits what the tip covers on the way from one position to another; at most one span per row, rows ascending. */
export function segmentSpans(
  fromRow: number,
  fromColumn: number,
  toRow: number,
  toColumn: number,
  tip: BrushTip,
  extent: PlaneExtent,
  emit: EmitSpan,
): void {
  const { radius } = tip
  const segment = createSegment(fromRow, fromColumn, toRow, toColumn)
  // One row more on either side: the exact rule decides, not these rounded limits.
  const top = Math.max(0, Math.floor(Math.min(fromRow, toRow) - radius) - 1)
  const bottom = Math.min(extent.rows - 1, Math.ceil(Math.max(fromRow, toRow) + radius) + 1)
  const last = extent.columns - 1
  for (let row = top; row <= bottom; row++) {
    const found = tip.shape === 'round' ? roundRow(segment, tip, row) : squareRow(segment, tip, row)
    if (!found) continue
    // The limits are rounded; the rule itself says which voxel is the first and the last.
    let from = Math.max(0, Math.ceil(interval.low - nearly))
    let to = Math.min(last, Math.floor(interval.high + nearly))
    while (from <= to && !covers(segment, tip, row, from)) from++
    while (to >= from && !covers(segment, tip, row, to)) to--
    if (from > to) continue
    while (from > 0 && covers(segment, tip, row, from - 1)) from--
    while (to < last && covers(segment, tip, row, to + 1)) to++
    emit(row, from, to + 1)
  }
}

/** Rows and columns that a stroke can reach, clipped to the plane; half-open, empty when it lies outside. */
export function strokeBounds(
  points: Float32Array,
  radius: number,
  extent: PlaneExtent,
): { top: number; left: number; bottom: number; right: number } {
  let [top, left, bottom, right] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = 0; i + 1 < points.length; i += 2) {
    top = Math.min(top, points[i])
    bottom = Math.max(bottom, points[i])
    left = Math.min(left, points[i + 1])
    right = Math.max(right, points[i + 1])
  }
  const clip = (value: number, limit: number) => Math.min(limit, Math.max(0, value))
  return {
    top: clip(Math.ceil(top - radius), extent.rows),
    left: clip(Math.ceil(left - radius), extent.columns),
    bottom: clip(Math.floor(bottom + radius) + 1, extent.rows),
    right: clip(Math.floor(right + radius) + 1, extent.columns),
  }
}

/** Slack of rounded limits, in voxels: far above the rounding of doubles at any size of slice, far below a voxel. */
const nearly = 1e-6

interface Segment {
  row: number
  column: number
  toRow: number
  toColumn: number
  alongRows: number
  alongColumns: number
  squaredLength: number
}

function createSegment(row: number, column: number, toRow: number, toColumn: number): Segment {
  const alongRows = toRow - row
  const alongColumns = toColumn - column
  const squaredLength = alongRows * alongRows + alongColumns * alongColumns
  return { row, column, toRow, toColumn, alongRows, alongColumns, squaredLength }
}

/** The rule, without division or root. The voxels of a row for which it holds are neighbours: both shapes are convex. */
function covers(segment: Segment, tip: BrushTip, row: number, column: number): boolean {
  const down = row - segment.row
  const across = column - segment.column
  const cross = down * segment.alongColumns - across * segment.alongRows
  if (tip.shape === 'square') {
    const { radius } = tip
    // Separating axes of a swept square: rows, columns and the normal of the segment.
    return (
      row >= Math.min(segment.row, segment.toRow) - radius &&
      row <= Math.max(segment.row, segment.toRow) + radius &&
      column >= Math.min(segment.column, segment.toColumn) - radius &&
      column <= Math.max(segment.column, segment.toColumn) + radius &&
      Math.abs(cross) <= radius * (Math.abs(segment.alongRows) + Math.abs(segment.alongColumns))
    )
  }
  const dot = down * segment.alongRows + across * segment.alongColumns
  if (dot <= 0) return down * down + across * across <= tip.squaredRadius
  if (dot >= segment.squaredLength) {
    const beyondDown = row - segment.toRow
    const beyondAcross = column - segment.toColumn
    return beyondDown * beyondDown + beyondAcross * beyondAcross <= tip.squaredRadius
  }
  return cross * cross <= tip.squaredRadius * segment.squaredLength
}

/** Result of {@link roundRow} and {@link squareRow}: one object, since a stroke has hundreds of thousands of rows. */
const interval = { low: 0, high: 0 }

/** Columns that the capsule around the segment covers in a row, rounded: two discs and the strip between them. */
function roundRow(segment: Segment, tip: BrushTip, row: number): boolean {
  interval.low = Infinity
  interval.high = -Infinity
  addDisc(row - segment.row, segment.column, tip)
  addDisc(row - segment.toRow, segment.toColumn, tip)
  const { alongRows, alongColumns, squaredLength } = segment
  if (squaredLength > 0) {
    const down = row - segment.row
    const width = tip.radius * Math.sqrt(squaredLength)
    let low = -Infinity
    let high = Infinity
    // Beside the segment: |down · alongColumns − across · alongRows| ≤ width.
    if (alongRows !== 0) {
      const middle = (down * alongColumns) / alongRows
      const half = width / Math.abs(alongRows)
      low = middle - half
      high = middle + half
    } else if (Math.abs(down * alongColumns) > width * (1 + nearly)) return interval.low <= interval.high
    // Between its ends: 0 ≤ down · alongRows + across · alongColumns ≤ squaredLength.
    const before = down * alongRows
    if (alongColumns !== 0) {
      const start = -before / alongColumns
      const end = (squaredLength - before) / alongColumns
      low = Math.max(low, Math.min(start, end))
      high = Math.min(high, Math.max(start, end))
    } else if (before < 0 || before > squaredLength) return interval.low <= interval.high
    if (low <= high + nearly) {
      interval.low = Math.min(interval.low, segment.column + low)
      interval.high = Math.max(interval.high, segment.column + high)
    }
  }
  return interval.low <= interval.high + nearly
}

function addDisc(down: number, column: number, tip: BrushTip): void {
  const rest = tip.squaredRadius - down * down
  if (rest < -nearly) return
  const half = Math.sqrt(Math.max(0, rest))
  interval.low = Math.min(interval.low, column - half)
  interval.high = Math.max(interval.high, column + half)
}

/** Columns that the square swept along the segment covers in a row, rounded. */
function squareRow(segment: Segment, tip: BrushTip, row: number): boolean {
  const { radius } = tip
  let start = 0
  let end = 1
  if (segment.alongRows !== 0) {
    // Part of the way on which the square's rows reach this one.
    const first = (row - radius - segment.row) / segment.alongRows
    const second = (row + radius - segment.row) / segment.alongRows
    start = Math.max(0, Math.min(first, second))
    end = Math.min(1, Math.max(first, second))
    if (start > end + nearly) return false
  } else if (Math.abs(row - segment.row) > radius) return false
  const atStart = segment.column + start * segment.alongColumns
  const atEnd = segment.column + end * segment.alongColumns
  interval.low = Math.min(atStart, atEnd) - radius
  interval.high = Math.max(atStart, atEnd) + radius
  return true
}

import type { Rectangle } from '../../shared/annotation/edit.ts'

/**
 * A plane larger than a texture is kept as equally large tiles, the layers of one texture array. The shader then finds any
 * element by (row, column), so filters and outlines know no seams.
 */
export interface TileLayout {
  /** Elements of the plane. */
  rows: number
  columns: number
  /** Elements of one tile. */
  tileRows: number
  tileColumns: number
  /** Tiles along the rows and along the columns; layer = down × across + position across. */
  down: number
  across: number
}

/** What the graphics driver allows. */
export interface TextureLimits {
  maxTextureSize: number
  maxArrayLayers: number
}

/** Every WebGL 2 driver takes textures of this size; larger ones only when there would be too many layers. */
const preferredTileExtent = 2048

/** Tiles for a plane of rows × columns elements, or `null` when the driver cannot hold it. */
export function tileLayout(rows: number, columns: number, limits: TextureLimits): TileLayout | null {
  const largest = limits.maxTextureSize
  for (let extent = Math.min(preferredTileExtent, largest); ; extent = Math.min(2 * extent, largest)) {
    const down = Math.ceil(rows / extent)
    const across = Math.ceil(columns / extent)
    if (down * across <= limits.maxArrayLayers)
      return {
        rows,
        columns,
        down,
        across,
        tileRows: Math.ceil(rows / down),
        tileColumns: Math.ceil(columns / across),
      }
    if (extent === largest) return null
  }
}

/** Whether two layouts describe the same texture. */
export function sameLayout(a: TileLayout, b: TileLayout): boolean {
  return (
    a.rows === b.rows &&
    a.columns === b.columns &&
    a.tileRows === b.tileRows &&
    a.tileColumns === b.tileColumns
  )
}

/** A piece of a rectangle inside one tile. */
export interface TilePiece {
  layer: number
  /** In the plane. */
  source: Rectangle
  /** In the tile. */
  row: number
  column: number
}

/** Cuts a rectangle of the plane (clipped to it) at the edges of tiles. */
export function piecesOf(layout: TileLayout, rectangle: Rectangle): TilePiece[] {
  const { rows, columns, tileRows, tileColumns, across } = layout
  const bottom = Math.min(rectangle.bottom, rows)
  const right = Math.min(rectangle.right, columns)
  const pieces: TilePiece[] = []
  for (let top = rectangle.top; top < bottom;) {
    const down = Math.floor(top / tileRows)
    const next = Math.min(bottom, (down + 1) * tileRows)
    for (let left = rectangle.left; left < right;) {
      const over = Math.floor(left / tileColumns)
      const end = Math.min(right, (over + 1) * tileColumns)
      pieces.push({
        layer: down * across + over,
        source: { top, left, bottom: next, right: end },
        row: top - down * tileRows,
        column: left - over * tileColumns,
      })
      left = end
    }
    top = next
  }
  return pieces
}

function area(rectangle: Rectangle): number {
  return Math.max(0, rectangle.bottom - rectangle.top) * Math.max(0, rectangle.right - rectangle.left)
}

/** The smallest rectangle around both. */
export function unionOf(a: Rectangle, b: Rectangle): Rectangle {
  return {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  }
}

/**
 * Adds a changed rectangle to those still to be uploaded. Two become one only where that uploads no more than both apart, so that
 * a diagonal stroke never grows into the square around it.
 */
export function addRectangle(rectangles: readonly Rectangle[], added: Rectangle): Rectangle[] {
  if (area(added) === 0) return [...rectangles]
  let merged = added
  const rest: Rectangle[] = []
  for (const other of rectangles) {
    const union = unionOf(merged, other)
    if (area(union) <= area(merged) + area(other)) merged = union
    else rest.push(other)
  }
  rest.push(merged)
  return rest
}

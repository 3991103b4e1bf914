import type { TileLayout } from '../tiling.ts'

/** TypeScript twin of `tileAddress`: (column in the tile, row in the tile, layer). */
export function tileAddress(column: number, row: number, layout: TileLayout): [number, number, number] {
  const across = Math.floor(column / layout.tileColumns)
  const down = Math.floor(row / layout.tileRows)
  return [column - across * layout.tileColumns, row - down * layout.tileRows, down * layout.across + across]
}

export const tileAddressGlsl = /* glsl */ `
// Where an element (column, row) of a plane lies in its texture array: (column, row) in the tile, layer.
// tiles: (columns of a tile, rows of a tile, tiles side by side), elements.
ivec3 tileAddress(ivec2 element, ivec3 tiles) {
  // Float division, far quicker than that of integers: a half keeps the quotient off whole numbers, so that it is rounded down
  // right for planes of up to 2^20 elements along an edge.
  ivec2 tile = ivec2((vec2(element) + 0.5) / vec2(tiles.xy));
  return ivec3(element - tile * tiles.xy, tile.y * tiles.z + tile.x);
}
`

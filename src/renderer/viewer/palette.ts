import type { DisplayOptions, MaterialStyle } from './interfaces.ts'

/** Entries of the palette: every label value that a voxel can have. */
export const paletteEntries = 256
/** From this material on, colours repeat and a hatch tells them apart (ui.md §8). */
export const firstHatched = 9

/**
 * The palette texture, RGBA of 8 bits, 256 × 2: row 0 colour (sRGB) and opacity of the fill, row 1 (visible, hatched, 0, 0).
 * Materials that are not listed are not drawn.
 */
export function paletteTable(
  materials: readonly MaterialStyle[],
  overlay: DisplayOptions['overlay'],
): Uint8Array {
  const table = new Uint8Array(2 * 4 * paletteEntries)
  for (const { index, colour, visible, opacity, hatched } of materials) {
    const value = Number.parseInt(colour.slice(1), 16)
    const at = 4 * index
    table[at] = value >> 16
    table[at + 1] = (value >> 8) & 255
    table[at + 2] = value & 255
    table[at + 3] = Math.round(255 * Math.min(Math.max(opacity ?? overlay.opacity, 0), 1))
    const flags = 4 * (paletteEntries + index)
    table[flags] = visible ? 255 : 0
    table[flags + 1] = (hatched ?? index >= firstHatched) ? 255 : 0
  }
  return table
}

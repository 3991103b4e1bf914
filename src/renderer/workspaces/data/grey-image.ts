/** Values of one plane, C order (rows, columns). */
export interface GreyRaster {
  shape: readonly [rows: number, columns: number]
  data: ArrayLike<number>
}

/**
 * Grey levels for a screen: `low` black, `high` white, what is not finite black.
 *
 * @returns red, green, blue, alpha per element, C order; length 4 × rows × columns
 */
export function greyToRgba(
  { shape, data }: GreyRaster,
  low: number,
  high: number,
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * shape[0] * shape[1])
  const scale = high > low ? 255 / (high - low) : 0
  for (let at = 0; at < shape[0] * shape[1]; at++) {
    const level = (data[at] - low) * scale
    pixels[4 * at] = pixels[4 * at + 1] = pixels[4 * at + 2] = Number.isFinite(level) ? level : 0
    pixels[4 * at + 3] = 255
  }
  return pixels
}

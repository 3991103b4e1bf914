import { formatSignificant, formatInteger, unitSpace } from '../format/numbers.ts'

/** The bar that says how long things are: a round length (1, 2 or 5 times a power of ten) that fits into the space. */
export interface ScaleBar {
  lengthUm: number
  /** CSS pixels. */
  width: number
  /** Number, thin space and unit, such as `10 µm`; thin spaces in thousands. */
  label: string
}

/** A length for people, in the largest of nm, µm and mm in which it is at least 1. */
export function lengthLabel(lengthUm: number): string {
  const [unit, umPerUnit] = lengthUm >= 1000 ? ['mm', 1000] : lengthUm >= 1 ? ['µm', 1] : ['nm', 1e-3]
  // Division by 0.001 leaves crumbs in the 16th digit.
  const value = Number((lengthUm / umPerUnit).toPrecision(12))
  return `${Number.isInteger(value) ? formatInteger(value) : formatSignificant(value)}${unitSpace}${unit}`
}

/**
 * The longest 1-2-5 length whose bar is at most `maxWidth` CSS pixels wide, at `pixelsPerUm` CSS pixels per µm. `null` where there is no
 * scale.
 */
export function scaleBar(pixelsPerUm: number, maxWidth: number): ScaleBar | null {
  if (!(pixelsPerUm > 0) || !Number.isFinite(pixelsPerUm) || !(maxWidth > 0)) return null
  const longest = maxWidth / pixelsPerUm
  const decade = 10 ** Math.floor(Math.log10(longest))
  // Rounding in log10 can put the decade one too high: then half of it fits.
  const fits = (factor: number): boolean => factor * decade <= longest * (1 + 1e-9)
  const step = fits(5) ? 5 : fits(2) ? 2 : fits(1) ? 1 : 0.5
  const lengthUm = Number((step * decade).toPrecision(12))
  return { lengthUm, width: lengthUm * pixelsPerUm, label: lengthLabel(lengthUm) }
}

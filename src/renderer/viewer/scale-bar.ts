/** The bar that says how long things are: a round length (1, 2 or 5 times a power of ten) that fits into the space. */
export interface ScaleBar {
  lengthUm: number
  /** CSS pixels. */
  width: number
  /** Number, thin space and unit, such as `10 µm`; thin spaces in thousands. */
  label: string
}

const thinSpace = '\u2009'

/** A length for people, in the largest of nm, µm and mm in which it is at least 1. Up to four digits, no zeros at the end. */
export function lengthLabel(lengthUm: number): string {
  const [unit, umPerUnit] = lengthUm >= 1000 ? ['mm', 1000] : lengthUm >= 1 ? ['µm', 1] : ['nm', 1e-3]
  return `${numberLabel(lengthUm / umPerUnit)}${thinSpace}${unit}`
}

/** A number with thin spaces in thousands and − for minus; `digits` significant ones at most, integers in full. */
export function numberLabel(value: number, digits = 4): string {
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(digits))
  const text =
    Math.abs(rounded) >= 1e15 || (rounded !== 0 && Math.abs(rounded) < 1e-6)
      ? String(rounded)
      : plain(rounded)
  return text.replace('-', '−')
}

function plain(value: number): string {
  const text = Math.abs(value)
    .toFixed(12)
    .replace(/\.?0+$/, '')
  const point = text.indexOf('.')
  const whole = point < 0 ? text : text.slice(0, point)
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, thinSpace)
  return `${value < 0 ? '-' : ''}${grouped}${point < 0 ? '' : text.slice(point)}`
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

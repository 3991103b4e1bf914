/** How numbers are written in the report: thin spaces, a true minus, `–` for what is not defined. */

export const undefinedMark = '–'
const thinSpace = '\u2009'

/** A score from 0 to 1 with three decimals. */
export function score(value: number | null): string {
  return value === null ? undefinedMark : value.toFixed(3)
}

/** A fraction as a percentage with two decimals, without the sign. */
export function percent(value: number | null): string {
  return value === null ? undefinedMark : (100 * value).toFixed(2)
}

/** With its sign; zero has none. */
export function signed(value: number | null, digits = 3): string {
  if (value === null) return undefinedMark
  const text = Math.abs(value).toFixed(digits)
  if (Number(text) === 0) return text
  return `${value > 0 ? '+' : '−'}${text}`
}

export function range(interval: readonly [number, number] | null): string {
  return interval === null ? '' : `${score(interval[0])}–${score(interval[1])}`
}

/** A length or other quantity with three figures. */
export function figures(value: number | null): string {
  return value === null ? undefinedMark : Number(value.toPrecision(3)).toString()
}

export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, thinSpace)
}

/** `7.76 M`, `65.9 k`. */
export function compact(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toPrecision(3)}${thinSpace}G`
  if (count >= 1e6) return `${(count / 1e6).toPrecision(3)}${thinSpace}M`
  if (count >= 1e4) return `${(count / 1e3).toPrecision(3)}${thinSpace}k`
  return grouped(count)
}

/** `8 s`, `3 min 40 s`, `1 h 52 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`
}

export function bytes(count: number | null): string {
  return count === null ? undefinedMark : `${(count / 1e9).toFixed(2)} GB`
}

/** A p-value: never 0, and no more figures than it deserves. */
export function probability(value: number | null): string {
  if (value === null) return undefinedMark
  if (value < 0.001) return '< 0.001'
  return value < 0.1 ? value.toPrecision(2) : value.toFixed(2)
}

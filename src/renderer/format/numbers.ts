/** Numbers as the interface shows them: thin space in thousands, − for minus, a space before the unit (all unbreakable). */

/** U+202F, the thin space at which no line breaks. */
export const thinSpace = '\u202F'
/** U+00A0: between a number and its unit. */
export const unitSpace = '\u00A0'
/** What stands for a number that is not known. */
export const noNumber = '–'

function group(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, thinSpace)
}

function signed(value: number, text: string): string {
  return value < 0 ? `−${text.replace('-', '')}` : text
}

/** `412806` → `412 806`. */
export function formatInteger(value: number): string {
  if (!Number.isFinite(value)) return noNumber
  const rounded = Math.round(value)
  return signed(rounded, group(String(Math.abs(rounded))))
}

/** With so many digits after the point. */
export function formatFixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return noNumber
  const [whole = '', ...fraction] = Math.abs(value).toFixed(digits).split('.')
  const text = [group(whole), ...fraction].join('.')
  return signed(Number(value.toFixed(digits)), text)
}

/** With so many significant digits, but never with less than all digits before the point: 3 → `0.0123`, `65.0`, `1 208`. */
export function formatSignificant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return noNumber
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  if (magnitude < 1e-4 || magnitude >= 1e15) return signed(value, powerOfTen(magnitude, digits))
  const exponent = Math.floor(Math.log10(Number(magnitude.toPrecision(digits))))
  return formatFixed(value, Math.max(0, digits - 1 - exponent))
}

/** `2.5e-7` → `2.50 × 10⁻⁷`. */
function powerOfTen(value: number, digits: number): string {
  const [mantissa = '', exponent = '0'] = value.toExponential(digits - 1).split('e')
  const raised = String(Number(exponent)).replace(/[-\d]/g, (sign) => superscripts[sign] ?? sign)
  return `${mantissa}${unitSpace}×${unitSpace}10${raised}`
}

const superscripts: Record<string, string> = {
  '-': '⁻',
  '0': '⁰',
  '1': '¹',
  '2': '²',
  '3': '³',
  '4': '⁴',
  '5': '⁵',
  '6': '⁶',
  '7': '⁷',
  '8': '⁸',
  '9': '⁹',
}

/** A grey value: whole numbers as they are, others with five significant digits. */
export function formatGrey(value: number): string {
  return Number.isInteger(value) ? formatInteger(value) : formatSignificant(value, 5)
}

/** A share 0…1: `0.0002` → `0.02 %`; what is not 0 never shows as 0. */
export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return noNumber
  const percent = share * 100
  if (percent === 0) return `0${unitSpace}%`
  if (Math.abs(percent) < 0.01) return `<${unitSpace}0.01${unitSpace}%`
  const digits = Math.abs(percent) < 1 ? 2 : Math.abs(percent) < 10 ? 1 : 0
  return `${formatFixed(percent, digits)}${unitSpace}%`
}

const largeCounts: readonly [number, string][] = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
]

/** A large count in short: `1811939328` → `1.81 G`; below a million as it is. */
export function formatCount(value: number): string {
  for (const [size, letter] of largeCounts)
    if (Math.abs(value) >= size * 0.9995) return `${formatSignificant(value / size)}${unitSpace}${letter}`
  return formatInteger(value)
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Decimal units with three significant digits: `3382706176` → `3.38 GB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return noNumber
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1000
    unit += 1
  }
  const text = unit === 0 ? formatInteger(value) : formatSignificant(value).replace(/\.0+$/, '')
  return `${text}${unitSpace}${byteUnits[unit] ?? ''}`
}

/** Two amounts of bytes in one unit: `9.8 / 16 GB`. */
export function formatBytesOf(used: number, total: number): string {
  const unit = Math.min(byteUnits.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, total)) / 3)))
  const size = 1000 ** unit
  const short = (value: number): string => formatFixed(value / size, value / size < 10 ? 1 : 0)
  return `${short(used)}${unitSpace}/${unitSpace}${short(total)}${unitSpace}${byteUnits[unit] ?? ''}`
}

/** `1` → `1 slice`, `2` → `2 slices`. The plural is the word with s unless given. */
export function formatAmount(value: number, word: string, plural = `${word}s`): string {
  return `${formatInteger(value)}${unitSpace}${value === 1 ? word : plural}`
}

/** Voxels per second in millions: `31.2 Mvox/s`, `0.7 Mvox/s`. */
export function formatSpeed(voxelsPerSecond: number): string {
  const millions = voxelsPerSecond / 1e6
  const digits = millions >= 10 ? 3 : millions >= 1 ? 2 : 1
  return `${formatSignificant(millions, digits)}${unitSpace}Mvox/s`
}

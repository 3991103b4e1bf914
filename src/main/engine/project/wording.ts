/** Thin spaces between thousands, as the interface writes numbers. */
export function groupDigits(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, '\u2009')
}

/** `1 slice`, `12 slices` */
export function countOf(count: number, what: string): string {
  return `${groupDigits(count)} ${what}${count === 1 ? '' : 's'}`
}

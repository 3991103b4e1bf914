import { PhasemarkError } from './errors.ts'

/** First and last slice, 0-based and inclusive. */
export interface SliceRange {
  first: number
  last: number
}

/** Positions have at most seven digits; longer numbers are mistakes. */
const rangePattern = /^(\d{1,7})(?:-(\d{1,7}))?$/

/**
 * Parses `0-9,20-29` or `12`. Positions are 0-based and inclusive.
 *
 * @param argument name of the option, for the message
 * Throws `WrongUsage`.
 */
export function parseSliceRanges(text: string, argument: string): SliceRange[] {
  return text.split(',').map((part) => {
    const match = rangePattern.exec(part.trim())
    const first = Number(match?.[1])
    const last = Number(match?.[2] ?? match?.[1])
    if (match === null || last < first) {
      throw new PhasemarkError(
        'WrongUsage',
        `${argument}: expected slice ranges such as 0-9,20-29, found "${part.trim()}"`,
        { argument },
      )
    }
    return { first, last }
  })
}

/** The reverse of {@link parseSliceRanges}, for people: `0–9, 20`. */
export function formatSlices(slices: readonly number[]): string {
  const parts: string[] = []
  for (let from = 0; from < slices.length;) {
    let to = from
    while (slices[to + 1] === slices[to] + 1) to++
    parts.push(from === to ? String(slices[from]) : `${slices[from]}–${slices[to]}`)
    from = to + 1
  }
  return parts.join(', ')
}

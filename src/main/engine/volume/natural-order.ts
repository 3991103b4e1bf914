/** A run of digits or a run of anything else. */
export interface NameToken {
  text: string
  number: number | null
}

/** Splits a name into runs of digits and runs of other characters. */
export function nameTokens(name: string): NameToken[] {
  return [...name.matchAll(/\d+|\D+/g)].map(([text]) => ({
    text,
    number: /^\d/.test(text) ? Number(text) : null,
  }))
}

/** Orders names as people do: `slice_2` before `slice_10`. A total order: equal only for equal names. */
export function compareNaturally(left: string, right: string): number {
  const leftTokens = nameTokens(left)
  const rightTokens = nameTokens(right)
  const count = Math.min(leftTokens.length, rightTokens.length)
  for (let index = 0; index < count; index++) {
    const order = compareTokens(leftTokens[index], rightTokens[index])
    if (order !== 0) return order
  }
  return leftTokens.length - rightTokens.length || compareText(left, right)
}

function compareTokens(left: NameToken, right: NameToken): number {
  if (left.number !== null && right.number !== null) return left.number - right.number
  return compareText(left.text.toLowerCase(), right.text.toLowerCase())
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** Where the numbering of ordered slice names jumps. */
export interface Numbering {
  /** Positions z such that z-1 and z are not neighbours. */
  gaps: number[]
  /** What the numbers go up by from slice to slice, when there are numbers. */
  step: number | null
}

/** From this many slices on, a constant step above one is taken as the spacing of the scan, not as gaps. */
const slicesThatProveAStep = 8

/**
 * Finds jumps in the numbering of slices: neighbours must have the same name but for one number that goes up by one,
 * or by the same step in a longer series. Names without any number say nothing and have no gaps.
 */
export function findNumberingGaps(names: readonly string[]): Numbering {
  const steps = names.slice(1).map((name, index) => stepBetween(names[index], name))
  if (names.every((name) => !/\d/.test(name))) return { gaps: [], step: null }
  const numbered = steps.filter((step) => step !== null)
  const step = numbered.length > 0 ? commonStep(numbered, names.length) : null
  const gaps = steps.flatMap((difference, index) => (difference === (step ?? 1) ? [] : [index + 1]))
  return { gaps, step }
}

/** By what the one differing number grows, or `null` when the names differ otherwise. */
function stepBetween(left: string, right: string): number | null {
  const leftTokens = nameTokens(left)
  const rightTokens = nameTokens(right)
  if (leftTokens.length !== rightTokens.length) return null
  let step: number | null = null
  for (let index = 0; index < leftTokens.length; index++) {
    const before = leftTokens[index]
    const after = rightTokens[index]
    if (before.number !== null && after.number !== null) {
      if (before.number === after.number) continue
      if (step !== null) return null
      step = after.number - before.number
    } else if (before.text !== after.text) {
      return null
    }
  }
  return step
}

function commonStep(steps: readonly number[], slices: number): number {
  const smallest = Math.min(...steps)
  const regular = steps.filter((step) => step === smallest).length
  return slices >= slicesThatProveAStep && smallest > 1 && regular > steps.length / 2 ? smallest : 1
}

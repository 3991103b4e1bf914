import { createRandom } from '../random.ts'

/** Lower and upper end of a confidence interval. */
export type Interval = readonly [low: number, high: number]

/** Resamples drawn for an interval; ends of 95 % intervals then vary by some percent of their width between seeds. */
export const bootstrapResamples = 1000
export const confidenceLevel = 0.95

/** Key that separates these draws from all others made with the same seed. */
const streamKey = 0x6b007

/**
 * Percentile bootstrap over slices (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): slices are drawn
 * with replacement, as many as there are, their counts are summed, and scores are computed from the sums. Whole slices are
 * drawn because voxels of one slice are not independent; slices near each other are not quite either, which makes the
 * intervals of densely labelled stacks somewhat narrow.
 *
 * @param slices one vector of counts per slice, all of the same length; kept
 * @param score scores from summed counts, always as many; `null` where one is not defined for the draw
 * @param seed the same seed gives the same intervals
 * @returns per score the interval, or `null` with fewer than two slices or when no draw defines the score
 */
export function bootstrapIntervals(
  slices: readonly Float64Array[],
  score: (counts: Float64Array) => (number | null)[],
  seed: number,
): (Interval | null)[] {
  const width = slices.at(0)?.length ?? 0
  const sum = new Float64Array(width)
  if (slices.length < 2) return score(sum).map(() => null)
  const random = createRandom(seed, streamKey)
  const draws: number[][] = score(sum).map(() => [])
  for (let resample = 0; resample < bootstrapResamples; resample++) {
    sum.fill(0)
    for (let draw = 0; draw < slices.length; draw++) {
      const counts = slices[random.integer(slices.length)]
      for (let i = 0; i < width; i++) sum[i] += counts[i]
    }
    for (const [index, value] of score(sum).entries()) if (value !== null) draws[index].push(value)
  }
  const tail = (1 - confidenceLevel) / 2
  return draws.map((values) => {
    if (values.length === 0) return null
    values.sort((a, b) => a - b)
    return [quantile(values, tail), quantile(values, 1 - tail)]
  })
}

/** Linear interpolation between neighbours in rank (type 7 of Hyndman & Fan 1996); `sorted` ascends and is not empty. */
export function quantile(sorted: readonly number[], fraction: number): number {
  const rank = fraction * (sorted.length - 1)
  const lower = Math.floor(rank)
  const upper = Math.min(lower + 1, sorted.length - 1)
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (rank - lower)
}

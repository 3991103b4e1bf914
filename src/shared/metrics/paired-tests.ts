import { createRandom } from '../random.ts'

/** What a test of paired differences says. */
export interface PairedTest {
  /** Of the differences that went in. */
  mean: number
  /** Two-sided; 1 when all differences are zero. `null` when there are no differences. */
  pValue: number | null
  method: 'exact' | 'monte-carlo' | 'normal-approximation' | 'no-differences'
  /** Sign patterns looked at, for `exact` and `monte-carlo` sign flips; otherwise `null`. */
  resamples: number | null
  /** Differences that the test rests on. */
  pairs: number
}

/** Up to this many pairs all sign patterns are counted: 2¹⁶ sums. */
const maxExactPairs = 16
/** Beyond, this many patterns are drawn; the standard error of a p-value of 0.05 is then 0.002. */
const monteCarloResamples = 10_000
/** Sums that differ by less are the same sum, added up in another order. */
const relativeTolerance = 1e-12
/** Key that separates these draws from all others made with the same seed. */
const streamKey = 0x51f1

/**
 * Sign-flip permutation test of paired differences (Fisher, The Design of Experiments, 1935, § 21): were A and B equally
 * good, each difference could as well have the other sign. The p-value is the share of sign patterns whose mean is at least
 * as far from zero as the one found; a drawn sample of patterns counts the one found too (Phipson & Smyth 2010), so that
 * p is never 0. It is `scipy.stats.permutation_test(…, permutation_type='samples')`.
 *
 * @param differences score of A minus score of B per slice; kept
 * @param seed of the drawn patterns when there are more than {@link maxExactPairs} differences
 */
export function signFlipTest(differences: readonly number[], seed: number): PairedTest {
  const pairs = differences.length
  const sum = differences.reduce((total, difference) => total + difference, 0)
  const mean = pairs === 0 ? 0 : sum / pairs
  if (differences.every((difference) => difference === 0)) {
    return {
      mean,
      pValue: pairs === 0 ? null : 1,
      method: 'no-differences',
      resamples: null,
      pairs,
    }
  }
  const magnitude = differences.reduce((total, difference) => total + Math.abs(difference), 0)
  const limit = Math.abs(sum) - relativeTolerance * magnitude
  if (pairs <= maxExactPairs) {
    const patterns = 2 ** pairs
    let extreme = 0
    for (let pattern = 0; pattern < patterns; pattern++) {
      let flipped = 0
      for (let i = 0; i < pairs; i++) flipped += (pattern >> i) & 1 ? -differences[i] : differences[i]
      if (Math.abs(flipped) >= limit) extreme++
    }
    return { mean, pValue: extreme / patterns, method: 'exact', resamples: patterns, pairs }
  }
  const random = createRandom(seed, streamKey)
  let extreme = 0
  for (let draw = 0; draw < monteCarloResamples; draw++) {
    let flipped = 0
    for (let i = 0; i < pairs; i++) flipped += random.next() < 0.5 ? -differences[i] : differences[i]
    if (Math.abs(flipped) >= limit) extreme++
  }
  return {
    mean,
    pValue: (extreme + 1) / (monteCarloResamples + 1),
    method: 'monte-carlo',
    resamples: monteCarloResamples,
    pairs,
  }
}

/** Up to this many differences the distribution of the rank sum is counted out. */
const maxExactRanks = 50

/**
 * Wilcoxon signed-rank test (Wilcoxon 1945), two-sided; differences of zero are dropped. Exact for up to 50 differences
 * without ties, otherwise the normal approximation with the correction for ties and without that for continuity, as in
 * `scipy.stats.wilcoxon(…, zero_method='wilcox', correction=False)`.
 *
 * @param differences score of A minus score of B per slice; kept
 */
export function wilcoxonTest(differences: readonly number[]): PairedTest {
  const mean =
    differences.length === 0
      ? 0
      : differences.reduce((total, difference) => total + difference, 0) / differences.length
  const kept = differences.filter((difference) => difference !== 0)
  const pairs = kept.length
  if (pairs === 0) {
    return {
      mean,
      pValue: differences.length === 0 ? null : 1,
      method: 'no-differences',
      resamples: null,
      pairs,
    }
  }
  const { ranks, tieTerm } = averageRanks(kept.map(Math.abs))
  const positive = ranks.reduce((total, rank, i) => total + (kept[i] > 0 ? rank : 0), 0)
  const all = (pairs * (pairs + 1)) / 2
  if (tieTerm === 0 && pairs <= maxExactRanks) {
    const pValue = exactRankSum(pairs, Math.min(positive, all - positive))
    return { mean, pValue, method: 'exact', resamples: null, pairs }
  }
  const variance = (pairs * (pairs + 1) * (2 * pairs + 1) - tieTerm / 2) / 24
  const z = (positive - all / 2) / Math.sqrt(variance)
  const pValue = Math.min(1, 2 * normalTail(Math.abs(z)))
  return { mean, pValue, method: 'normal-approximation', resamples: null, pairs }
}

/** Ranks from 1, equal values share their mean rank; `tieTerm` is Σ (t³ − t) over groups of t equal values. */
function averageRanks(values: readonly number[]): { ranks: number[]; tieTerm: number } {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b])
  const ranks = new Array<number>(values.length)
  let tieTerm = 0
  for (let from = 0; from < order.length;) {
    let to = from
    while (to + 1 < order.length && values[order[to + 1]] === values[order[from]]) to++
    const size = to - from + 1
    for (let i = from; i <= to; i++) ranks[order[i]] = (from + to) / 2 + 1
    tieTerm += size ** 3 - size
    from = to + 1
  }
  return { ranks, tieTerm }
}

/** Two-sided p-value of the smaller rank sum: the number of subsets of 1…n with at most that sum, out of 2ⁿ. */
function exactRankSum(count: number, smaller: number): number {
  const all = (count * (count + 1)) / 2
  const ways = new Float64Array(all + 1)
  ways[0] = 1
  for (let rank = 1; rank <= count; rank++)
    for (let sum = all; sum >= rank; sum--) ways[sum] += ways[sum - rank]
  let below = 0
  for (let sum = 0; sum <= smaller; sum++) below += ways[sum]
  return Math.min(1, (2 * below) / 2 ** count)
}

/** Upper tail of the standard normal distribution for z ≥ 0, by series or continued fraction (Abramowitz & Stegun 26.2.10, 26.2.14). */
function normalTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
  if (z < 3) {
    let term = z
    let sum = z
    for (let k = 1; k < 200 && Math.abs(term) > 1e-17; k++) {
      term *= (z * z) / (2 * k + 1)
      sum += term
    }
    return 0.5 - density * sum
  }
  let fraction = z
  for (let k = 200; k >= 1; k--) fraction = z + k / fraction
  return density / fraction
}

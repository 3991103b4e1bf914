import type { VolumeEntry } from '../../../shared/contract/projects.ts'
import type { GreyHistogram } from '../../../shared/contract/volumes.ts'
import {
  formatAmount,
  formatFixed,
  formatPercent,
  formatSignificant,
  thinSpace,
} from '../../format/numbers.ts'
import { isVoxelSizeComplete } from '../../format/sizes.ts'

/** One thing that was looked at. */
export interface Check {
  tone: 'ok' | 'warn' | 'err'
  text: string
  /** The number that belongs to it. */
  reading: string | null
}

/** More than this share of voxels at an end of the type hides detail there. */
const saturationLimit = 0.01
/** A drift of the mean grey of slices beyond this share of the contrast shifts materials into one another. */
const driftLimit = 0.1

/** What the entry of the project tells without reading voxels. */
export function sourceChecks(volume: VolumeEntry): Check[] {
  const { source, summary } = volume
  if (source.state !== 'ok')
    return [
      {
        tone: 'err',
        text: source.state === 'missing' ? 'Source not found' : 'Source changed since import',
        reading: null,
      },
    ]
  const warnings = summary.warnings.filter((warning) => warning.kind !== 'numbering-gap')
  return [
    summary.gaps.length === 0
      ? { tone: 'ok', text: 'Slices in order, none missing', reading: null }
      : { tone: 'warn', text: 'Gaps in the numbering', reading: formatAmount(summary.gaps.length, 'gap') },
    { tone: 'ok', text: 'One size, one type', reading: null },
    { tone: 'ok', text: 'Files unchanged since import', reading: null },
    ...(isVoxelSizeComplete(volume.voxelSize)
      ? []
      : [{ tone: 'warn' as const, text: 'Voxel size not complete', reading: null }]),
    ...warnings.map((warning) => ({ tone: 'warn' as const, text: warning.message, reading: null })),
  ]
}

/** What the sampled grey values tell. */
export function greyChecks(histogram: GreyHistogram): Check[] {
  const checks: Check[] = []
  if (histogram.saturated !== null)
    checks.push({
      tone: histogram.saturated > saturationLimit ? 'warn' : 'ok',
      text: 'Saturated voxels',
      reading: formatPercent(histogram.saturated),
    })
  const drift = greyDrift(histogram)
  if (drift !== null)
    checks.push({
      tone: drift > driftLimit ? 'warn' : 'ok',
      text: 'Grey drift along z',
      reading: `±${formatPercent(drift)} of the contrast`,
    })
  return checks
}

/**
 * Half the range of the mean grey values of the sampled slices, as a share of the contrast (the 0.1–99.9 % range of all voxels).
 * `null` for fewer than two slices or no contrast.
 */
export function greyDrift({ sliceMeans, autoLow, autoHigh }: GreyHistogram): number | null {
  if (sliceMeans.length < 2 || autoHigh <= autoLow) return null
  const half = (Math.max(...sliceMeans) - Math.min(...sliceMeans)) / 2
  return half / (autoHigh - autoLow)
}

/** The worst of the checks in a few words, for the table. */
export function checkSummary(checks: readonly Check[]): Check {
  const worst = checks.find(({ tone }) => tone === 'err') ?? checks.find(({ tone }) => tone === 'warn')
  const troubled = checks.filter(({ tone }) => tone !== 'ok').length
  if (worst === undefined) return { tone: 'ok', text: 'All checks passed', reading: null }
  return { ...worst, reading: troubled > 1 ? `+${thinSpace}${troubled - 1}` : null }
}

/** Mean and standard deviation of the grey values behind a histogram, from the middles of its bins. */
export function moments(histogram: GreyHistogram): { mean: number; deviation: number } {
  const { counts, low, high } = histogram
  const width = (high - low) / counts.length
  let total = 0
  let sum = 0
  let squares = 0
  counts.forEach((count, bin) => {
    const value = low + (bin + 0.5) * width
    total += count
    sum += count * value
    squares += count * value * value
  })
  if (total === 0) return { mean: Number.NaN, deviation: Number.NaN }
  const mean = sum / total
  return { mean, deviation: Math.sqrt(Math.max(0, squares / total - mean * mean)) }
}

/** How the grey values of another volume differ: in its mean, in deviations of the first one, and in its spread as a ratio. */
export function greyShift(first: GreyHistogram, other: GreyHistogram): Check {
  const a = moments(first)
  const b = moments(other)
  const shift = (b.mean - a.mean) / a.deviation
  const spread = b.deviation / a.deviation
  if (!Number.isFinite(shift) || !Number.isFinite(spread))
    return { tone: 'warn', text: 'cannot be compared: one of them has no contrast', reading: null }
  const differs = Math.abs(shift) > 0.25 || spread > 1.5 || spread < 1 / 1.5
  const sign = shift >= 0 ? '+' : ''
  return {
    tone: differs ? 'warn' : 'ok',
    text: differs ? 'contrast differs' : 'contrast agrees',
    reading: `mean ${sign}${formatFixed(shift, 2)} σ · spread ${formatSignificant(spread, 2)} ×`,
  }
}

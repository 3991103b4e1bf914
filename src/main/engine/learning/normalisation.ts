import { z } from 'zod'
import type { TypedArray } from '../../../shared/volume.ts'

/**
 * How grey values become network input: robust percentiles of the volume (or slice) at hand map to −1 and 1, values far outside
 * are cut. Those of a volume come from a fixed sample of the whole volume, so that a slice gives the same input whichever part
 * of the volume is processed.
 */
export const normalisationSchema = z.object({
  method: z.literal('percentile'),
  /** Grey value that becomes −1 (0.5th percentile). */
  low: z.number(),
  /** Grey value that becomes 1 (99.5th percentile). */
  high: z.number(),
})
export type Normalisation = z.infer<typeof normalisationSchema>

/**
 * One range for all slices of a volume, or each slice its own. Slices of one scan share a grey scale; micrographs taken one by
 * one do not, and there the level of a slice says nothing about its materials.
 */
export const intensityScopes = ['volume', 'slice'] as const
export type IntensityScope = (typeof intensityScopes)[number]

/** How the slices of one volume are normalised. */
export type VolumeNormalisation = Normalisation | 'per-slice'

/** Values that the percentiles of one slice are taken from; more would change them by less than a grey step. */
const sampledValues = 65_536

/** The range of one slice: its own robust percentiles, from values evenly spread over it. */
export function sliceNormalisation(slice: TypedArray): Normalisation {
  const step = Math.max(1, Math.floor(slice.length / sampledValues))
  const values: number[] = []
  for (let i = 0; i < slice.length; i += step) if (Number.isFinite(slice[i])) values.push(slice[i])
  if (values.length === 0) return { method: 'percentile', low: 0, high: 0 }
  const sorted = Float64Array.from(values).sort()
  const at = (fraction: number) => sorted[Math.round(fraction * (sorted.length - 1))]
  return { method: 'percentile', low: at(0.005), high: at(0.995) }
}

/** The range that `slice` of a volume is normalised with. */
export function normalisationFor(volume: VolumeNormalisation, slice: TypedArray): Normalisation {
  return volume === 'per-slice' ? sliceNormalisation(slice) : volume
}

/** Normalised values are cut here, so that a hot pixel cannot dominate a patch. */
const limit = 3

/**
 * Normalises `count` values of `source` from `from` into `target` at `to`. Values that are not finite become −1.
 */
export function normaliseInto(
  target: Float32Array,
  to: number,
  source: TypedArray,
  from: number,
  count: number,
  { low, high }: Normalisation,
): void {
  const scale = high > low ? 2 / (high - low) : 0
  for (let i = 0; i < count; i++) {
    const value = (source[from + i] - low) * scale - 1
    if (value > -limit && value < limit) target[to + i] = value
    else if (Number.isFinite(value)) target[to + i] = value < 0 ? -limit : limit
    else target[to + i] = -1
  }
}

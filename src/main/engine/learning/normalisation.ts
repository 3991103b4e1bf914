import { z } from 'zod'
import type { TypedArray } from '../../../shared/volume.ts'

/**
 * How grey values become network input: robust percentiles of the volume at hand map to −1 and 1, values far outside are
 * cut. The percentiles come from a fixed sample of the whole volume, so that a slice gives the same input whichever part
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

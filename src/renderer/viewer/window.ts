import type { PlaneData } from '../../shared/contract/volumes.ts'
import type { Dtype } from '../../shared/volume.ts'

/** Limits of the grey values that are shown black and white. */
export interface WindowLimits {
  low: number
  high: number
}

/** Values looked at for provisional limits: enough for percentiles, a fraction of a millisecond. */
const sampledValues = 50_000
/** Share of the values that may lie outside at either end: as the histogram of the volume. */
const outside = 0.001
/** Drag in CSS pixels that doubles or halves the width of the window, or moves it by its own width. */
const dragUnit = 200

const typeRanges: Record<Dtype, WindowLimits> = {
  uint8: { low: 0, high: 255 },
  int8: { low: -128, high: 127 },
  uint16: { low: 0, high: 65_535 },
  int16: { low: -32_768, high: 32_767 },
  uint32: { low: 0, high: 2 ** 32 - 1 },
  int32: { low: -(2 ** 31), high: 2 ** 31 - 1 },
  float32: { low: 0, high: 1 },
  float64: { low: 0, high: 1 },
}

/** Limits before anything is known of a volume but its type. */
export function typeLimits(dtype: Dtype): WindowLimits {
  return typeRanges[dtype]
}

/** Limits from one plane (0.1 and 99.9 % of an even sample), until those of the volume are known. `null`: no finite value, or all equal. */
export function planeLimits(plane: PlaneData): WindowLimits | null {
  const { data } = plane
  const step = Math.max(1, Math.floor(data.length / sampledValues))
  const sample: number[] = []
  for (let at = 0; at < data.length; at += step) {
    const value = data[at] ?? Number.NaN
    if (Number.isFinite(value)) sample.push(value)
  }
  if (sample.length === 0) return null
  const sorted = Float64Array.from(sample).sort()
  const low = sorted[Math.floor(outside * (sorted.length - 1))]
  const high = sorted[Math.ceil((1 - outside) * (sorted.length - 1))]
  return low < high ? { low, high } : null
}

/**
 * Limits after a drag of (dx, dy) CSS pixels: down widens the window (softer), up narrows it; right moves it to lower values (brighter),
 * left to higher ones.
 */
export function dragLimits(start: WindowLimits, dx: number, dy: number): WindowLimits {
  const width = (start.high - start.low) * 2 ** (dy / dragUnit)
  const centre = (start.low + start.high) / 2 - (dx / dragUnit) * (start.high - start.low)
  return { low: centre - width / 2, high: centre + width / 2 }
}

/** Whether values of a type have digits after the point. */
export function isFloat(dtype: Dtype): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

/** A limit as it is shown and typed: whole for integer types, five significant digits for floats. */
export function roundLimit(value: number, dtype: Dtype): number {
  return isFloat(dtype) ? Number(value.toPrecision(5)) : Math.round(value)
}

import type { GreySampler } from '../grey-format.ts'

/**
 * Window and level on the full values. A float32 holds 24 bits, so the lower limit is taken off before anything is rounded:
 * integers are subtracted as 32-bit integers, floats in two steps (limit = base + rest).
 */
export interface WindowUniforms {
  /** Integer types: lower limit, rounded down, in 0…2³²−1 after signed values were moved up by 2³¹. Float: unused, 0. */
  baseInteger: number
  /** Float: lower limit (minus the texture's offset) rounded to float32. Integer types: unused, 0. */
  baseFloat: number
  /** Lower limit minus base, in grey values. */
  rest: number
  /** 1 / (high − low), per grey value. */
  scale: number
}

/** Moves signed values into the unsigned range without changing their order. */
const signedBias = 2 ** 31
/** Scale of a window without width: everything above it is white. */
const steepest = 1e30

/** What the shader needs for the limits `low`…`high` (grey values) of a texture whose values lack `offset`. */
export function windowUniforms(
  window: { low: number; high: number },
  sampler: GreySampler,
  offset: number,
): WindowUniforms {
  const width = window.high - window.low
  const scale = width > 0 ? Math.min(1 / width, steepest) : steepest
  if (sampler === 'float') {
    const low = window.low - offset
    const baseFloat = Math.fround(low)
    return { baseInteger: 0, baseFloat, rest: low - baseFloat, scale }
  }
  const low = window.low + (sampler === 'signed' ? signedBias : 0)
  const baseInteger = Math.min(Math.max(Math.floor(low), 0), 2 ** 32 - 1)
  return { baseInteger, baseFloat: 0, rest: low - baseInteger, scale }
}

/** TypeScript twin of `windowed(uint)`: 0 at the lower limit, 1 at the upper, not clamped. `value` as the texture holds it. */
export function windowedInteger(value: number, uniforms: WindowUniforms, signed: boolean): number {
  const moved = value + (signed ? signedBias : 0)
  const difference = Math.fround(moved - uniforms.baseInteger)
  return Math.fround(Math.fround(difference - Math.fround(uniforms.rest)) * Math.fround(uniforms.scale))
}

/** TypeScript twin of `windowed(float)`. */
export function windowedFloat(value: number, uniforms: WindowUniforms): number {
  const difference = Math.fround(Math.fround(value) - Math.fround(uniforms.baseFloat))
  return Math.fround(Math.fround(difference - Math.fround(uniforms.rest)) * Math.fround(uniforms.scale))
}

export const windowLevelGlsl = /* glsl */ `
// Lower limit for integers: 0…2^32-1, signed values moved up by 2^31. Grey values.
uniform highp uint uWindowBaseInteger;
// Lower limit for floats. Grey values less the texture's offset.
uniform highp float uWindowBaseFloat;
// Lower limit less its base. Grey values.
uniform highp float uWindowRest;
// 1 / (upper - lower limit). Per grey value.
uniform highp float uWindowScale;

// 0 at the lower limit, 1 at the upper one; not clamped, so that means of it are means of grey values.
float windowed(uint value) {
  float difference = value >= uWindowBaseInteger
    ? float(value - uWindowBaseInteger)
    : -float(uWindowBaseInteger - value);
  return (difference - uWindowRest) * uWindowScale;
}
float windowed(int value) {
  return windowed(uint(value) ^ 0x80000000u);
}
float windowed(float value) {
  return ((value - uWindowBaseFloat) - uWindowRest) * uWindowScale;
}
`

/** A reproducible stream of random numbers. The same keys give the same stream on every machine. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform in [low, high). */
  uniform(low: number, high: number): number
  /** Uniform integer in [0, count). */
  integer(count: number): number
  /** Standard normal (Box and Muller 1958). */
  normal(): number
}

/**
 * A stream addressed by keys, for example `(seed, step, patch)`: what a step draws depends on its number only, not on
 * what was drawn before, so that a resumed run continues the same sequence.
 *
 * Generator: SFC32 (Chris Doty-Humphrey, PractRand), seeded from the keys with the finaliser of MurmurHash3.
 *
 * @param keys integers; only their low 32 bits count
 */
export function createRandom(...keys: readonly number[]): Random {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1]
  for (const key of keys) {
    a = mix(a ^ key)
    b = mix(b + a)
    c = mix(c ^ b)
    d = (d + c) | 0
  }

  function bits(): number {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) bits()

  const next = () => bits() / 4294967296
  return {
    next,
    uniform: (low, high) => low + (high - low) * next(),
    integer: (count) => Math.floor(next() * count),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  }
}

function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

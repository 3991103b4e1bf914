import { createRandom } from '../../../shared/random.ts'

/**
 * A smooth Gaussian random field over a volume of any depth, made slice by slice: every slice depends on its position
 * only, so that nothing but one slice is held and any slice can be made on its own.
 */
export interface LatticeField {
  /** Values of slice `z` (any integer), C order (y, x), mean 0 and variance 1 at every voxel. A new array. */
  slice(z: number): Float32Array
}

export interface LatticeFieldOptions {
  /** Address of the field's random numbers: same keys and size, same field. */
  keys: readonly number[]
  height: number
  width: number
  /** Distance of lattice points in voxels: the length over which the field changes. At least 1. */
  spacing: number
  /** Takes the slow part out, which gives level cuts of the field a narrow range of sizes. */
  bandPass?: boolean
}

/** Points that a cubic B-spline reaches along one axis, and one more on each side for the filter. */
const reach = 4
const border = 1

/**
 * White noise on a cubic lattice, interpolated by cubic B-splines (Unser 1999, doi 10.1109/79.799930), whose shape is close
 * to a Gaussian, so that the field looks alike in all directions. The variance, which an interpolation would let ripple with
 * the lattice, is divided out exactly: with separable weights it is a product of sums per axis.
 *
 * With `bandPass` each lattice value has its 3 × 3 × 3 binomial mean taken away first.
 */
export function createLatticeField(options: LatticeFieldOptions): LatticeField {
  const { keys, height, width, spacing, bandPass = false } = options
  const alongY = axisOf(height, spacing)
  const alongX = axisOf(width, spacing)
  const [rows, columns] = [alongY.points, alongX.points]
  const size = rows * columns
  const noisePlanes = new Map<number, Float32Array>()
  const planes = new Map<number, Float32Array>()

  function noisePlane(k: number): Float32Array {
    return remembered(noisePlanes, k, () => {
      const random = createRandom(...keys, k)
      return Float32Array.from({ length: size }, () => random.normal())
    })
  }

  /** Lattice values at depth `k`, filtered where asked. The outermost points serve the filter only. */
  function plane(k: number): Float32Array {
    if (!bandPass) return noisePlane(k)
    return remembered(planes, k, () => {
      const own = noisePlane(k)
      const [above, below] = [noisePlane(k - 1), noisePlane(k + 1)]
      const mean = Float32Array.from(own, (value, i) => value / 2 + (above[i] + below[i]) / 4)
      smoothRows(mean, rows, columns)
      smoothColumns(mean, rows, columns)
      return Float32Array.from(own, (value, i) => value - mean[i])
    })
  }

  return {
    slice(z) {
      const base = Math.floor(z / spacing)
      const weights = splineWeights(z / spacing - base)
      const flat = new Float32Array(size)
      for (let tap = 0; tap < reach; tap++) {
        const source = plane(base + tap)
        const weight = weights[tap]
        for (let i = 0; i < size; i++) flat[i] += weight * source[i]
      }
      const moments = momentsOf(weights)
      const result = new Float32Array(height * width)
      const row = new Float32Array(columns)
      for (let y = 0; y < height; y++) {
        const from = alongY.first[y] * columns
        const wy = alongY.weights.subarray(y * reach, (y + 1) * reach)
        for (let i = 0; i < columns; i++)
          row[i] =
            wy[0] * flat[from + i] +
            wy[1] * flat[from + columns + i] +
            wy[2] * flat[from + 2 * columns + i] +
            wy[3] * flat[from + 3 * columns + i]
        const own = moments.own * alongY.moments[y].own
        const cross = moments.cross * alongY.moments[y].cross
        const mean = moments.mean * alongY.moments[y].mean
        for (let x = 0; x < width; x++) {
          const at = alongX.first[x]
          const w = x * reach
          const value =
            alongX.weights[w] * row[at] +
            alongX.weights[w + 1] * row[at + 1] +
            alongX.weights[w + 2] * row[at + 2] +
            alongX.weights[w + 3] * row[at + 3]
          const { own: ownX, cross: crossX, mean: meanX } = alongX.moments[x]
          const variance = bandPass ? own * ownX - 2 * cross * crossX + mean * meanX : own * ownX
          result[y * width + x] = value / Math.sqrt(variance)
        }
      }
      return result
    },
  }
}

/** Sums over the lattice of one axis: weights squared, weights times their binomial mean, and that mean squared. */
interface Moments {
  own: number
  cross: number
  mean: number
}

interface Axis {
  /** Lattice points, border included. */
  points: number
  /** Per voxel: the first lattice point that it reads. */
  first: Int32Array
  /** Per voxel, `reach` weights. */
  weights: Float32Array
  moments: readonly Moments[]
}

function axisOf(length: number, spacing: number): Axis {
  const first = new Int32Array(length)
  const weights = new Float32Array(length * reach)
  const moments: Moments[] = []
  for (let i = 0; i < length; i++) {
    const base = Math.floor(i / spacing)
    const own = splineWeights(i / spacing - base)
    first[i] = base + border
    weights.set(own, i * reach)
    moments.push(momentsOf(own))
  }
  return { points: Math.floor((length - 1) / spacing) + reach + 2 * border, first, weights, moments }
}

/** Weights of the four lattice points around a position; `t` in 0…1 is the way from the second to the third. */
function splineWeights(t: number): readonly number[] {
  const s = 1 - t
  return [s ** 3 / 6, (3 * t ** 3 - 6 * t ** 2 + 4) / 6, (3 * s ** 3 - 6 * s ** 2 + 4) / 6, t ** 3 / 6]
}

function momentsOf(weights: readonly number[]): Moments {
  const moments = { own: 0, cross: 0, mean: 0 }
  for (let i = -1; i <= reach; i++) {
    const own = weights[i] ?? 0
    const mean = own / 2 + ((weights[i - 1] ?? 0) + (weights[i + 1] ?? 0)) / 4
    moments.own += own * own
    moments.cross += own * mean
    moments.mean += mean * mean
  }
  return moments
}

/** Binomial 1-2-1 mean along x, in place; the outermost values stay and are not read by the interpolation. */
function smoothRows(values: Float32Array, rows: number, columns: number): void {
  for (let y = 0; y < rows; y++) {
    let before = values[y * columns]
    for (let i = y * columns + 1; i < (y + 1) * columns - 1; i++) {
      const own = values[i]
      values[i] = own / 2 + (before + values[i + 1]) / 4
      before = own
    }
  }
}

/** Binomial 1-2-1 mean along y, in place. */
function smoothColumns(values: Float32Array, rows: number, columns: number): void {
  const before = values.slice(0, columns)
  for (let y = 1; y < rows - 1; y++) {
    for (let x = 0; x < columns; x++) {
      const i = y * columns + x
      const own = values[i]
      values[i] = own / 2 + (before[x] + values[i + columns]) / 4
      before[x] = own
    }
  }
}

/** Planes that one slice needs, and those of its neighbours: more are forgotten, oldest first. */
const planesKept = 12

function remembered(planes: Map<number, Float32Array>, key: number, make: () => Float32Array): Float32Array {
  const known = planes.get(key)
  if (known !== undefined) return known
  const made = make()
  planes.set(key, made)
  if (planes.size > planesKept) planes.delete(planes.keys().next().value!)
  return made
}

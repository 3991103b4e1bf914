import type { Random } from '../../../../shared/random.ts'

/**
 * Where the voxels of a patch come from: `source = centre + linear × (patch − patchCentre) + displacement`, all in (y, x)
 * voxels. `displacement` is a coarse grid, interpolated; without it and with an integer `linear` sampling is exact.
 */
export interface PatchTransform {
  centre: readonly [y: number, x: number]
  /** Row-major 2 × 2: rows are source y and x, columns patch y and x. */
  linear: readonly [number, number, number, number]
  /** Whether `linear` is a flip and a multiple of 90°, so that voxels map to voxels. */
  exact: boolean
  displacement: DisplacementGrid | null
}

interface DisplacementGrid {
  /** Nodes per side, evenly over the patch. */
  size: number
  y: Float32Array
  x: Float32Array
}

export interface GeometryOptions {
  /** Probability of a small rotation, scaling and shear. */
  affineProbability: number
  maxRotationDegrees: number
  /** Scales lie between 1 / maxScale and maxScale. */
  maxScale: number
  /** Probability of a smooth random displacement. */
  elasticProbability: number
  /** Standard deviation of the displacement at the grid nodes, in voxels. */
  elasticVoxels: number
}

const elasticNodes = 6

/** A random flip and quarter turn, sometimes with a small affine or elastic deformation on top. */
export function randomTransform(
  centre: readonly [y: number, x: number],
  random: Random,
  options: GeometryOptions,
): PatchTransform {
  const flip = random.next() < 0.5 ? -1 : 1
  const turns = random.integer(4)
  const [cos, sin] = [
    [1, 0],
    [0, 1],
    [-1, 0],
    [0, -1],
  ][turns] as [number, number]
  let linear: [number, number, number, number] = [cos, -sin * flip, sin, cos * flip]
  let exact = true
  if (random.next() < options.affineProbability) {
    exact = false
    const angle = (random.uniform(-1, 1) * options.maxRotationDegrees * Math.PI) / 180
    const scale = Math.exp(random.uniform(-1, 1) * Math.log(options.maxScale))
    const stretch = Math.exp(random.uniform(-0.5, 0.5) * Math.log(options.maxScale))
    const [c, s] = [Math.cos(angle) * scale, Math.sin(angle) * scale]
    const [a, b, d, e] = linear
    linear = [
      (c * a - s * d) * stretch,
      (c * b - s * e) / stretch,
      (s * a + c * d) * stretch,
      (s * b + c * e) / stretch,
    ]
  }
  let displacement: DisplacementGrid | null = null
  if (random.next() < options.elasticProbability) {
    const count = elasticNodes * elasticNodes
    const values = () => Float32Array.from({ length: count }, () => random.normal() * options.elasticVoxels)
    displacement = { size: elasticNodes, y: values(), x: values() }
    exact = false
  }
  return { centre, linear, exact, displacement }
}

/**
 * Source coordinates of every voxel of a square patch, into `ys` and `xs` (length size²).
 */
export function sourceCoordinates(
  transform: PatchTransform,
  size: number,
  ys: Float32Array,
  xs: Float32Array,
): void {
  const { centre, linear, exact, displacement } = transform
  const middle = (size - 1) / 2
  // An exact transform must land on voxel centres: the patch centre lies between voxels, so the source centre does too.
  const [cy, cx] = exact ? centre.map((value) => Math.floor(value) + (middle % 1)) : centre
  for (let py = 0, i = 0; py < size; py++) {
    for (let px = 0; px < size; px++, i++) {
      const dy = py - middle
      const dx = px - middle
      ys[i] = cy + linear[0] * dy + linear[1] * dx
      xs[i] = cx + linear[2] * dy + linear[3] * dx
    }
  }
  if (displacement === null) return
  const step = (displacement.size - 1) / Math.max(1, size - 1)
  for (let py = 0, i = 0; py < size; py++) {
    for (let px = 0; px < size; px++, i++) {
      ys[i] = ys[i] + interpolateGrid(displacement.y, displacement.size, py * step, px * step)
      xs[i] = xs[i] + interpolateGrid(displacement.x, displacement.size, py * step, px * step)
    }
  }
}

/** Bilinear with smoothed weights, which hides the grid lines without the cost of cubic splines. */
function interpolateGrid(grid: Float32Array, size: number, y: number, x: number): number {
  const y0 = Math.min(size - 2, Math.floor(y))
  const x0 = Math.min(size - 2, Math.floor(x))
  const ty = smooth(y - y0)
  const tx = smooth(x - x0)
  const i = y0 * size + x0
  const top = grid[i] * (1 - tx) + grid[i + 1] * tx
  const bottom = grid[i + size] * (1 - tx) + grid[i + size + 1] * tx
  return top * (1 - ty) + bottom * ty
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t)
}

/** Mirror index into `[0, length)` without repeating the edge voxel, for any integer. */
export function mirror(index: number, length: number): number {
  if (index >= 0 && index < length) return index
  if (length === 1) return 0
  const period = 2 * (length - 1)
  const wrapped = ((index % period) + period) % period
  return wrapped < length ? wrapped : period - wrapped
}

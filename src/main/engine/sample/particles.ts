import { createRandom } from '../../../shared/random.ts'

/** Particles of one size class, at most one per cell of a cubic grid. */
export interface Population {
  /** Edge of a cell in voxels. */
  cell: number
  /** Radii in voxels, before stretching; smaller than the cell, so that a particle reaches neighbouring cells only. */
  smallest: number
  largest: number
  /** Share of cells that hold a particle. */
  occupancy: number
}

/** An ellipsoid. Axes z, y, x. */
export interface Particle {
  centre: readonly [z: number, y: number, x: number]
  /** Rows of the map from voxels off the centre to the unit ball. */
  toBall: readonly (readonly [number, number, number])[]
  /** Half the edge of a box around it, in voxels, room for a rough surface included. */
  extent: number
  /** Between 0 and 1, for whatever else differs from particle to particle. */
  mark: number
}

/** Ratio of the longest to the shortest axis is at most the square of this. */
const stretch = 1.22
/** Room around an ellipsoid for a rough surface. */
const roughRoom = 1.3

/** Particles that may touch slice `z` of the given size. The same keys give the same particles in all slices. */
export function particlesNear(
  z: number,
  [height, width]: readonly [number, number],
  population: Population,
  keys: readonly number[],
): Particle[] {
  const { cell, largest } = population
  const far = Math.ceil((largest * stretch * roughRoom) / cell) + 1
  const particles: Particle[] = []
  const middle = Math.floor(z / cell)
  for (let cz = middle - far; cz <= middle + far; cz++)
    for (let cy = -far; cy * cell < height + far * cell; cy++)
      for (let cx = -far; cx * cell < width + far * cell; cx++) {
        const particle = particleIn([cz, cy, cx], population, keys)
        if (particle !== null && Math.abs(particle.centre[0] - z) <= particle.extent) particles.push(particle)
      }
  return particles
}

function particleIn(
  cellAt: readonly [number, number, number],
  { cell, smallest, largest, occupancy }: Population,
  keys: readonly number[],
): Particle | null {
  const random = createRandom(...keys, ...cellAt)
  if (random.next() >= occupancy) return null
  const centre = cellAt.map((position) => (position + random.next()) * cell) as [number, number, number]
  const radius = random.uniform(smallest, largest)
  const axes = orthonormal(random.normal(), random.normal(), random.normal(), random.uniform(0, 2 * Math.PI))
  const toBall = axes.map((axis) => {
    const length = radius * stretch ** random.uniform(-1, 1)
    return [axis[0] / length, axis[1] / length, axis[2] / length] as const
  })
  return { centre, toBall, extent: radius * stretch * roughRoom, mark: random.next() }
}

/** Three unit vectors at right angles: the given direction and two turned by `angle` around it. */
function orthonormal(a: number, b: number, c: number, angle: number): [number, number, number][] {
  const length = Math.hypot(a, b, c)
  const [z, y, x] = [a / length, b / length, c / length]
  // Any vector that is not parallel to the first will do.
  const helper = Math.abs(z) < 0.9 ? [1, 0, 0] : [0, 1, 0]
  const side = unit(cross([z, y, x], helper))
  const other = cross([z, y, x], side)
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  const second = side.map((value, i) => cos * value + sin * other[i]) as [number, number, number]
  return [[z, y, x], second, cross([z, y, x], second)]
}

function cross(a: readonly number[], b: readonly number[]): [number, number, number] {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

function unit(vector: readonly number[]): [number, number, number] {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length) as [number, number, number]
}

import { createLatticeField } from './lattice-field.ts'
import { particlesNear, type Population } from './particles.ts'
import {
  rememberSlices,
  type SampleRecipe,
  type SampleStructure,
  type StructureOptions,
} from './sample-structure.ts'

const [pore, binder, active] = [0, 1, 2]

const grey = [0.2, 0.33, 0.64]

const populations: readonly Population[] = [
  { cell: 72, smallest: 32, largest: 54, occupancy: 0.78 },
  { cell: 24, smallest: 6, largest: 11, occupancy: 0.35 },
]

const structure = {
  largeParticleCell: populations[0].cell,
  smallParticleCell: populations[1].cell,
  /** Unevenness of particle surfaces, as a share of the radius, and its length in voxels. */
  roughness: 0.09,
  roughnessSpacing: 9,
  /** Share of large particles with cracks, half their width in units of the crack field, and its length. */
  cracked: 0.55,
  crackWidth: 0.045,
  crackSpacing: 24,
  /** Standard deviations above which a particle has a void. */
  voidLevel: 2.7,
  voidSpacing: 3,
  /** Binder gathers near particles: bonus that fades over this share of the radius. */
  binderSpacing: 8,
  binderLevel: 0.95,
  binderBonus: 1.5,
  binderReach: 0.3,
  /** Nanopores make the binder uneven. */
  binderTexture: 0.045,
  activeTexture: 0.02,
} as const

/** Distance to the next particle as a share of its radius: negative inside. */
interface Nearest {
  distance: Float32Array
  /** The mark of that particle; of small ones 1, which means without cracks. */
  mark: Float32Array
}

/**
 * A positive electrode of a battery: stretched, rough and partly cracked particles of active material, a carbon-binder
 * domain around and between them, and pores. Imaged like an X-ray nano-tomogram.
 */
function createStructure({ seed, height, width }: StructureOptions): SampleStructure {
  const field = (key: number, spacing: number, bandPass: boolean) =>
    createLatticeField({ keys: [seed, 0x4c69, key], height, width, spacing, bandPass })
  const rough = field(1, structure.roughnessSpacing, false)
  const cracks = field(2, structure.crackSpacing, false)
  const voids = field(3, structure.voidSpacing, false)
  const clusters = field(4, structure.binderSpacing, true)
  const texture = field(5, 2, false)

  function nearestAt(z: number): Nearest {
    const surface = rough.slice(z)
    const nearest: Nearest = {
      distance: new Float32Array(height * width).fill(Number.POSITIVE_INFINITY),
      mark: new Float32Array(height * width).fill(1),
    }
    for (const [index, population] of populations.entries())
      for (const { centre, toBall, extent, mark } of particlesNear(z, [height, width], population, [
        seed,
        0x5061,
        index,
      ])) {
        const [cz, cy, cx] = centre
        const dz = z - cz
        const [a, b, c] = toBall
        const stop = { y: Math.min(height - 1, cy + extent), x: Math.min(width - 1, cx + extent) }
        for (let y = Math.max(0, Math.ceil(cy - extent)); y <= stop.y; y++)
          for (let x = Math.max(0, Math.ceil(cx - extent)); x <= stop.x; x++) {
            const [dy, dx] = [y - cy, x - cx]
            const p = a[0] * dz + a[1] * dy + a[2] * dx
            const q = b[0] * dz + b[1] * dy + b[2] * dx
            const r = c[0] * dz + c[1] * dy + c[2] * dx
            const i = y * width + x
            const distance = Math.sqrt(p * p + q * q + r * r) - 1 + structure.roughness * surface[i]
            if (distance >= nearest.distance[i]) continue
            nearest.distance[i] = distance
            nearest.mark[i] = index === 0 ? mark : 1
          }
      }
    return nearest
  }

  const materialsAt = rememberSlices(4, (z) => {
    const { distance, mark } = nearestAt(z)
    const [crack, hole, cluster] = [cracks.slice(z), voids.slice(z), clusters.slice(z)]
    const materials = new Uint8Array(height * width)
    for (let i = 0; i < materials.length; i++) {
      if (distance[i] < 0) {
        const isCracked = mark[i] < structure.cracked && Math.abs(crack[i]) < structure.crackWidth
        materials[i] = isCracked || hole[i] > structure.voidLevel ? pore : active
      } else {
        const bonus = structure.binderBonus * Math.exp(-distance[i] / structure.binderReach)
        materials[i] = cluster[i] + bonus > structure.binderLevel ? binder : pore
      }
    }
    return materials
  })

  const greyAt = rememberSlices(4, (z) => {
    const fine = texture.slice(z)
    return Float32Array.from(materialsAt(z), (material, i) => {
      if (material === pore) return grey[pore]
      const amplitude = material === binder ? structure.binderTexture : structure.activeTexture
      return grey[material] + amplitude * fine[i]
    })
  })
  return { materialsAt, greyAt }
}

export const battery: SampleRecipe = {
  title: 'battery-like positive electrode, imaged like an X-ray nano-tomogram',
  materials: [
    { value: pore, name: 'pore', colour: '#0072b2' },
    { value: binder, name: 'carbon-binder domain', colour: '#e69f00' },
    { value: active, name: 'active material', colour: '#009e73' },
  ],
  voxelSize: { z: 100, y: 100, x: 100, unit: 'nm' },
  grey,
  structure,
  faults: {
    blur: 1,
    mixing: 0.2,
    fringe: 0.35,
    noiseFloor: 0.04,
    noiseShot: 0.02,
    correlatedNoise: true,
    rings: 0.016,
    streaks: 0.01,
    curtains: 0,
    shading: 0.025,
    drift: 0.02,
    cupping: 0.1,
  },
  createStructure,
}

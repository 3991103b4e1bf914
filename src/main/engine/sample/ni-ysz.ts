import { createLatticeField } from './lattice-field.ts'
import {
  rememberSlices,
  type SampleRecipe,
  type SampleStructure,
  type StructureOptions,
} from './sample-structure.ts'

const [pore, ysz, nickel] = [0, 1, 2]

const grey = [0.17, 0.47, 0.61]

const structure = {
  /** Lattice spacings in voxels; pieces of a material are about three times as wide. */
  yszSpacing: 11,
  nickelSpacing: 12.5,
  roughnessSpacing: 3,
  roughness: 0.13,
  /** Level above which the first field is YSZ: the normal quantile of 1 − 0.37. */
  yszLevel: 0.3319,
  /** Level above which the second field is nickel, elsewhere: the quantile of 1 − 0.28 / 0.63. */
  nickelLevel: 0.1397,
  /** Grains inside a material differ in brightness by orientation. */
  grainContrast: 0.014,
  /** What lies behind a pore shines through: its share, and the depth in slices over which it fades to 1/e. */
  shineThrough: 0.7,
  shineDepth: 4,
} as const

/** Slices behind a pore that are looked at. */
const deepest = 8

/**
 * A fuel electrode of nickel, yttria-stabilised zirconia and pores as a truncated plurigaussian field: one field cuts out
 * the ceramic, a second one divides the rest (Lantuéjoul 2002, Geostatistical Simulation; for these electrodes Moussaoui et
 * al. 2018, doi 10.1016/j.commatsci.2017.11.015). 35 % pore, 37 % YSZ, 28 % Ni on average, each connected. Imaged like a
 * FIB-SEM series: pores are not empty but show what lies behind them.
 */
function createStructure({ seed, height, width }: StructureOptions): SampleStructure {
  const field = (key: number, spacing: number, bandPass: boolean) =>
    createLatticeField({ keys: [seed, 0x4e69, key], height, width, spacing, bandPass })
  const ceramic = field(1, structure.yszSpacing, true)
  const metal = field(2, structure.nickelSpacing, true)
  const rough = field(3, structure.roughnessSpacing, false)
  const grains = [field(4, structure.yszSpacing, true), field(5, structure.nickelSpacing, true)]
  const { roughness, yszLevel, nickelLevel } = structure
  const scale = Math.sqrt(1 + roughness ** 2)

  const materialsAt = rememberSlices(deepest + 4, (z) => {
    const [first, second, third] = [ceramic.slice(z), metal.slice(z), rough.slice(z)]
    const materials = new Uint8Array(height * width)
    for (let i = 0; i < materials.length; i++) {
      const rest = roughness * third[i]
      if (first[i] + rest > yszLevel * scale) materials[i] = ysz
      else materials[i] = second[i] - rest > nickelLevel * scale ? nickel : pore
    }
    return materials
  })

  const greyAt = rememberSlices(4, (z) => {
    const own = materialsAt(z)
    const [first, second] = grains.map((grain) => grain.slice(z))
    const values = new Float32Array(own.length)
    const open: number[] = []
    for (let i = 0; i < own.length; i++) {
      values[i] = grey[own[i]]
      if (own[i] === pore) open.push(i)
      else values[i] += structure.grainContrast * (Math.sign(first[i]) + Math.sign(second[i]) / 2)
    }
    let unseen = open
    for (let depth = 1; depth <= deepest && unseen.length > 0; depth++) {
      const behind = materialsAt(z + depth)
      const share = structure.shineThrough * Math.exp(-depth / structure.shineDepth)
      unseen = unseen.filter((i) => {
        if (behind[i] === pore) return true
        values[i] += share * (grey[behind[i]] - grey[pore])
        return false
      })
    }
    return values
  })
  return { materialsAt, greyAt }
}

export const niYsz: SampleRecipe = {
  title: 'Ni-YSZ-like fuel electrode, imaged like a FIB-SEM series',
  materials: [
    { value: pore, name: 'pore', colour: '#0072b2' },
    { value: ysz, name: 'YSZ', colour: '#e69f00' },
    { value: nickel, name: 'Ni', colour: '#009e73' },
  ],
  voxelSize: { z: 50, y: 50, x: 50, unit: 'nm' },
  grey,
  structure,
  faults: {
    blur: 0.9,
    mixing: 0.15,
    fringe: 0,
    noiseFloor: 0.03,
    noiseShot: 0.07,
    correlatedNoise: false,
    rings: 0,
    streaks: 0,
    curtains: 0.035,
    shading: 0.05,
    drift: 0.04,
    cupping: 0,
  },
  createStructure,
}

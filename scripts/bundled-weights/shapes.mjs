// Phase maps of generated microstructures: which phase (0…phases − 1) each pixel of a square picture has. Every function takes
// the random stream, the edge in pixels and the number of phases, and returns a Uint8Array in C order (y, x).
import { createLatticeField } from './engine.mjs'

/** A smooth random field, mean 0 and variance 1. */
export function field(random, edge, spacing, bandPass = false) {
  const keys = [random.integer(2 ** 31), random.integer(2 ** 31)]
  return createLatticeField({ keys, height: edge, width: edge, spacing, bandPass }).slice(0)
}

/** A smooth random line of values, mean 0 and variance 1. */
export function profile(random, length, spacing) {
  const keys = [random.integer(2 ** 31), random.integer(2 ** 31)]
  return createLatticeField({ keys, height: 1, width: length, spacing }).slice(0)
}

/** One field cut at several levels: phases lie around each other like contours. */
function contours(random, edge, phases) {
  const values = field(random, edge, random.uniform(4, 18), random.next() < 0.7)
  const levels = Array.from({ length: phases - 1 }, () => 1.2 * random.normal()).sort((a, b) => a - b)
  return Uint8Array.from(values, (value) => levels.filter((level) => value > level).length)
}

/** Several fields, each cutting its phase out of what is left: phases meet in threes. */
function plurigaussian(random, edge, phases) {
  const spacing = random.uniform(4, 16)
  const fields = Array.from({ length: phases - 1 }, () =>
    field(random, edge, spacing * random.uniform(0.7, 1.4), true),
  )
  const levels = fields.map(() => random.uniform(-0.3, 0.9))
  return Uint8Array.from({ length: edge * edge }, (_, i) => {
    const hit = fields.findIndex((values, index) => values[i] > levels[index])
    return hit + 1
  })
}

/** Rough ellipses of other phases in a matrix. */
function particles(random, edge, phases) {
  const map = new Uint8Array(edge * edge)
  const surface = field(random, edge, random.uniform(4, 9))
  const largest = random.uniform(5, 26)
  const count = Math.ceil((random.uniform(0.3, 1.2) * edge * edge) / (largest * largest))
  for (let n = 0; n < count; n++) {
    const phase = 1 + random.integer(phases - 1)
    const radius = largest * random.uniform(0.25, 1)
    const [cy, cx] = [random.uniform(0, edge), random.uniform(0, edge)]
    const angle = random.uniform(0, Math.PI)
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
    const ratio = random.uniform(0.5, 1)
    const rough = random.uniform(0, 0.15)
    for (let y = Math.max(0, Math.ceil(cy - 1.5 * radius)); y < Math.min(edge, cy + 1.5 * radius); y++)
      for (let x = Math.max(0, Math.ceil(cx - 1.5 * radius)); x < Math.min(edge, cx + 1.5 * radius); x++) {
        const [dy, dx] = [y - cy, x - cx]
        const along = (cos * dx + sin * dy) / radius
        const across = (cos * dy - sin * dx) / (ratio * radius)
        if (Math.hypot(along, across) + rough * surface[y * edge + x] < 1) map[y * edge + x] = phase
      }
  }
  return map
}

/** Voronoi grains, with borders bent a little. */
function grains(random, edge, phases) {
  const size = random.uniform(7, 28)
  const count = Math.max(phases, Math.ceil((edge * edge) / (size * size)))
  const seeds = Array.from({ length: count }, (_, n) => ({
    y: random.uniform(0, edge),
    x: random.uniform(0, edge),
    phase: n < phases ? n : random.integer(phases),
  }))
  const bend = random.uniform(0, 2.5)
  const [bendY, bendX] = [field(random, edge, 6), field(random, edge, 6)]
  return Uint8Array.from({ length: edge * edge }, (_, i) => {
    const y = Math.floor(i / edge) + bend * bendY[i]
    const x = (i % edge) + bend * bendX[i]
    let nearest = Number.POSITIVE_INFINITY
    let phase = 0
    for (const seed of seeds) {
      const distance = (seed.y - y) ** 2 + (seed.x - x) ** 2
      if (distance < nearest) [nearest, phase] = [distance, seed.phase]
    }
    return phase
  })
}

/** Bent fibres of other phases, thick and thin, in a matrix. */
function fibres(random, edge, phases) {
  const map = new Uint8Array(edge * edge)
  const bend = field(random, edge, random.uniform(14, 30))
  const main = random.uniform(0, Math.PI)
  const spread = random.uniform(0.05, 1.2)
  const count = 3 + random.integer(14)
  for (let n = 0; n < count; n++) {
    const angle = main + spread * random.normal()
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
    const offset = random.uniform(-0.7, 0.7) * edge
    const half = random.uniform(1, 5.5)
    const strength = random.uniform(0, 5)
    const phase = 1 + random.integer(phases - 1)
    for (let i = 0; i < map.length; i++) {
      const across = cos * (Math.floor(i / edge) - edge / 2) - sin * ((i % edge) - edge / 2)
      if (Math.abs(across - offset + strength * bend[i]) < half) map[i] = phase
    }
  }
  return map
}

/** Wavy layers. */
function layers(random, edge, phases) {
  const angle = random.uniform(0, Math.PI)
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  const wave = field(random, edge, random.uniform(8, 20))
  const strength = random.uniform(0, 5)
  const starts = []
  for (let at = -edge; at < 2 * edge; at += random.uniform(3, 24)) starts.push(at)
  const order = starts.map(() => random.integer(phases))
  return Uint8Array.from({ length: edge * edge }, (_, i) => {
    const depth = cos * Math.floor(i / edge) + sin * (i % edge) + strength * wave[i]
    const layer = starts.findLastIndex((start) => start <= depth)
    return order[Math.max(0, layer)]
  })
}

const families = [contours, plurigaussian, plurigaussian, particles, particles, grains, fibres, layers]

/** Share of a picture that the second most frequent phase has at least: pictures of one phase teach nothing. */
const leastShare = 0.02

/** A phase map of a random family; sometimes cracks or threads of one more phase run through it. */
export function phaseMap(random, edge) {
  for (;;) {
    const phases = 2 + random.integer(4)
    const map = families[random.integer(families.length)](random, edge, phases)
    if (random.next() < 0.25) {
      const line = field(random, edge, random.uniform(8, 20))
      const half = random.uniform(0.03, 0.1)
      for (let i = 0; i < map.length; i++) if (Math.abs(line[i]) < half) map[i] = phases
    }
    const counts = new Array(phases + 1).fill(0)
    for (const phase of map) counts[phase]++
    counts.sort((a, b) => b - a)
    if (counts[1] >= leastShare * map.length) return map
  }
}

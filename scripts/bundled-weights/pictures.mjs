// Generated pictures with what can be said about each pixel: the examples that the bundled weights learn from.
import { createRandom } from './engine.mjs'
import { field, phaseMap, profile } from './shapes.mjs'

/** Quantities per pixel besides the phases, in the order of `targets`. */
const extraTargets = 6
const mostPhases = 6

/** Share of each phase target and each further target in the loss. */
const phaseWeight = 1
const extraWeights = [0.35, 0.3, 0.2, 0.2, 0.25, 0.2]

/**
 * Picture number `index` of a seed.
 *
 * grey: edge², 0…1, stretched by the percentiles that volumes are stretched by before a network sees them.
 * targets: edge² × columns, C order (y, x, column): one column per phase that is present, then boundary, grey value without
 * noise, its slopes along y and x, distance to the next boundary, and strength of texture. Every column has mean 0 and, as its
 * mean square, its share of the loss.
 */
export function createPicture(seed, index, edge) {
  const random = createRandom(seed, 0x7069, index)
  const map = phaseMap(random, edge)
  const texture = textureOf(random, map, edge)
  const blurred = blur(texture.grey, edge, random.next() < 0.2 ? 0 : random.uniform(0.4, 1.7))
  const recorded = addFaults(random, blurred, edge)
  const columns = targetColumns(map, blurred, texture.strength, edge)
  const targets = new Float32Array(edge * edge * columns.length)
  columns.forEach((column, at) => {
    for (let i = 0; i < column.length; i++) targets[i * columns.length + at] = column[i]
  })
  return { grey: stretch(recorded), targets, columns: columns.length }
}

/** Grey values of phases, near each other or far apart, and textures that tell phases of equal grey apart. */
function textureOf(random, map, edge) {
  const levels = Array.from({ length: mostPhases + 1 }, () => random.next())
  // Two phases of nearly the same grey value: only texture and edges tell them apart.
  if (random.next() < 0.35) levels[1] = levels[0] + random.uniform(-0.05, 0.05)
  const phases = levels.map((level) => {
    const kind = random.next()
    const strength = random.uniform(0.03, 0.2)
    if (kind < 0.4) return { level, strength: 0, pattern: null }
    if (kind < 0.75) return { level, strength, pattern: field(random, edge, random.uniform(1.2, 5)) }
    return { level, strength, pattern: stripes(random, edge) }
  })
  const grey = Float32Array.from(map, (phase, i) => {
    const { level, strength, pattern } = phases[phase]
    return pattern === null ? level : level + strength * pattern[i]
  })
  return { grey, strength: Float32Array.from(map, (phase) => phases[phase].strength) }
}

function stripes(random, edge) {
  const angle = random.uniform(0, Math.PI)
  const wavelength = random.uniform(2.5, 9)
  const [y, x] = [Math.sin(angle), Math.cos(angle)].map((part) => (2 * Math.PI * part) / wavelength)
  const phase = random.uniform(0, 2 * Math.PI)
  return Float32Array.from({ length: edge * edge }, (_, i) =>
    Math.sin(y * Math.floor(i / edge) + x * (i % edge) + phase),
  )
}

/** Noise, rings, streaks and gradients of an instrument, each in some of the pictures. A new array. */
function addFaults(random, picture, edge) {
  const contrast = deviationOf(picture)
  const result = picture.slice()
  const maybe = (share) => random.next() < share
  const add = (amount, values) => {
    for (let i = 0; i < result.length; i++) result[i] += amount * values[i]
  }
  if (maybe(0.5)) add(contrast * random.uniform(0.05, 0.4), field(random, edge, edge / 2))
  if (maybe(0.3)) add(contrast * random.uniform(0.05, 0.35), rings(random, edge))
  if (maybe(0.3)) add(contrast * random.uniform(0.05, 0.35), streaks(random, edge))
  if (maybe(0.95)) {
    const white = Float32Array.from(result, () => random.normal())
    const noise = maybe(0.4) ? blur(white, edge, random.uniform(0.4, 0.9)) : white
    add((contrast * 10 ** random.uniform(-1.2, 0.2)) / deviationOf(noise), noise)
  }
  return result
}

function rings(random, edge) {
  const [cy, cx] = [random.uniform(-edge, 2 * edge), random.uniform(-edge, 2 * edge)]
  const values = profile(random, 4 * edge, random.uniform(1, 3))
  return Float32Array.from(
    { length: edge * edge },
    (_, i) => values[Math.round(Math.hypot(Math.floor(i / edge) - cy, (i % edge) - cx))],
  )
}

function streaks(random, edge) {
  const angle = random.next() < 0.5 ? 0 : random.uniform(0, Math.PI)
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  const values = profile(random, 4 * edge, random.uniform(1, 3))
  return Float32Array.from(
    { length: edge * edge },
    (_, i) => values[Math.round(2 * edge + cos * (i % edge) + sin * Math.floor(i / edge))],
  )
}

function targetColumns(map, clean, strength, edge) {
  const present = [...new Set(map)].sort((a, b) => a - b)
  const phases = present.map((phase) => Float32Array.from(map, (value) => (value === phase ? 1 : 0)))
  const boundary = boundaryOf(map, edge)
  const smooth = blur(clean, edge, 1)
  const extras = [
    blur(boundary, edge, 0.6),
    clean,
    slope(smooth, edge, edge),
    slope(smooth, 1, edge),
    distanceTo(boundary, edge).map((distance) => Math.min(8, distance)),
    strength,
  ]
  const weighted = phases.map((column) => standardise(column, phaseWeight / present.length))
  for (let extra = 0; extra < extraTargets; extra++)
    weighted.push(standardise(extras[extra], extraWeights[extra]))
  return weighted
}

/** 1 where the phase differs from the next pixel's in y or x. */
function boundaryOf(map, edge) {
  return Float32Array.from(map, (phase, i) => {
    const right = i % edge < edge - 1 && map[i + 1] !== phase
    const below = i + edge < map.length && map[i + edge] !== phase
    return right || below ? 1 : 0
  })
}

function slope(values, step, edge) {
  return Float32Array.from(values, (_, i) => {
    const position = step === 1 ? i % edge : Math.floor(i / edge)
    const before = position > 0 ? values[i - step] : values[i]
    const after = position < edge - 1 ? values[i + step] : values[i]
    return after - before
  })
}

/** City-block distance to the next marked pixel, in two sweeps. */
function distanceTo(marked, edge) {
  const distance = Float32Array.from(marked, (value) => (value > 0 ? 0 : 2 * edge))
  for (let i = 0; i < distance.length; i++) {
    if (i % edge > 0) distance[i] = Math.min(distance[i], distance[i - 1] + 1)
    if (i >= edge) distance[i] = Math.min(distance[i], distance[i - edge] + 1)
  }
  for (let i = distance.length - 1; i >= 0; i--) {
    if (i % edge < edge - 1) distance[i] = Math.min(distance[i], distance[i + 1] + 1)
    if (i + edge < distance.length) distance[i] = Math.min(distance[i], distance[i + edge] + 1)
  }
  return distance
}

/** Gaussian blur, edges repeat. A new array. */
function blur(values, edge, deviation) {
  if (deviation === 0) return values.slice()
  const radius = Math.ceil(3 * deviation)
  const taps = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * deviation ** 2)),
  )
  const sum = taps.reduce((a, b) => a + b, 0)
  let source = values
  // Along x, then along y: each pass also transposes.
  for (let pass = 0; pass < 2; pass++) {
    const target = new Float32Array(values.length)
    for (let y = 0; y < edge; y++)
      for (let x = 0; x < edge; x++) {
        let value = 0
        for (let tap = 0; tap < taps.length; tap++)
          value += taps[tap] * source[y * edge + Math.min(edge - 1, Math.max(0, x + tap - radius))]
        target[x * edge + y] = value / sum
      }
    source = target
  }
  return source
}

/** Mean 0 and mean square `power`; a constant column becomes 0. */
function standardise(values, power) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const deviation = deviationOf(values)
  const scale = deviation > 1e-6 ? Math.sqrt(power) / deviation : 0
  return values.map((value) => (value - mean) * scale)
}

function deviationOf(values) {
  let [sum, squares] = [0, 0]
  for (const value of values) {
    sum += value
    squares += value * value
  }
  const mean = sum / values.length
  return Math.sqrt(Math.max(0, squares / values.length - mean * mean))
}

/** 0.5 % and 99.5 % percentiles to 0 and 1, cut off there. */
function stretch(values) {
  const sorted = values.slice().sort()
  const low = sorted[Math.floor(0.005 * (sorted.length - 1))]
  const high = sorted[Math.ceil(0.995 * (sorted.length - 1))]
  const range = Math.max(1e-6, high - low)
  return values.map((value) => Math.min(1, Math.max(0, (value - low) / range)))
}

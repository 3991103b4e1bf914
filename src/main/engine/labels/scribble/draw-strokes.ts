import { createRandom, type Random } from '../../../../shared/random.ts'
import { depthInMaterial } from './depth-map.ts'

/** How scribbles are drawn: a number of strokes, or as many as it takes to cover a share of each material. */
export type ScribbleAmount = { kind: 'strokes'; strokes: number } | { kind: 'fraction'; fraction: number }

export interface StrokeOptions {
  height: number
  width: number
  /** Number of materials; indices 1…materials occur. */
  materials: number
  /** Width of the brush in pixels; a stroke gets thinner where its material does. */
  brush: number
  amount: ScribbleAmount
  /** Address of the random numbers: seed and slice. */
  keys: readonly number[]
}

export interface DrawnStrokes {
  /** Material index where a stroke is, 0 elsewhere; C order (y, x). */
  scribbles: Uint8Array
  /** Strokes per material index, entry 0 unused. */
  strokes: number[]
}

/** Lengths of strokes as shares of the shorter edge of the slice. */
const shortest = 0.06
const longest = 0.25
/** Change of direction per pixel, in radians, and how much of it goes on from pixel to pixel: bends rather than jitter. */
const bending = 0.035
const persistence = 0.93
/** Turns that are tried, in radians, before a stroke that has reached a border ends. */
const turns = [0, 0.35, -0.35, 0.7, -0.7, 1.1, -1.1]
/** Distance that a stroke keeps from the border, beside half its width, in pixels, where there is room. */
const margin = 2
/** Where a material is thinner than that, strokes stay on pixels at least this deep, relative to its deepest one. */
const coreShare = 0.7

/**
 * Scribbles like those of a person: for each material of a dense label slice a few smooth strokes that wander inside it and stay
 * away from its borders. Every material that occurs gets a stroke. A pixel never gets another material than it has. Same keys,
 * same strokes.
 *
 * With `fraction`, each material gets that share of its pixels, rounded, and at least one; the last stroke ends where that is
 * reached.
 *
 * @param labels material index per pixel, 0 = unlabelled, C order (y, x); kept
 */
export function drawStrokes(labels: Uint8Array, options: StrokeOptions): DrawnStrokes {
  const { height, width, materials, amount, keys } = options
  const depth = depthInMaterial(labels, height, width)
  const pixels: number[][] = Array.from({ length: materials + 1 }, () => [])
  for (let i = 0; i < labels.length; i++) if (labels[i] !== 0) pixels[labels[i]].push(i)
  const scribbles = new Uint8Array(labels.length)
  const strokes = new Array<number>(materials + 1).fill(0)
  for (let material = 1; material <= materials; material++) {
    const own = pixels[material]
    if (own.length === 0) continue
    const painter = new Painter(labels, depth, scribbles, material, options)
    if (amount.kind === 'strokes') {
      for (let stroke = 0; stroke < amount.strokes; stroke++)
        painter.stroke(createRandom(...keys, material, stroke), own)
    } else {
      painter.budget = Math.max(1, Math.round(amount.fraction * own.length))
      for (let stroke = 0; painter.budget > 0; stroke++)
        painter.stroke(createRandom(...keys, material, stroke), own)
    }
    strokes[material] = painter.strokes
  }
  return { scribbles, strokes }
}

/** Draws the strokes of one material of one slice. */
class Painter {
  /** Pixels that may still be painted. */
  budget = Number.POSITIVE_INFINITY
  strokes = 0
  private readonly labels: Uint8Array
  private readonly depth: Float32Array
  private readonly scribbles: Uint8Array
  private readonly material: number
  private readonly options: StrokeOptions

  constructor(
    labels: Uint8Array,
    depth: Float32Array,
    scribbles: Uint8Array,
    material: number,
    options: StrokeOptions,
  ) {
    this.labels = labels
    this.depth = depth
    this.scribbles = scribbles
    this.material = material
    this.options = options
  }

  /** One stroke that begins at an unpainted pixel; nothing when all pixels of the material are painted. */
  stroke(random: Random, own: readonly number[]): void {
    const start = this.findStart(random, own)
    if (start === null) return
    this.strokes++
    const { height, width } = this.options
    const length = random.uniform(shortest, longest) * Math.min(height, width)
    const needed = Math.min(this.depth[start], this.preferredDepth)
    const heading = random.uniform(0, 2 * Math.PI)
    this.dab(start, this.depth[start])
    // A person begins anywhere in a region: half of the stroke goes each way.
    this.wander(random, start, heading, length / 2, needed)
    this.wander(random, start, heading + Math.PI, length / 2, needed)
  }

  private get preferredDepth(): number {
    return this.options.brush / 2 + margin
  }

  /**
   * A random pixel far enough from the border; in a material that is too thin everywhere, one of its deepest.
   */
  private findStart(random: Random, own: readonly number[]): number | null {
    let deepest = 0
    for (const i of own) if (this.scribbles[i] === 0) deepest = Math.max(deepest, this.depth[i])
    if (deepest === 0) return null
    const enough = Math.min(this.preferredDepth, coreShare * deepest)
    const suited = own.filter((i) => this.scribbles[i] === 0 && this.depth[i] >= enough)
    return suited[random.integer(suited.length)]
  }

  private wander(random: Random, start: number, direction: number, length: number, needed: number): void {
    const { width } = this.options
    let [y, x] = [Math.floor(start / width), start % width]
    let heading = direction
    let bend = 0
    for (let walked = 0; walked < length && this.budget > 0; walked++) {
      bend = persistence * bend + bending * random.normal()
      heading += bend
      const turned = turns.map((turn) => heading + turn).find((angle) => this.isFree(y, x, angle, needed))
      if (turned === undefined) return
      if (turned !== heading) bend = 0
      heading = turned
      y += Math.sin(heading)
      x += Math.cos(heading)
      const i = Math.round(y) * width + Math.round(x)
      this.dab(i, this.depth[i])
    }
  }

  /** Whether a step that way stays inside the slice, in the material, and deep enough. */
  private isFree(y: number, x: number, angle: number, needed: number): boolean {
    const { height, width } = this.options
    const [row, column] = [Math.round(y + Math.sin(angle)), Math.round(x + Math.cos(angle))]
    if (row < 0 || column < 0 || row >= height || column >= width) return false
    const i = row * width + column
    return this.labels[i] === this.material && this.depth[i] >= needed
  }

  /** A round dab of the brush, no larger than fits between the borders. */
  private dab(centre: number, depth: number): void {
    const { height, width, brush } = this.options
    const radius = Math.min(brush / 2, Math.max(0.5, depth - 0.5))
    const reach = Math.ceil(radius)
    const [cy, cx] = [Math.floor(centre / width), centre % width]
    for (let y = Math.max(0, cy - reach); y <= Math.min(height - 1, cy + reach); y++)
      for (let x = Math.max(0, cx - reach); x <= Math.min(width - 1, cx + reach); x++) {
        const inside = (y - cy) ** 2 + (x - cx) ** 2 < radius * radius || (y === cy && x === cx)
        const i = y * width + x
        if (!inside || this.labels[i] !== this.material || this.scribbles[i] !== 0) continue
        if (this.budget <= 0) return
        this.scribbles[i] = this.material
        this.budget--
      }
  }
}

import type { WorstRegion } from '../../../shared/comparison/comparison.ts'
import type { Material } from '../../../shared/materials.ts'

/** Edge of a region in voxels: large enough to recognise what went wrong, small enough to find it. */
const regionEdge = 96
/** Regions start on a grid of this step, so that a cluster of errors is not cut in two. */
const gridStep = 48
/** Regions that are kept. */
const keptRegions = 8
/** Regions per slice that may come into the list: one bad slice shall not hide the others. */
const perSlice = 2
/** Of a region, so much must be labelled: a corner of a scribble says nothing. */
const leastLabelled = 0.05

/** Where a slice belongs, for the list. */
export type RegionPlace = Pick<WorstRegion, 'dataSet' | 'volume' | 'z' | 'name'>

interface Candidate {
  region: WorstRegion
  share: number
}

/** Collects the parts of slices in which the two models together are wrong most often. */
export class WorstRegions {
  private readonly candidates: Candidate[] = []

  /**
   * Looks at one slice. All arrays are indices, C order (y, x), 0 = unlabelled or outside; kept.
   */
  add(
    place: RegionPlace,
    materials: readonly Material[],
    {
      truth,
      a,
      b,
      height,
      width,
    }: { truth: Uint8Array; a: Uint8Array; b: Uint8Array; height: number; width: number },
  ): void {
    const found: Candidate[] = []
    for (const y of starts(height))
      for (const x of starts(width)) {
        const box = { y, x, height: Math.min(regionEdge, height), width: Math.min(regionEdge, width) }
        const candidate = judge(place, materials, { truth, a, b, width }, box)
        if (candidate !== null) found.push(candidate)
      }
    found.sort(byShare)
    const chosen: Candidate[] = []
    for (const candidate of found) {
      if (chosen.length === perSlice) break
      if (chosen.every((other) => !overlaps(other.region, candidate.region))) chosen.push(candidate)
    }
    this.candidates.push(...chosen)
    this.candidates.sort(byShare).splice(keptRegions)
  }

  /** The worst first. */
  regions(): WorstRegion[] {
    return this.candidates.map(({ region }) => region)
  }
}

function starts(length: number): number[] {
  const last = Math.max(0, length - regionEdge)
  const positions: number[] = []
  for (let at = 0; at < last; at += gridStep) positions.push(at)
  positions.push(last)
  return positions
}

function judge(
  place: RegionPlace,
  materials: readonly Material[],
  { truth, a, b, width }: { truth: Uint8Array; a: Uint8Array; b: Uint8Array; width: number },
  box: { y: number; x: number; height: number; width: number },
): Candidate | null {
  const count = materials.length + 1
  const truthCounts = new Float64Array(count)
  const missed = new Float64Array(count)
  const predicted = { A: new Float64Array(count), B: new Float64Array(count) }
  const hits = { A: new Float64Array(count), B: new Float64Array(count) }
  let labelled = 0
  const wrong = { A: 0, B: 0 }
  for (let y = box.y; y < box.y + box.height; y++)
    for (let i = y * width + box.x; i < y * width + box.x + box.width; i++) {
      const material = truth[i]
      if (material === 0) continue
      labelled++
      truthCounts[material]++
      predicted.A[a[i]]++
      predicted.B[b[i]]++
      if (a[i] === material) hits.A[material]++
      else {
        wrong.A++
        missed[material]++
      }
      if (b[i] === material) hits.B[material]++
      else {
        wrong.B++
        missed[material]++
      }
    }
  if (labelled < leastLabelled * box.height * box.width || wrong.A + wrong.B === 0) return null
  let worst = 1
  for (let k = 2; k < count; k++) if (missed[k] > missed[worst]) worst = k
  const f1 = (letter: 'A' | 'B') =>
    (2 * hits[letter][worst]) / (truthCounts[worst] + predicted[letter][worst])
  const { value, name, colour } = materials[worst - 1]
  return {
    share: (wrong.A + wrong.B) / (2 * labelled),
    region: {
      ...place,
      ...box,
      material: { id: value, name, colour },
      f1: { A: f1('A'), B: f1('B') },
      wrong,
      labelledVoxels: labelled,
    },
  }
}

function overlaps(a: WorstRegion, b: WorstRegion): boolean {
  return a.y < b.y + b.height && b.y < a.y + a.height && a.x < b.x + b.width && b.x < a.x + a.width
}

function byShare(a: Candidate, b: Candidate): number {
  return b.share - a.share
}

import type { Plane } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'

/** Planes read before, by axis, index and level; the one not used for longest goes first when they take too many bytes. */
export class PlaneCache {
  private readonly limitBytes: number
  private usedBytes = 0
  /** In order of use, oldest first. */
  private readonly planes = new Map<string, PlaneData>()

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get bytes(): number {
    return this.usedBytes
  }

  /** Keeps a plane, except one that knows less than what is kept at its level already. */
  add(plane: PlaneData): void {
    const key = keyOf(plane, plane.level)
    const known = this.planes.get(key)
    if (known !== undefined) {
      if (known.coverage > plane.coverage) return
      this.remove(key, known)
    }
    this.planes.set(key, plane)
    this.usedBytes += plane.data.byteLength
    for (const [oldest, data] of this.planes) {
      if (this.usedBytes <= this.limitBytes || oldest === key) break
      this.remove(oldest, data)
    }
  }

  /**
   * The best that is kept for drawing at `level`: complete and at that level or the next finer one, else the finest coarser one, else
   * whatever there is.
   */
  best(plane: Plane, level: number): PlaneData | null {
    let best: PlaneData | null = null
    for (let at = 0; at <= 16; at++) {
      const found = this.planes.get(keyOf(plane, at))
      if (found !== undefined && (best === null || isBetter(found, best, level))) best = found
    }
    if (best === null) return null
    const key = keyOf(best, best.level)
    this.planes.delete(key)
    this.planes.set(key, best)
    return best
  }

  clear(): void {
    this.planes.clear()
    this.usedBytes = 0
  }

  private remove(key: string, plane: PlaneData): void {
    this.planes.delete(key)
    this.usedBytes -= plane.data.byteLength
  }
}

/** Whether a plane needs no better one to be drawn at `level`. */
export function isGoodEnough(plane: PlaneData, level: number): boolean {
  return plane.coverage >= 1 && plane.level <= level
}

/** Whether `a` is the better one to draw with at `level`. */
export function isBetter(a: PlaneData, b: PlaneData, level: number): boolean {
  const goodA = isGoodEnough(a, level)
  const goodB = isGoodEnough(b, level)
  if (goodA !== goodB) return goodA
  // Among those that will do, the coarsest is the smallest; among the others, known voxels come before fine ones.
  if (goodA) return a.level > b.level
  if (a.coverage !== b.coverage && Math.min(a.coverage, b.coverage) < 0.5) return a.coverage > b.coverage
  return a.level !== b.level ? a.level < b.level : a.coverage > b.coverage
}

function keyOf(plane: Plane, level: number): string {
  return `${plane.axis}/${plane.index}/${level}`
}

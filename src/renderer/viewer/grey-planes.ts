import type { Plane, PlaneAxis } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'
import { hasTag } from '../../shared/errors.ts'
import type { Shape3 } from '../../shared/volume.ts'
import { axesOfPlane, extentAlong, planeAxes } from './geometry.ts'
import type { GreyPlaneSource } from './interfaces.ts'
import { quickLevel } from './level.ts'
import { isBetter, isGoodEnough, PlaneCache } from './plane-cache.ts'
import { RequestQueue } from './request-queue.ts'

/** As `volumes.readPlane` of the contract. */
export type ReadPlane = (
  request: { volumeId: string; axis: PlaneAxis; index: number; level: number; quick: boolean },
  options: { signal: AbortSignal },
) => Promise<PlaneData>

/** Planes kept in the window: about sixty 16-bit planes of 2048². */
export const defaultCacheBytes = 512 * 2 ** 20
/** Planes read ahead while one scrubs. */
const planesAhead = 2
/** Listeners hear of better planes at most this often: a pyramid grows by many small blocks. */
const betterIntervalMs = 300

/**
 * Grey planes of one volume, read through the contract. For each plane: at once the best that is kept; then a quick coarse one; then
 * the level asked for. Requests that nobody waits for any more are aborted; while one scrubs, the next planes are read ahead.
 */
export class GreyPlanes implements GreyPlaneSource {
  private readonly volumeId: string
  private readonly shape: Shape3
  private readonly readPlane: ReadPlane
  private readonly cache: PlaneCache
  private readonly queue = new RequestQueue()
  private readonly listeners = new Set<(axis: PlaneAxis) => void>()
  /** Last plane asked for along each axis, for the direction of scrubbing. */
  private readonly last = new Map<PlaneAxis, { index: number; step: number }>()
  private betterTimer: ReturnType<typeof setTimeout> | null = null

  constructor(options: { volumeId: string; shape: Shape3; readPlane: ReadPlane; cacheBytes?: number }) {
    this.volumeId = options.volumeId
    this.shape = options.shape
    this.readPlane = options.readPlane
    this.cache = new PlaneCache(options.cacheBytes ?? defaultCacheBytes)
  }

  async load(
    plane: Plane,
    level: number,
    show: (data: PlaneData) => void,
    options: { signal: AbortSignal },
  ): Promise<void> {
    const { signal } = options
    let shown: PlaneData | null = null
    const offer = (data: PlaneData): void => {
      this.cache.add(data)
      if (signal.aborted || (shown !== null && !isBetter(data, shown, level))) return
      shown = data
      show(data)
    }
    this.noteStep(plane)
    const kept = this.cache.best(plane, level)
    if (kept !== null) offer(kept)
    try {
      let best = kept
      if (best === null) {
        best = await this.request(plane, Math.max(level, this.firstLevel(plane.axis)), true, signal)
        // Nothing known yet is not worth a picture.
        if (best.coverage > 0) offer(best)
      }
      if (!isGoodEnough(best, level)) offer(await this.request(plane, level, false, signal))
    } catch (error) {
      if (signal.aborted && (hasTag(error, 'Cancelled') || isAbort(error))) return
      throw error
    }
    if (!signal.aborted) this.readAhead(plane, level)
  }

  onBetter(listener: (axis: PlaneAxis) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Tells that the pyramid of the volume has grown (event `volumes.pyramidChanged`): all planes may have become better. */
  pyramidChanged(): void {
    this.betterTimer ??= setTimeout(() => {
      this.betterTimer = null
      for (const axis of planeAxes) for (const listener of [...this.listeners]) listener(axis)
    }, betterIntervalMs)
  }

  /** Forgets what was read (the source was opened anew). */
  reset(): void {
    this.cache.clear()
    this.pyramidChanged()
  }

  /** Aborts everything under way and forgets all planes and listeners. */
  dispose(): void {
    if (this.betterTimer !== null) clearTimeout(this.betterTimer)
    this.betterTimer = null
    this.listeners.clear()
    this.queue.dispose()
    this.cache.clear()
  }

  private firstLevel(axis: PlaneAxis): number {
    const axes = axesOfPlane[axis]
    return quickLevel({
      rows: extentAlong(this.shape, axes.row),
      columns: extentAlong(this.shape, axes.column),
    })
  }

  private request(plane: Plane, level: number, quick: boolean, signal: AbortSignal): Promise<PlaneData> {
    const key = `${plane.axis}/${plane.index}/${level}/${quick}`
    return this.queue.run(key, (own) => this.read(plane, level, quick, own), { signal, ahead: false })
  }

  private read(plane: Plane, level: number, quick: boolean, signal: AbortSignal): Promise<PlaneData> {
    return this.readPlane(
      { volumeId: this.volumeId, axis: plane.axis, index: plane.index, level, quick },
      { signal },
    )
  }

  private noteStep(plane: Plane): void {
    const last = this.last.get(plane.axis)
    if (last?.index === plane.index) return
    this.last.set(plane.axis, { index: plane.index, step: last === undefined ? 0 : plane.index - last.index })
  }

  /** Reads the planes that come next at the pace of the last step; stops as soon as anybody waits for a plane. */
  private readAhead(plane: Plane, level: number): void {
    const step = this.last.get(plane.axis)?.step ?? 0
    if (step === 0 || Math.abs(step) > 10) return
    for (let ahead = 1; ahead <= planesAhead; ahead++) {
      const next: Plane = { axis: plane.axis, index: plane.index + ahead * step }
      if (next.index < 0 || next.index >= extentAlong(this.shape, plane.axis)) return
      const kept = this.cache.best(next, level)
      if (kept !== null && isGoodEnough(kept, level)) continue
      const key = `${next.axis}/${next.index}/${level}/false`
      this.queue
        .run(key, (own) => this.read(next, level, false, own), { ahead: true })
        .then(
          (data) => this.cache.add(data),
          // Nobody asked for it: when it is asked for and cannot be read, that request says why.
          () => undefined,
        )
    }
  }
}

function isAbort(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
}

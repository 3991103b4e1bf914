import { isPhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { TypedArray } from '../../../../shared/volume.ts'
import { systemErrorCode } from '../../files/system-error.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import { averagePlane } from '../averages.ts'
import { elementsOf, takePlane } from './bricks.ts'
import type { CoarseLevel } from './coarse-level.ts'
import { unitOfSlab, type PyramidLayout } from './layout.ts'
import type { PyramidStore } from './store.ts'
import { UnitWriter } from './unit-writer.ts'

/** Slices that cannot be read, after which the source counts as gone (a drive that was unplugged) and building stops. */
const mostUnreadable = 64

/** However much is read, building goes on a little after this long. */
const longestPauseMs = 1000
/** The overview is what XZ and YZ show before anything else: it hardly waits. */
const longestOverviewPauseMs = 40

export interface BuildOptions {
  source: VolumeSource
  layout: PyramidLayout
  coarse: CoarseLevel
  /** One byte per unit, set to 1 when its bricks are on the disk; shared with those who read them. */
  unitsDone: Uint8Array
  /** Where bricks go; `null` builds the coarse level in memory only. */
  store: PyramidStore | null
  /** Waits while somebody else wants to read, `longestMs` at most. */
  whenQuiet: (longestMs: number) => Promise<void>
  /** Told after each slice of the overview and each unit. */
  onProgress: () => void
  /** The disk was full: the finest level was given up, and `finest` is what is left (`null`: nothing). */
  onFinestChanged: (finest: number | null) => Promise<void>
  signal: AbortSignal
}

export interface BuildOutcome {
  state: 'ready' | 'stopped'
  /** What is missing and why, as one sentence. */
  reason: string | null
}

/**
 * Builds what the pyramid of `source` lacks: first an overview of the coarse level from one slice in 2^level, coarse to fine, then unit
 * after unit. Units that are done stay done, whatever happens.
 * Throws `Cancelled` through the signal, and what is no error of reading or writing.
 */
export async function buildPyramid(options: BuildOptions): Promise<BuildOutcome> {
  const { layout, coarse, unitsDone, signal } = options
  if (options.store !== null) loadDone(options.store, coarse, unitsDone)
  const unreadable = new Unreadable()
  await readOverview(options, unreadable)
  let { store } = options
  const between = () => options.whenQuiet(longestPauseMs)
  let writer = new UnitWriter(layout, coarse, store, between)
  for (let unit = 0; unit < layout.units; unit++) {
    if (unitsDone[unit] === 1) continue
    throwIfCancelled(signal)
    try {
      if (store?.isRemoved() === true) return { state: 'stopped', reason: removedReason }
      const complete = await buildUnit(unit, writer, options, unreadable)
      if (complete && store !== null) {
        store.commitUnit(unit)
        Atomics.store(unitsDone, unit, 1)
      } else if (complete) Atomics.store(unitsDone, unit, 1)
      options.onProgress()
    } catch (error) {
      if (store === null || systemErrorCode(error) === undefined) throw error
      // The disk is full or broke: less detail is better than none.
      const full = ['ENOSPC', 'EDQUOT'].includes(systemErrorCode(error) ?? '')
      store = full ? giveUpFinest(store) : null
      if (store === null) {
        unitsDone.fill(0)
        await options.onFinestChanged(null)
        const cause = full ? 'the disk is full' : describe(error)
        return await finishInMemory(options, unreadable, `The cache cannot be written: ${cause}.`)
      }
      await options.onFinestChanged(store.finest)
      writer = new UnitWriter(layout, coarse, store, between)
      unit--
    }
  }
  return outcomeOf(unreadable, null)
}

/** Somebody emptied the cache while it was used. */
export const removedReason = 'The cache was removed while it was being filled.'

async function finishInMemory(
  options: BuildOptions,
  unreadable: Unreadable,
  reason: string,
): Promise<BuildOutcome> {
  const { layout, coarse, unitsDone, signal } = options
  const writer = new UnitWriter(layout, coarse, null, () => options.whenQuiet(longestPauseMs))
  for (let unit = 0; unit < layout.units; unit++) {
    throwIfCancelled(signal)
    if (await buildUnit(unit, writer, options, unreadable)) Atomics.store(unitsDone, unit, 1)
    options.onProgress()
  }
  return { state: 'stopped', reason: outcomeOf(unreadable, reason).reason }
}

function outcomeOf(unreadable: Unreadable, reason: string | null): BuildOutcome {
  const { first, count } = unreadable
  if (first === null) return { state: reason === null ? 'ready' : 'stopped', reason }
  const more = count > 1 ? ` and ${count - 1} more cannot` : ' cannot'
  const unread = `XZ and YZ are coarse around a slice that${more} be read: ${first}`
  return { state: 'stopped', reason: reason === null ? unread : `${reason} ${unread}` }
}

/** Takes the units that an earlier build finished into memory. */
export function loadDone(store: PyramidStore, coarse: CoarseLevel, unitsDone: Uint8Array): void {
  const { layout } = store
  const level = layout.levels[layout.coarseLevel]
  const done = store.readDone()
  const bytes = new Uint8Array(level.slabBytes)
  const slabElements = elementsOf(bytes, layout.dtype)
  for (let slab = 0; slab < level.slabs; slab++) {
    const unit = unitOfSlab(layout, level, slab)
    if (done[unit] !== 1 || unitsDone[unit] === 1) continue
    if (!store.read(level.level, slab * level.slabBytes, bytes)) {
      // Cut off from outside: what the record says no longer holds.
      done[unit] = 0
      continue
    }
    const depth = level.shape[0]
    const stop = Math.min(level.brick[0], depth - slab * level.brick[0])
    for (let inSlab = 0; inSlab < stop; inSlab++) {
      const plane = coarse.emptyPlane()
      takePlane(slabElements, level, inSlab, elementsOf(plane, layout.dtype))
      const z = slab * level.brick[0] + inSlab
      coarse.setPlane(z, plane, coarse.slicesOf(z))
    }
  }
  for (let unit = 0; unit < layout.units; unit++) if (done[unit] === 1) Atomics.store(unitsDone, unit, 1)
}

/** Slices that could not be read, and what was said about the first. */
export class Unreadable {
  first: string | null = null
  readonly #slices = new Set<number>()

  get count(): number {
    return this.#slices.size
  }

  has(z: number): boolean {
    return this.#slices.has(z)
  }

  /** Throws the error when it is none of the source's, or when there are too many of them. */
  add(z: number, error: unknown): void {
    if (!isPhasemarkError(error) || (error._tag !== 'BadInput' && error._tag !== 'NotFound')) throw error
    this.first ??= error.message
    this.#slices.add(z)
    if (this.#slices.size >= mostUnreadable) throw error
  }
}

/** One slice for each unknown plane of the coarse level, spread ever more finely. */
export async function readOverview(
  options: Omit<BuildOptions, 'store' | 'onFinestChanged'>,
  unreadable: Unreadable,
): Promise<void> {
  const { source, layout, coarse, signal } = options
  const [depth, height, width] = layout.shape
  if (coarse.level === 0) return
  for (const z of everMoreFinely(coarse.shape[0])) {
    if (coarse.slicesRead(z) > 0) continue
    await options.whenQuiet(longestOverviewPauseMs)
    throwIfCancelled(signal)
    const first = z * 2 ** coarse.level
    const middle = Math.min(depth - 1, first + 2 ** (coarse.level - 1))
    try {
      const slice = await source.readSlice(middle, { signal })
      coarse.setPlane(z, averagePlane(slice, height, width, coarse.level, layout.dtype), 1)
    } catch (error) {
      unreadable.add(middle, error)
    }
    options.onProgress()
  }
}

/** 0 … count-1, each once: multiples of a large step first, then of half of it, and so on. */
export function everMoreFinely(count: number): number[] {
  const order: number[] = []
  let step = 1
  while (step * 2 < count) step *= 2
  for (let at = 0; at < count; at += step) order.push(at)
  for (; step > 1; step /= 2) for (let at = step / 2; at < count; at += step) order.push(at)
  return order
}

/** Builds one unit; `false` when one of its slices could not be read. */
async function buildUnit(
  unit: number,
  writer: UnitWriter,
  options: BuildOptions,
  unreadable: Unreadable,
): Promise<boolean> {
  const { source, layout, signal } = options
  const first = unit * layout.unitSlices
  const stop = Math.min(first + layout.unitSlices, layout.shape[0])
  writer.reset()
  let complete = true
  const read = async (z: number): Promise<TypedArray | null> => {
    if (unreadable.has(z)) return null
    await options.whenQuiet(longestPauseMs)
    try {
      return await source.readSlice(z, { signal })
    } catch (error) {
      unreadable.add(z, error)
      return null
    }
  }
  // One slice is read while the one before is averaged.
  let next = read(first)
  for (let z = first; z < stop; z++) {
    const slice = await next
    next = z + 1 < stop ? read(z + 1) : Promise.resolve(null)
    // Whatever becomes of the next slice is heard in the next round; until then it is nobody's unhandled rejection.
    next.catch(() => undefined)
    throwIfCancelled(signal)
    if (slice === null) complete = false
    await writer.addSlice(z, slice)
  }
  return complete
}

/** `null` when nothing finer than what memory holds is left. */
function giveUpFinest(store: PyramidStore): PyramidStore | null {
  store.dropFinest()
  return store.finest > store.layout.coarseLevel ? null : store
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

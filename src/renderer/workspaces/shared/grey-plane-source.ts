import type { Plane, PlaneAxis } from '../../../shared/annotation/edit.ts'
import type { PlaneData } from '../../../shared/contract/volumes.ts'
import { isPhasemarkError } from '../../../shared/errors.ts'
import type { Api } from '../../api/api.ts'
import type { GreyPlaneSource } from '../../viewer/interfaces.ts'

/** Bytes of planes that one source keeps in the window; the data process has a larger cache. */
const keptBytes = 256 * 2 ** 20

/** How often XZ and YZ are asked for again while the pyramid grows. */
const betterEveryMs = 500

/** A source of grey planes that ends: its listeners at the data process are taken away. */
export interface ClosableGreySource extends GreyPlaneSource {
  close(): void
}

/** Grey planes of a volume of the open project, read from the data process; coarse first. What was read last is kept. */
export function createGreyPlaneSource(api: Api, volumeId: string): ClosableGreySource {
  const kept = new Map<string, PlaneData>()
  let bytes = 0
  const listeners = new Set<(axis: PlaneAxis) => void>()
  let timer: ReturnType<typeof setTimeout> | null = null

  const keyOf = ({ axis, index }: Plane, level: number): string => `${axis}/${index}/${level}`

  function keep(key: string, data: PlaneData): void {
    forget(key)
    kept.set(key, data)
    bytes += data.data.byteLength
    for (const oldest of kept.keys()) {
      if (bytes <= keptBytes) break
      forget(oldest)
    }
  }

  function forget(key: string): void {
    const data = kept.get(key)
    if (data === undefined) return
    kept.delete(key)
    bytes -= data.data.byteLength
  }

  /** What was read of that plane: the wanted level, else the next coarser one. */
  function best(plane: Plane, level: number): PlaneData | undefined {
    for (let coarser = level; coarser <= 16; coarser++) {
      const data = kept.get(keyOf(plane, coarser))
      if (data !== undefined) {
        // Used last, forgotten last.
        keep(keyOf(plane, coarser), data)
        return data
      }
    }
    return undefined
  }

  async function load(
    plane: Plane,
    level: number,
    show: (data: PlaneData) => void,
    { signal }: { signal: AbortSignal },
  ): Promise<void> {
    const known = best(plane, level)
    if (known !== undefined) show(known)
    if (known !== undefined && known.level <= level && known.coverage === 1) return
    const request = { volumeId, axis: plane.axis, index: plane.index, level }
    try {
      if (known === undefined) {
        const quick = await api.data.volumes.readPlane({ ...request, quick: true }, { signal })
        if (signal.aborted) return
        if (quick.coverage > 0) show(quick)
        if (quick.level <= level && quick.coverage === 1) {
          keep(keyOf(plane, level), quick)
          return
        }
      }
      const data = await api.data.volumes.readPlane({ ...request, quick: false }, { signal })
      if (data.coverage === 1) keep(keyOf(plane, data.level), data)
      if (!signal.aborted) show(data)
    } catch (error) {
      if (signal.aborted || (isPhasemarkError(error) && error._tag === 'Cancelled')) return
      throw error
    }
  }

  function announceBetter(): void {
    timer = null
    for (const listener of [...listeners]) for (const axis of ['y', 'x'] as const) listener(axis)
  }

  const unsubscribe = api.data.volumes.on('pyramidChanged', (pyramid) => {
    if (pyramid.volumeId === volumeId) timer ??= setTimeout(announceBetter, betterEveryMs)
  })

  return {
    load,
    onBetter(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    close() {
      unsubscribe()
      if (timer !== null) clearTimeout(timer)
      listeners.clear()
      kept.clear()
      bytes = 0
    },
  }
}

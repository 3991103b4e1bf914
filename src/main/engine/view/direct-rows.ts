import { throwIfCancelled } from '../../../shared/errors.ts'
import { createTypedArray } from '../../../shared/volume.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import { CellSums, cellsAlong } from './averages.ts'
import type { CoarsePlane } from './pyramid/coarse-level.ts'

/** Reads that go on side by side: keeps Node's thread pool busy and leaves places for slices. */
const readsAtOnce = 6
/** Slices after which it is judged how long all of them will take. */
const trialSlices = 48
/** What a person waits for a sharper plane; beyond that the pyramid will be there sooner. */
const longestMs = 1200

/**
 * An XZ plane straight from the files, without any cache: a few rows of each slice. Only for sources whose rows can be read
 * alone. `null` when the first slices show that it would take too long.
 *
 * @param index voxel along y
 * Throws what the source throws.
 */
export async function readRowsDirectly(
  source: VolumeSource,
  index: number,
  level: number,
  signal: AbortSignal,
): Promise<CoarsePlane | null> {
  const { shape, dtype } = source.meta
  const [depth, height, width] = shape
  const edge = 2 ** level
  const first = Math.floor(index / edge) * edge
  const stop = Math.min(first + edge, height)
  const [rows, columns] = [cellsAlong(depth, level), cellsAlong(width, level)]
  const data = createTypedArray(dtype, rows * columns)
  const began = performance.now()
  let next = 0
  const trial = { tooSlow: false }
  const failed = new AbortController()
  const readSome = async (): Promise<void> => {
    const sums = new CellSums(stop - first, width, level, dtype)
    while (next < rows && !trial.tooSlow) {
      const row = next++
      for (let z = row * edge; z < Math.min((row + 1) * edge, depth); z++) {
        throwIfCancelled(signal)
        throwIfCancelled(failed.signal)
        const box = { start: [z, first, 0], stop: [z + 1, stop, width] } as const
        const voxels = await source.readBox(box, { signal })
        if (level === 0) data.set(voxels, row * columns)
        else sums.add(voxels)
        if (z === trialSlices) {
          trial.tooSlow = ((performance.now() - began) / trialSlices) * depth > longestMs
        }
      }
      if (level > 0) {
        data.set(sums.means(), row * columns)
        sums.clear()
      }
    }
  }
  const readers = Array.from({ length: readsAtOnce }, async () => {
    try {
      await readSome()
    } catch (error) {
      // The others need not go on; the first error is the one that is told.
      failed.abort()
      throw error
    }
  })
  await Promise.all(readers)
  return trial.tooSlow ? null : { shape: [rows, columns], data, coverage: 1 }
}

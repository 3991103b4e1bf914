import { PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { createTypedArray, type TypedArray, type VolumeMeta } from '../../../shared/volume.ts'
import type { KnownSlices } from './known-slices.ts'
import type { Box, ReadOptions, VolumeSource } from './volume-source.ts'

/** What a format must be able to do; {@link createRowSource} makes a whole source of it. */
export interface RowReader {
  /** See `VolumeSource`; default false. */
  rowAddressable?: boolean
  /** See `VolumeSource`. */
  known?: KnownSlices | undefined
  /** Rows `[yStart, yStop)` of slice `z`, C order (y, x), full width; the array belongs to the caller. */
  readRows(z: number, yStart: number, yStop: number, signal: AbortSignal | undefined): Promise<TypedArray>
  close(): Promise<void>
}

/** Builds a `VolumeSource` on a reader of rows, with the range checks that every source needs. */
export function createRowSource(meta: VolumeMeta, reader: RowReader): VolumeSource {
  let closed = false
  const [depth, height, width] = meta.shape

  function requireOpen(): void {
    if (closed) throw new PhasemarkError('Internal', `${meta.path}: read after the volume was closed`, {})
  }

  function requireRange(axis: string, start: number, stop: number, size: number): void {
    if (!Number.isInteger(start) || !Number.isInteger(stop) || start < 0 || stop > size || start >= stop) {
      throw new PhasemarkError(
        'WrongUsage',
        `${meta.path}: expected a range of ${axis} within 0 to ${size} (end excluded), found ${start} to ${stop}`,
        {},
      )
    }
  }

  async function readBox(box: Box, options: ReadOptions = {}): Promise<TypedArray> {
    requireOpen()
    const [z0, y0, x0] = box.start
    const [z1, y1, x1] = box.stop
    requireRange('z', z0, z1, depth)
    requireRange('y', y0, y1, height)
    requireRange('x', x0, x1, width)
    const rowLength = x1 - x0
    const planeLength = (y1 - y0) * rowLength
    const target = createTypedArray(meta.dtype, (z1 - z0) * planeLength)
    for (let z = z0; z < z1; z++) {
      throwIfCancelled(options.signal)
      const rows = await reader.readRows(z, y0, y1, options.signal)
      const base = (z - z0) * planeLength
      if (rowLength === width) {
        target.set(rows, base)
        continue
      }
      for (let y = 0; y < y1 - y0; y++) {
        target.set(rows.subarray(y * width + x0, y * width + x1), base + y * rowLength)
      }
    }
    return target
  }

  return {
    meta,
    rowAddressable: reader.rowAddressable ?? false,
    known: reader.known,
    readBox,
    async readSlice(z, options = {}) {
      requireOpen()
      requireRange('z', z, z + 1, depth)
      throwIfCancelled(options.signal)
      return await reader.readRows(z, 0, height, options.signal)
    },
    async close() {
      if (closed) return
      closed = true
      await reader.close()
    },
  }
}

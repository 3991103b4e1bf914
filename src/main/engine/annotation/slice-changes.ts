import type { Rectangle } from '../../../shared/annotation/edit.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import type { ChangeEncoder } from './changes.ts'
import type { LabelVoxels } from './label-voxels.ts'
import { requirePlane } from './plane-geometry.ts'

/** What edits have in common: what they may see, and how a changed slice becomes runs. */

export interface EditContext {
  voxels: LabelVoxels
  /** Labels that may be painted over; see `overwritableLabels`. */
  allowed: Uint8Array
  /** Opens the grey volume; called for edits that depend on it only. */
  source: () => Promise<VolumeSource>
}

/** Throws `WrongUsage` for slices that the volume does not have. */
export function requireSlices({ voxels }: EditContext, ...slices: number[]): void {
  for (const z of slices) requirePlane({ axis: 'z', index: z }, voxels.shape)
}

/** Encodes what differs in a rectangle of a slice, in which `after` says what becomes of each position. */
export function encodeSlice(
  encoder: ChangeEncoder,
  { top, left, bottom, right }: Rectangle,
  before: Uint8Array,
  after: (position: number) => number,
): void {
  const width = right - left
  for (let y = top, row = 0; y < bottom; y++, row += width)
    for (let x = 0; x < width;) {
      const old = before[row + x]
      const changed = after(row + x)
      if (changed === old) {
        x++
        continue
      }
      let stop = x + 1
      while (stop < width && before[row + stop] === old && after(row + stop) === changed) stop++
      encoder.run(y, left + x, stop - x, old, changed)
      x = stop
    }
}

export function wholeSlice({ shape }: Pick<LabelVoxels, 'shape'>): Rectangle {
  return { top: 0, left: 0, bottom: shape[1], right: shape[2] }
}

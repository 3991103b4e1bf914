import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { ChangeEncoder, type ChangeSet } from './changes.ts'
import { encodeSlice, wholeSlice } from './slice-changes.ts'
import type { LabelSlice, ReplaceSlicesOptions } from './interfaces.ts'
import type { LabelVoxels } from './label-voxels.ts'
import { prepareSlice, type StoredSlice } from './stored-slice.ts'

export interface StagedSlices {
  /** What the changed slices become. */
  slices: Map<number, StoredSlice>
  /** Box and voxels of all changes; the pieces were handed on. */
  changes: Pick<ChangeSet, 'box' | 'voxels'>
  keptVoxels: number
  /** Slices that came. */
  seen: number
  /** The only material that was painted; `null` when there are several. */
  material: number | null
}

/** Goes through new slices one by one: the changes go to `onPiece`, the packed results are returned. Labels are not changed. */
export async function stageSlices(
  voxels: LabelVoxels,
  slices: AsyncIterable<LabelSlice>,
  options: Pick<ReplaceSlicesOptions, 'mode' | 'allowed' | 'signal'>,
  onPiece: (piece: Uint8Array) => Promise<void>,
): Promise<StagedSlices> {
  const [depth, height, width] = voxels.shape
  const encoder = new ChangeEncoder(width, onPiece)
  const rectangle = wholeSlice(voxels)
  const seen = new Set<number>()
  const painted = new Set<number>()
  const staged = new Map<number, StoredSlice>()
  let keptVoxels = 0
  for await (const { z, labels } of slices) {
    throwIfCancelled(options.signal)
    if (!Number.isInteger(z) || z < 0 || z >= depth || seen.has(z) || labels.length !== height * width)
      throw badInput(
        `slice ${z}`,
        `labels of ${height} × ${width} voxels (y × x), each slice from 0 to ${depth - 1} once`,
        seen.has(z) ? 'the slice a second time' : `${labels.length} voxels`,
      )
    seen.add(z)
    const before = voxels.readSlice(z)
    const after = labels.slice()
    if (options.mode !== 'replace') keptVoxels += merge(before, after, options)
    const changedBefore = encoder.voxels
    encoder.beginSlice(z)
    encodeSlice(encoder, rectangle, before, (i) => {
      if (after[i] !== before[i]) painted.add(after[i])
      return after[i]
    })
    if (encoder.voxels > changedBefore)
      staged.set(z, await prepareSlice(after, [voxels.shape[1], voxels.shape[2]]))
    await encoder.flush()
  }
  throwIfCancelled(options.signal)
  const { pieces, box, voxels: changedVoxels } = encoder.finish()
  for (const piece of pieces) await onPiece(piece)
  const [material] = painted
  return {
    slices: staged,
    changes: { box, voxels: changedVoxels },
    keptVoxels,
    seen: seen.size,
    material: painted.size === 1 ? material : null,
  }
}

/** Puts back into `after` what stays as it was before. Returns the number of new labels that gave way. */
function merge(
  before: Uint8Array,
  after: Uint8Array,
  { mode, allowed }: Pick<ReplaceSlicesOptions, 'mode' | 'allowed'>,
): number {
  let kept = 0
  for (let i = 0; i < after.length; i++) {
    const [old, wanted] = [before[i], after[i]]
    if (old === wanted || old === 0) continue
    if (wanted !== 0 && mode === 'over' && allowed[old] === 1) continue
    after[i] = old
    if (wanted !== 0) kept++
  }
  return kept
}

import type { Material } from '../../../shared/materials.ts'
import type { VolumeMeta, VolumeWarning } from '../../../shared/volume.ts'
import type { ReadOptions } from '../volume/volume-source.ts'
import type { ProjectMoment } from './project-labels.ts'

/** How label slices were matched to volume slices. */
export type LabelPairing = 'stem' | 'position'

/**
 * The labels of one volume, as material indices. Sparse: most slices of a volume usually have none.
 */
export interface LabelSource {
  readonly path: string
  readonly pairing: LabelPairing
  /** Volume slices that have labels, ascending. */
  readonly labelledSlices: readonly number[]
  readonly warnings: readonly VolumeWarning[]
  /** Which labels of a project these are, for opening the same ones again; absent for files. */
  readonly moment?: ProjectMoment
  /**
   * Labels of volume slice `z`, C order (y, x), 0 = unlabelled, 1…255 = {@link Material.index}. A slice without labels
   * is all zero. The array belongs to the caller.
   * Throws `BadInput` on an unreadable slice or a value that no material has.
   */
  readSlice(z: number, options?: ReadOptions): Promise<Uint8Array>
  /** Labelled voxels per material index in slice `z`; length = materials + 1, entry 0 counts unlabelled voxels. */
  countSlice(z: number): Readonly<Uint32Array>
  close(): Promise<void>
}

/** One volume and where its labels are. */
export interface LabelInput {
  path: string
  volume: VolumeMeta
  /** Of a project: labels as they were then. */
  moment?: ProjectMoment
}

/** Labels of several volumes under one table of materials. */
export interface LabelSet {
  /** Ascending by file value; the union over all inputs, or what `materialsPath` lists. */
  materials: readonly Material[]
  /** Which file value means unlabelled, and how that was decided; printed with every result. */
  unlabelled: { value: number | null; from: 'option' | 'file' | 'default' }
  /** In the order of the inputs. */
  sources: readonly LabelSource[]
}

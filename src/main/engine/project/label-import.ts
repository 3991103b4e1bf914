import { overwritableLabels } from '../../../shared/annotation/paint.ts'
import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import type { ImportLabels, LabelSlice } from '../annotation/interfaces.ts'
import type { JobOptions } from '../job-options.ts'
import { openLabelFile } from '../labels/label-file.ts'
import type { LabelSet, LabelSource } from '../labels/label-source.ts'
import { bindLabels } from '../labels/open-labels.ts'
import { readInOrder, readsAhead } from '../labels/read-in-order.ts'
import { readSourceMeta } from './source-meta.ts'
import { countOf, groupDigits } from './wording.ts'

/**
 * Reads a label stack, a label file, a segmentation or the labels of another project into the labels of a volume: slice by
 * slice, one undo step. File values become the project's materials of that value; what the project does not have is added
 * with names and colours of the file. Unlabelled voxels of the file change nothing.
 *
 * Throws as `openLabels`, and what the label store throws; then the labels are as they were.
 */
export const importLabels: ImportLabels = async (target, request, { signal, onProgress }) => {
  const { store, project, volumeId } = target
  const volume = project.volume(volumeId)
  const meta = await readSourceMeta(volume, store.shape, signal)
  const unlabelled = unlabelledOption(request.unlabelled)
  const file = await openLabelFile(request.path, { signal, volume: meta, ...unlabelled })
  try {
    const set = await bindLabels([file], [{ path: request.path, volume: meta }], {
      signal,
      onProgress,
      ...unlabelled,
    })
    const source = set.sources[0]
    const slices = source.labelledSlices.filter((z) => labelledIn(source, z) > 0)
    if (slices.length === 0) throw badInput(request.path, 'labelled voxels', 'not a single one')
    const before = new Set(project.materials.filter(({ removed }) => !removed).map(({ index }) => index))
    const materials = await project.addMaterials(
      set.materials.map(({ value, name, colour }) => ({ value, name, colour })),
    )
    const indices = new Uint8Array(256)
    for (const [position, material] of set.materials.entries())
      indices[material.index] = materials[position].index
    const { change, keptVoxels } = await store.replaceSlices(
      'import',
      translated(source, slices, indices, { signal, onProgress }),
      {
        mode: request.keepExisting ? 'keep' : 'over',
        allowed: overwritableLabels(project.materials),
        signal,
        onProgress,
        ...(request.editId === undefined ? {} : { editId: request.editId }),
      },
    )
    const labelled = slices.reduce((sum, z) => sum + labelledIn(source, z), 0)
    return [
      `Imported ${countOf(slices.length, 'slice')} with ${groupDigits(labelled)} labelled voxels; ${groupDigits(change.changedVoxels)} changed`,
      source.pairing === 'stem' ? 'slices matched by name' : 'slices matched by position',
      describeUnlabelled(set),
      ...describeAdded(materials.filter(({ index }) => !before.has(index))),
      ...describeSkipped(store.shape[0], source.labelledSlices.length - slices.length, slices.length),
      ...(keptVoxels > 0 ? [describeKept(keptVoxels, request.keepExisting)] : []),
      ...source.warnings.map(({ message }) => message),
    ].join('; ')
  } finally {
    await file.file.close()
  }
}

async function* translated(
  source: LabelSource,
  slices: readonly number[],
  indices: Uint8Array,
  { signal, onProgress }: Required<JobOptions>,
): AsyncGenerator<LabelSlice, void, void> {
  const sliceBytes = source.countSlice(slices[0]).reduce((sum, count) => sum + count, 0)
  const reads = readInOrder(slices.length, readsAhead(sliceBytes), (position) =>
    source.readSlice(slices[position], { signal }),
  )
  let done = 0
  for await (const labels of reads) {
    throwIfCancelled(signal)
    for (let i = 0; i < labels.length; i++) labels[i] = indices[labels[i]]
    yield { z: slices[done], labels }
    onProgress({ stage: 'importing', done: ++done, total: slices.length, unit: 'slices' })
  }
}

function unlabelledOption(value: number | null | undefined): { unlabelled?: number | 'none' } {
  return value === undefined ? {} : { unlabelled: value ?? 'none' }
}

function labelledIn(source: LabelSource, z: number): number {
  return source.countSlice(z).reduce((sum, count, index) => (index === 0 ? sum : sum + count), 0)
}

function describeUnlabelled({ unlabelled: { value, from } }: LabelSet): string {
  const reason = { option: 'as chosen', file: 'as the files say', default: 'the files do not say' }[from]
  return value === null
    ? `no value means unlabelled (${reason})`
    : `the value ${value} means unlabelled (${reason})`
}

function describeAdded(added: readonly { name: string; value: number }[]): string[] {
  if (added.length === 0) return []
  return [`new materials: ${added.map(({ name, value }) => `${name} (${value})`).join(', ')}`]
}

function describeSkipped(depth: number, empty: number, imported: number): string[] {
  const without = depth - imported - empty
  return [
    ...(empty > 0 ? [`${countOf(empty, 'slice')} without any labelled voxel skipped`] : []),
    ...(without > 0
      ? [`${countOf(without, 'slice')} of the volume without a label slice left as they were`]
      : []),
  ]
}

function describeKept(voxels: number, keepExisting: boolean): string {
  return keepExisting
    ? `${groupDigits(voxels)} voxels kept the labels they had`
    : `${groupDigits(voxels)} voxels of locked or hidden materials kept their labels`
}

import { badInput } from '../../../shared/errors.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import type { LabelSet } from './label-source.ts'

/**
 * Checks that a network can learn from the labels, looking at the given volume slices of each source only (default: all
 * that are labelled). Returns a warning for each material without a single labelled voxel there.
 * Throws `BadInput` when no voxel is labelled, or when all labelled voxels are of one material.
 */
export function requireTrainable(labels: LabelSet, slices?: readonly (readonly number[])[]): VolumeWarning[] {
  const voxels = labels.materials.map(() => 0)
  for (const [position, source] of labels.sources.entries())
    for (const z of slices?.[position] ?? source.labelledSlices) {
      const counts = source.countSlice(z)
      for (let index = 1; index < counts.length; index++) voxels[index - 1] += counts[index]
    }
  const present = labels.materials.filter((_, position) => voxels[position] > 0)
  const paths = labels.sources.map(({ path }) => path).join(', ')
  const where = slices === undefined ? '' : ' in the slices chosen for training'
  const unlabelled =
    labels.unlabelled.value === null
      ? 'no value counts as unlabelled'
      : `the value ${labels.unlabelled.value} counts as unlabelled`
  if (present.length === 0)
    throw badInput(paths, `labelled voxels${where} (${unlabelled})`, 'not a single one')
  if (present.length === 1)
    throw badInput(
      paths,
      `labelled voxels of two materials or more${where} (${unlabelled})`,
      `only "${present[0].name}" (value ${present[0].value})`,
    )
  return labels.materials
    .filter((_, position) => voxels[position] === 0)
    .map(({ name, value }) => ({
      kind: 'other',
      message: `the material "${name}" (value ${value}) has no labelled voxel${where}`,
    }))
}

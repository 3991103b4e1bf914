import { badInput } from '../../../shared/errors.ts'
import type { VolumeMeta } from '../../../shared/volume.ts'
import { FileLabelSource } from './file-label-source.ts'
import { openLabelFile, placeOf, type LabelFile } from './label-file.ts'
import type { LabelInput, LabelSet } from './label-source.ts'
import { pairSlices, type SlicePairing } from './pair-slices.ts'
import { resolveLabels, type ResolveOptions } from './resolve-labels.ts'

/**
 * Opens the labels of one or more volumes under one table of materials.
 *
 * Each label slice belongs to the volume slice of the same file stem; when no stem matches, slices pair by position and the
 * numbers must agree. Every label slice is read once here, one after the other, to learn which values occur; later reads come
 * from disk again, so that memory does not grow with the number of slices.
 *
 * The caller closes every source. Nothing stays open when this throws.
 * Throws `BadInput` on label slices that match no volume slice, of another size, with fractions, or with more than 255
 * materials, on a value that no listed material has, and on files that contradict each other; `NotFound`; `Cancelled`.
 */
export async function openLabels(
  inputs: readonly LabelInput[],
  options: ResolveOptions = {},
): Promise<LabelSet> {
  const files: LabelFile[] = []
  try {
    for (const { path, volume, moment } of inputs) {
      const which = moment === undefined ? { volume } : { volume, moment }
      files.push(await openLabelFile(path, { ...options, ...which }))
    }
    return await bindLabels(files, inputs, options)
  } catch (error) {
    await Promise.allSettled(files.map(({ file }) => file.close()))
    throw error
  }
}

/** As {@link openLabels}, with files that are open already; they are closed by whoever opened them when this throws. */
export async function bindLabels(
  files: readonly LabelFile[],
  inputs: readonly LabelInput[],
  options: ResolveOptions = {},
): Promise<LabelSet> {
  // What can be told from names and headers comes before the long reading.
  const pairings = files.map((file, position) => pairWithVolume(file, inputs[position].volume))
  const found = await resolveLabels(files, options)
  const sources = files.map(
    (file, position) =>
      new FileLabelSource(file, inputs[position].volume, pairings[position], found, position),
  )
  return { materials: found.materials, unlabelled: found.unlabelled, sources }
}

/** Throws `BadInput` when the label slices do not belong to slices of the volume or have another size. */
function pairWithVolume({ path, file }: LabelFile, volume: VolumeMeta): SlicePairing {
  const [, height, width] = file.meta.shape
  if (height !== volume.shape[1] || width !== volume.shape[2])
    throw badInput(
      placeOf(file.meta, 0),
      `a slice of ${volume.shape[1]} × ${volume.shape[2]} voxels (y × x) like ${volume.path}`,
      `${height} × ${width}`,
    )
  return pairSlices(
    { path, what: 'label slice', names: file.meta.sliceNames },
    { path: volume.path, what: 'volume slice', names: volume.sliceNames },
  )
}

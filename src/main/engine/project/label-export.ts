import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { badInput, hasTag, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import type { ExportLabels } from '../annotation/interfaces.ts'
import { writeFileAtomic } from '../files/atomic-file.ts'
import { fileValuesOf, slicesWithMaterials, smallestDtype, toFileValues } from '../labels/file-values.ts'
import { sidecarName } from '../labels/label-metadata.ts'
import { checkOutput, partialPathOf } from '../output/output-guard.ts'
import { openVolumeWriter, type VolumeWriter, type VolumeWriterOptions } from '../output/volume-writer.ts'
import { claimExport, isFinishedExport, type ExportClaim } from './label-export-claim.ts'
import { unlabelledValueOf } from './project-materials.ts'
import { countOf, groupDigits } from './wording.ts'
import { readSourceMeta } from './source-meta.ts'

/**
 * Writes the labelled slices of a volume as a folder of TIFF files named like the volume's slices, with names, colours and the
 * unlabelled value, which our reader understands and ImageJ shows in colour. Removed materials are left out.
 *
 * An export that is resumed begins anew, from the labels as they are now; when the one before was complete, that is said.
 *
 * Throws `OutputExists`, `WrongUsage` (a place in a source), `BadInput` when nothing is labelled, `NoSpace`, `NotWritable`,
 * `Cancelled`; then nothing is left behind.
 */
export const exportLabels: ExportLabels = async (target, request, { signal, onProgress }) => {
  const { store, project, volumeId } = target
  const { path: output, exportId = randomUUID(), isResumed = false } = request
  const volume = project.volume(volumeId)
  const claim = claimExport(output, exportId)
  if (isResumed && (await claim.takeOver())) return describeComplete(output)
  const meta = await readSourceMeta(volume, store.shape, signal)
  const materials = project.materials
    .filter(({ removed }) => !removed)
    .toSorted((left, right) => left.value - right.value)
  const slices = slicesWithMaterials(store, materials)
  if (slices.length === 0)
    throw badInput(project.folder, `labels of "${volume.name}" to export`, 'not a single labelled voxel')
  const unlabelledValue = unlabelledValueOf(materials)
  const dtype = smallestDtype([unlabelledValue, ...materials.map(({ value }) => value)])
  const values = fileValuesOf(materials, unlabelledValue)
  const colourTable = materials.map(({ value, name, colour }) => ({ value, name, colour }))
  const sliceNames = slices.map((z) => meta.sliceNames[z])
  const sidecar = `${JSON.stringify({ unlabelled: unlabelledValue, materials: colourTable }, null, 2)}\n`
  const [, height, width] = store.shape
  // The process may have died after the last step, and before anybody took note.
  if (isResumed && (await isFinishedExport(output, { sliceNames, sidecar }))) return describeComplete(output)
  await requirePlace(output, [volume.path, project.folder])
  const started = performance.now()
  await writeWhole(
    claim,
    {
      path: output,
      format: 'tiff-stack',
      shape: [slices.length, height, width],
      dtype,
      voxelSize: volume.voxelSize,
      sliceNames,
      colourTable,
      unlabelledValue,
      // Goes on in the folder that was claimed, which is empty.
      resume: true,
    },
    async (writer) => {
      for (const [position, z] of slices.entries()) {
        throwIfCancelled(signal)
        const labels = await store.readSlice(z)
        await writer.writeSlice(position, toFileValues(labels, values, dtype), { signal })
        onProgress({ stage: 'writing', done: position + 1, total: slices.length, unit: 'slices' })
      }
      await writeFileAtomic(path.join(partialPathOf(output), sidecarName), sidecar)
    },
  )
  const seconds = (performance.now() - started) / 1000
  const removed = project.materials.length - materials.length
  return [
    `Exported ${countOf(slices.length, 'labelled slice')} of ${groupDigits(store.shape[0])} to ${output} in ${seconds.toFixed(1)} s`,
    `${materials.length} materials, unlabelled voxels have the value ${unlabelledValue}`,
    ...(removed > 0 ? [`${countOf(removed, 'removed material')} left out`] : []),
  ].join('; ')
}

function describeComplete(output: string): string {
  return `Exported to ${output}. It was complete when its process ended`
}

/** Runs `work`, then gives the output its name. What is unfinished is removed: writing anew takes seconds. */
async function writeWhole(
  claim: ExportClaim,
  options: VolumeWriterOptions,
  work: (writer: VolumeWriter) => Promise<void>,
): Promise<void> {
  let writer: VolumeWriter | null = null
  try {
    await claim.make()
    writer = await openVolumeWriter(options)
    if (writer.nextSlice !== 0)
      throw new PhasemarkError('OutputExists', `${options.path}: exists already; choose another name`, {
        path: options.path,
      })
    await work(writer)
    await writer.close()
    await claim.settle()
  } catch (error) {
    await writer?.abort()
    await claim.drop()
    throw error
  }
}

/** Says it without the option of the command line, which a window does not have. */
async function requirePlace(output: string, inputs: readonly string[]): Promise<void> {
  try {
    await checkOutput({ output, inputs, resume: false, kind: 'streamed' })
  } catch (error) {
    if (hasTag(error, 'WrongUsage'))
      throw new PhasemarkError(
        'WrongUsage',
        `${output}: expected a place apart from the slices and the project's own folders; choose another folder`,
        {},
        { cause: error },
      )
    if (hasTag(error, 'OutputExists'))
      throw new PhasemarkError(
        'OutputExists',
        `${error.fields.path}: exists already; choose another name`,
        error.fields,
        { cause: error },
      )
    throw error
  }
}

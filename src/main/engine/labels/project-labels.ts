import { stat } from 'node:fs/promises'
import path from 'node:path'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import type { LabelMetadata } from '../../../shared/materials.ts'
import type { Dtype, Shape3, VolumeMeta, VolumeWarning } from '../../../shared/volume.ts'
import { bytesPerElement } from '../../../shared/volume.ts'
import type { LabelReader } from '../annotation/interfaces.ts'
import { openLabelStoreForReading } from '../annotation/label-store.ts'
import { projectEnding, projectFileName, isProjectFolder, readProject } from '../project/project-file.ts'
import { unlabelledValueOf } from '../project/project-materials.ts'
import { labelFolderOf, locateSource, realPathOrSame } from '../project/project-paths.ts'
import type { StoredMaterial, StoredProject, StoredVolume } from '../project/project-schema.ts'
import { openOptionsOf } from '../view/inspect-volume.ts'
import { openVolume } from '../volume/open-volume.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import { fileValuesOf, slicesWithMaterials, smallestDtype, toFileValues } from './file-values.ts'

/** The folder of the project that `labelPath` names, or `null` when it names something else. */
export async function projectAt(labelPath: string): Promise<string | null> {
  const folder =
    path.basename(labelPath) === projectFileName ? path.dirname(path.resolve(labelPath)) : labelPath
  const isFolder = (await stat(folder).catch(() => null))?.isDirectory() === true
  if (!isFolder) return null
  // By its name alone too: a half-copied project shall be told from a folder without slices.
  const named = path.resolve(folder).toLowerCase().endsWith(projectEnding)
  return named || (await isProjectFolder(folder)) ? folder : null
}

/**
 * Labels of a project at one moment: plain data, so that another thread opens the very same ones while painting goes on.
 */
export interface ProjectMoment {
  volumeId: string
  /** Position in the journal. */
  sequence: number
  /** Without removed ones. */
  materials: readonly { index: number; value: number; name: string; colour: string }[]
}

export interface ProjectLabelOptions {
  /** Labels as they were when they were first opened; default: as they are now. */
  moment?: ProjectMoment
  volume?: VolumeMeta
  segmentation?: VolumeMeta
  unlabelled?: number | 'none'
  signal?: AbortSignal
}

/** As a label file would be: slices of file values under the names of the volume's slices, and what they mean. */
export interface ProjectLabels {
  file: VolumeSource
  stated: { path: string; metadata: LabelMetadata }
  warnings: VolumeWarning[]
  moment: ProjectMoment
}

/**
 * Opens the labels that a project holds for a volume, as they are at this moment; the project may be open elsewhere and being
 * painted in. Materials that were removed are left out.
 *
 * Which labels: those of the project's volume with the same path as `options.volume`; when no path is the same, of the only one
 * with its shape, which a warning then says. Without a volume, of the only one that is labelled (and fits the segmentation).
 * Throws `BadInput` when there is none or more than one, when the source has changed, or when nothing is labelled.
 */
export async function openProjectLabels(
  folder: string,
  options: ProjectLabelOptions,
): Promise<ProjectLabels> {
  throwIfCancelled(options.signal)
  const { project } = await readProject(folder)
  const { moment: given } = options
  const openReader = (volume: StoredVolume) =>
    openLabelStoreForReading(
      labelFolderOf(folder, volume.id),
      volume.summary.shape,
      given === undefined ? {} : { upTo: given.sequence },
    )
  const { volume, warnings } = await chooseVolume(folder, project, options, openReader)
  const labels = await openReader(volume)
  const materials = given?.materials ?? project.materials.filter(({ removed }) => !removed).map(plainMaterial)
  const slices = slicesWithMaterials(labels, materials)
  if (slices.length === 0)
    throw badInput(folder, `labels of the volume "${volume.name}"`, 'not a single labelled voxel')
  const names = await sliceNamesOf(folder, volume, options)
  const unlabelled = unlabelledFor(folder, materials, options.unlabelled)
  return {
    file: createSource(folder, volume, labels, { slices, names, materials, unlabelled }),
    stated: {
      path: path.join(folder, projectFileName),
      metadata: {
        unlabelled,
        materials: materials.map(({ value, name, colour }) => ({ value, name, colour })),
      },
    },
    warnings,
    moment: { volumeId: volume.id, sequence: labels.sequence, materials },
  }
}

function plainMaterial({ index, value, name, colour }: StoredMaterial): ProjectMoment['materials'][number] {
  return { index, value, name, colour }
}

function createSource(
  folder: string,
  volume: StoredVolume,
  labels: LabelReader,
  content: {
    slices: readonly number[]
    names: readonly string[]
    materials: ProjectMoment['materials']
    unlabelled: number
  },
): VolumeSource {
  const { slices, names, materials, unlabelled } = content
  const [, height, width] = volume.summary.shape
  const values = fileValuesOf(materials, unlabelled)
  const dtype: Dtype = smallestDtype([unlabelled, ...materials.map(({ value }) => value)])
  return {
    meta: {
      format: 'labels of a project',
      path: folder,
      shape: [slices.length, height, width],
      dtype,
      voxelSize: volume.voxelSize,
      sliceNames: slices.map((z) => names[z]),
      bytes: slices.length * height * width * bytesPerElement[dtype],
      gaps: [],
      warnings: [],
    },
    async readSlice(position, { signal } = {}) {
      throwIfCancelled(signal)
      return toFileValues(await labels.readSlice(slices[position]), values, dtype)
    },
    readBox: () =>
      Promise.reject(new PhasemarkError('Internal', 'labels of a project are read slice by slice', {})),
    close: () => Promise.resolve(),
  }
}

interface Choice {
  volume: StoredVolume
  warnings: VolumeWarning[]
}

async function chooseVolume(
  folder: string,
  project: StoredProject,
  options: ProjectLabelOptions,
  openReader: (volume: StoredVolume) => Promise<LabelReader>,
): Promise<Choice> {
  const known = project.volumes.find(({ id }) => id === options.moment?.volumeId)
  if (known !== undefined) return { volume: known, warnings: [] }
  if (options.volume !== undefined) return await chooseByVolume(folder, project, options.volume)
  const { segmentation } = options
  const labelled: StoredVolume[] = []
  for (const volume of project.volumes)
    if ((await openReader(volume)).labelledSlices.length > 0) labelled.push(volume)
  const fitting = labelled.filter(
    ({ summary }) => segmentation === undefined || isSameSlice(summary.shape, segmentation.shape),
  )
  const whole = fitting.filter(({ summary }) => summary.shape[0] === segmentation?.shape[0])
  const candidates = fitting.length > 1 && whole.length > 0 ? whole : fitting
  const wanted =
    segmentation === undefined
      ? 'exactly one volume with labels'
      : `exactly one volume with labels and slices like those of ${segmentation.path} (${segmentation.shape.slice(1).join(' × ')} voxels, y × x)`
  const chosen = onlyOne(folder, candidates, wanted, labelled)
  return {
    volume: chosen,
    warnings:
      labelled.length > 1
        ? [
            {
              kind: 'other',
              message: `${folder}: taken are the labels of "${chosen.name}", which alone fits`,
            },
          ]
        : [],
  }
}

async function chooseByVolume(folder: string, project: StoredProject, volume: VolumeMeta): Promise<Choice> {
  const place = await realPathOrSame(volume.path)
  for (const candidate of project.volumes) {
    const source = (await locateSource(folder, candidate)) ?? candidate.path
    if ((await realPathOrSame(source)) !== place) continue
    if (!isSameShape(candidate.summary.shape, volume.shape))
      throw badInput(
        volume.path,
        `${candidate.summary.shape.join(' × ')} voxels (z, y, x) as when "${candidate.name}" was labelled in ${folder}`,
        volume.shape.join(' × '),
      )
    return { volume: candidate, warnings: [] }
  }
  const fitting = project.volumes.filter(({ summary }) => isSameShape(summary.shape, volume.shape))
  const chosen = onlyOne(
    folder,
    fitting,
    `the volume ${volume.path}, or exactly one of its shape (${volume.shape.join(' × ')}, z, y, x)`,
    project.volumes,
  )
  const message = `${folder} does not hold ${volume.path}; taken are the labels of "${chosen.name}", the only volume of that shape`
  return { volume: chosen, warnings: [{ kind: 'other', message }] }
}

function onlyOne(
  folder: string,
  candidates: readonly StoredVolume[],
  expected: string,
  all: readonly StoredVolume[],
): StoredVolume {
  if (candidates.length === 1) return candidates[0]
  const list = (candidates.length > 1 ? candidates : all).map(
    ({ name, summary }) => `"${name}" (${summary.shape.join(' × ')})`,
  )
  throw badInput(
    folder,
    expected,
    candidates.length > 1 ? `${candidates.length}: ${list.join(', ')}` : list.join(', ') || 'no volume',
  )
}

/** Names of all slices of the project's volume. */
async function sliceNamesOf(
  folder: string,
  volume: StoredVolume,
  { volume: given, segmentation, signal }: ProjectLabelOptions,
): Promise<readonly string[]> {
  if (given !== undefined) return given.sliceNames
  const source = await locateSource(folder, volume)
  if (source === null) {
    // A segmentation of the whole volume has a slice for each; which is which follows from the position.
    if (segmentation?.shape[0] === volume.summary.shape[0]) return segmentation.sliceNames
    throw new PhasemarkError(
      'NotFound',
      `${volume.path}: the source of "${volume.name}" in ${folder} is not there, and its slices cannot be named without it`,
      { path: volume.path },
    )
  }
  const opened = await openVolume(source, {
    ...openOptionsOf(volume.raw),
    ...(signal === undefined ? {} : { signal }),
  })
  await opened.close()
  if (!isSameShape(opened.meta.shape, volume.summary.shape))
    throw badInput(
      source,
      `${volume.summary.shape.join(' × ')} voxels (z, y, x) as when it was added to ${folder}`,
      opened.meta.shape.join(' × '),
    )
  return opened.meta.sliceNames
}

/**
 * The value that voxels without a label are given out with. The option settles it, so that several label sources agree.
 * Throws `WrongUsage` on `none`: in a project, what nobody has labelled is unlabelled.
 */
function unlabelledFor(
  folder: string,
  materials: ProjectMoment['materials'],
  option: number | 'none' | undefined,
): number {
  if (option === 'none')
    throw new PhasemarkError(
      'WrongUsage',
      `--unlabelled none: expected a value or no such option, because ${folder} has unlabelled voxels of its own`,
      { argument: '--unlabelled' },
    )
  return option ?? unlabelledValueOf(materials)
}

function isSameShape(left: Shape3, right: Shape3): boolean {
  return left.every((extent, axis) => extent === right[axis])
}

function isSameSlice(left: Shape3, right: Shape3): boolean {
  return left[1] === right[1] && left[2] === right[2]
}

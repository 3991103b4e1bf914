import { stat } from 'node:fs/promises'
import path from 'node:path'
import { throwIfCancelled } from '../../../shared/errors.ts'
import type { VolumeMeta, VolumeWarning } from '../../../shared/volume.ts'
import { openVolume } from '../volume/open-volume.ts'
import { withPositionedFile } from '../volume/positioned-file.ts'
import { listSliceFiles } from '../volume/slice-folder.ts'
import { looksLikeTiff, TiffDirectoryReader, tiffTags } from '../volume/tiff-directory.ts'
import { tiffSlices } from '../volume/tiff-file.ts'
import type { ReadOptions, VolumeSource } from '../volume/volume-source.ts'
import { parseLabelDescription, readSidecar, type FoundMetadata } from './label-metadata.ts'
import { openProjectLabels, projectAt, type ProjectMoment } from './project-labels.ts'

/** Label files as read, before values become materials. */
export interface LabelFile {
  path: string
  file: VolumeSource
  /** Says what the values mean; `null` when nothing does. */
  stated: FoundMetadata | null
  /** What the user should know of how these labels were found. */
  warnings?: readonly VolumeWarning[]
  /** Of labels of a project: which ones exactly. */
  moment?: ProjectMoment
}

export interface OpenLabelFileOptions extends ReadOptions {
  /** The volume that the labels belong to: tells which labels of a project are meant. */
  volume?: VolumeMeta
  /** A segmentation of that volume, where the volume itself is not at hand. */
  segmentation?: VolumeMeta
  /** As `--unlabelled`. Labels of a project are given out with this value where there are none. */
  unlabelled?: number | 'none'
  /** Labels of a project as another thread has opened them. */
  moment?: ProjectMoment
}

/**
 * Opens a label folder, a label file or the labels in a project (`X.phasemark`), together with what it says about its values: a sidecar (see {@link readSidecar}), else the
 * image description of the first TIFF file. The caller closes `file`.
 * Throws as `openVolume` and {@link openProjectLabels} do, and `BadInput` on metadata that does not parse.
 */
export async function openLabelFile(
  labelPath: string,
  options: OpenLabelFileOptions = {},
): Promise<LabelFile> {
  const { signal } = options
  throwIfCancelled(signal)
  const project = await projectAt(labelPath)
  if (project !== null) return { path: labelPath, ...(await openProjectLabels(project, options)) }
  const file = await openVolume(labelPath, signal === undefined ? {} : { signal })
  try {
    const stated = (await readSidecar(labelPath)) ?? (await readDescription(labelPath, signal))
    return { path: labelPath, file, stated }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readDescription(
  labelPath: string,
  signal: AbortSignal | undefined,
): Promise<FoundMetadata | null> {
  const file = await firstTiff(labelPath)
  if (file === null) return null
  const description = await withPositionedFile(file, async (opened) => {
    if (!looksLikeTiff(await opened.readUpTo(0, 16, signal))) return ''
    const reader = await TiffDirectoryReader.open(opened, signal)
    const directory = await reader.readDirectory(reader.header.firstDirectory, signal)
    return directory.texts.get(tiffTags.imageDescription) ?? ''
  })
  const metadata = parseLabelDescription(file, description)
  return metadata === null ? null : { path: file, metadata }
}

async function firstTiff(labelPath: string): Promise<string | null> {
  if (!(await stat(labelPath)).isDirectory()) return labelPath
  const first = (await listSliceFiles(labelPath, tiffSlices.extensions)).at(0)
  return first === undefined ? null : path.join(labelPath, first)
}

/** `labels, slice A_0001`, or the path alone for a single slice of that name. */
export function placeOf(meta: VolumeMeta, z: number): string {
  const name = meta.sliceNames[z] ?? String(z)
  return meta.shape[0] === 1 && meta.path.includes(name) ? meta.path : `${meta.path}, slice ${name}`
}

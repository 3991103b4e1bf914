import { randomUUID } from 'node:crypto'
import type { VolumeImport } from '../../../shared/contract/projects.ts'
import type { VolumeSummary } from '../../../shared/contract/volumes.ts'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import { realPathOrSame, relativeSource } from './project-paths.ts'
import type { StoredProject, StoredVolume } from './project-schema.ts'

/**
 * The list of volumes of a project and what may happen to it. Functions return a new project; none touches a source.
 */

/** Adds a source; one that was removed earlier comes back with its id, and so with its labels. Throws `BadInput` when it is there. */
export async function addVolume(
  folder: string,
  project: StoredProject,
  wanted: VolumeImport,
  summary: VolumeSummary,
): Promise<{ project: StoredProject; volumeId: string }> {
  const place = await realPathOrSame(wanted.path)
  for (const volume of project.volumes)
    if (isSameSource(volume, summary, wanted) && (await realPathOrSame(volume.path)) === place)
      throw badInput(
        wanted.path,
        'a volume that the project does not have yet',
        `"${volume.name}", which is the same`,
      )
  let earlier: StoredVolume | undefined
  for (const volume of project.removedVolumes)
    if (isSameSource(volume, summary, wanted) && (await realPathOrSame(volume.path)) === place)
      earlier = volume
  const added: StoredVolume = {
    ...earlier,
    ...wanted,
    id: earlier?.id ?? randomUUID(),
    relativePath: relativeSource(folder, wanted.path),
    addedAt: new Date().toISOString(),
    summary,
  }
  return {
    volumeId: added.id,
    project: {
      ...project,
      volumes: [...project.volumes, added],
      removedVolumes: project.removedVolumes.filter((volume) => volume !== earlier),
    },
  }
}

/**
 * @param summary of the source when `change` names another place or header, else `null`
 * Throws `NotFound` for an id that the project does not have.
 */
export function updateVolume(
  folder: string,
  project: StoredProject,
  volumeId: string,
  change: Partial<VolumeImport>,
  summary: VolumeSummary | null,
): StoredProject {
  const volume = requireVolume(folder, project, volumeId)
  const changed: StoredVolume = {
    ...volume,
    ...change,
    relativePath: change.path === undefined ? volume.relativePath : relativeSource(folder, change.path),
    summary: summary ?? volume.summary,
  }
  return { ...project, volumes: project.volumes.map((each) => (each === volume ? changed : each)) }
}

/** Its labels stay, and its entry too, out of sight. Throws `NotFound`. */
export function removeVolume(folder: string, project: StoredProject, volumeId: string): StoredProject {
  const volume = requireVolume(folder, project, volumeId)
  return {
    ...project,
    volumes: project.volumes.filter((each) => each !== volume),
    removedVolumes: [...project.removedVolumes, volume],
  }
}

/** What differs from how the source was when it was added, as a sentence; `null` when it still fits its labels. */
export function describeChange(then: VolumeSummary, now: VolumeSummary): string | null {
  const was = `${then.shape.join(' × ')} ${then.dtype}`
  const is = `${now.shape.join(' × ')} ${now.dtype}`
  return was === is
    ? null
    : `The source has changed: it was ${was} (z, y, x) when it was added and is ${is} now. Its labels would not fit; add it as a new volume.`
}

function isSameSource(volume: StoredVolume, summary: VolumeSummary, wanted: VolumeImport): boolean {
  return (
    describeChange(volume.summary, summary) === null &&
    JSON.stringify(volume.raw) === JSON.stringify(wanted.raw)
  )
}

function requireVolume(folder: string, project: StoredProject, volumeId: string): StoredVolume {
  const volume = project.volumes.find(({ id }) => id === volumeId)
  if (volume === undefined)
    throw new PhasemarkError('NotFound', `${folder}: no volume ${volumeId} in this project`, { path: folder })
  return volume
}

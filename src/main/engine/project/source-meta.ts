import type { ProjectVolume } from '../../../shared/contract/projects.ts'
import { badInput } from '../../../shared/errors.ts'
import type { Shape3, VolumeMeta } from '../../../shared/volume.ts'
import { openOptionsOf } from '../view/inspect-volume.ts'
import { openVolumeInThread } from '../volume/volume-thread.ts'

/**
 * Metadata of a volume of the project with the names of its slices; headers only.
 * Throws as `openVolume`, and `BadInput` when the source has another shape than its labels.
 */
export async function readSourceMeta(
  volume: ProjectVolume,
  shape: Shape3,
  signal: AbortSignal,
): Promise<VolumeMeta> {
  const source = await openVolumeInThread(volume.path, { ...openOptionsOf(volume.raw), signal })
  await source.close()
  const { meta } = source
  if (meta.shape.some((extent, axis) => extent !== shape[axis]))
    throw badInput(
      volume.path,
      `${shape.join(' × ')} voxels (z, y, x) like the labels of "${volume.name}"`,
      meta.shape.join(' × '),
    )
  return meta
}

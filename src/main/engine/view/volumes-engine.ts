import type { Emit, ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { volumesService } from '../../../shared/contract/volumes.ts'
import type { JobRunner } from '../jobs/job-runner.ts'
import type { ProjectHolder } from '../project/project-holder.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import type { FolderMemory } from './folder-memory.ts'
import type { LayoutLimits } from './pyramid/layout.ts'

/** What `createVolumesService` (volumes-service.ts) needs from the process that it runs in. */
export interface VolumesServiceOptions {
  project: ProjectHolder
  emit: Emit<typeof volumesService>
  jobs: JobRunner
  /** Per-user cache; pyramids lie in `pyramids/` below it. Need not exist and may be deleted at any time. */
  cacheFolder: string
  /** Bytes that all pyramids together may take on the disk; those unused longest make room for new ones. */
  cacheLimitBytes: number
  /** Bytes of decoded slices kept in memory for all volumes; default 256 MiB, never more than a quarter of the memory. */
  memoryCacheBytes?: number
  /** Bytes of the cache's disk that stay free; default 5 GiB. */
  cacheMarginBytes?: number
  /** What is known of folders of slices; default: one of its own. */
  memory?: FolderMemory
  /** How pyramids are cut up; for tests, which have small volumes. */
  pyramidLimits?: LayoutLimits
}

/** The `volumes` service and what other parts of the same process use of it. */
export interface VolumesEngine {
  readonly implementation: ServiceImplementation<typeof volumesService>
  /**
   * The voxels of a volume of the open project, through the cache that the planes use; opens the volume when it is not.
   * `close` of the answer does nothing: the volume stays open until the service closes it, and reads after that reject.
   * Throws what `volumes.open` throws.
   */
  source(volumeId: string): Promise<VolumeSource>
  /** Closes all volumes; pyramids that are being built stop where they are and go on the next time. */
  close(): Promise<void>
}

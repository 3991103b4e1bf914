import path from 'node:path'
import { dataContract } from '../../../shared/contract/contract.ts'
import type { CallContext } from '../../../shared/contract/definition.ts'
import { serveContract } from '../../../shared/contract/transport/serve-contract.ts'
import type { LabelsService } from '../../engine/annotation/interfaces.ts'
import { createLabelsService } from '../../engine/annotation/labels-service.ts'
import { createJobRunner } from '../../engine/jobs/create-job-runner.ts'
import type { JobService } from '../../engine/jobs/create-job-runner.ts'
import { openJobRecord } from '../../engine/jobs/job-record.ts'
import { exportLabels } from '../../engine/project/label-export.ts'
import { importLabels } from '../../engine/project/label-import.ts'
import { createProjectService } from '../../engine/project/project-service.ts'
import type { ProjectService } from '../../engine/project/projects-engine.ts'
import { createFilesService } from '../../engine/settings/files-service.ts'
import { guardServices } from '../../engine/settings/guard-services.ts'
import { createPathGuard } from '../../engine/settings/path-guard.ts'
import { createSettingsService } from '../../engine/settings/settings-service.ts'
import { createSystemService } from '../../engine/settings/system-service.ts'
import { defaultProjectFolder } from '../../engine/settings/user-folders.ts'
import { createFolderMemory } from '../../engine/view/folder-memory.ts'
import { inspectVolume } from '../../engine/view/inspect-volume.ts'
import type { VolumesEngine } from '../../engine/view/volumes-engine.ts'
import { createVolumesService } from '../../engine/view/volumes-service.ts'
import type { EnginePlaces, EngineServices } from './engine-services.ts'

/**
 * Bytes that the pyramids of all volumes may take in the user's cache: those of four volumes of 2000 × 2048 × 2048 voxels of
 * 16 bits, which are the largest part of it.
 */
const cacheLimitBytes = 64e9

/** For calls between services, which nobody cancels. */
const uncancelled: CallContext = { signal: new AbortController().signal }

/** The services of the data process: projects, volumes, labels and what the window needs of the machine. */
export async function createDataServices(places: EnginePlaces): Promise<EngineServices> {
  const { reportDefect, stateFolder, cacheFolder, roots, hostPid } = places
  const guard = await createPathGuard(roots)
  const defaultFolder = defaultProjectFolder(guard.roots)
  const memory = createFolderMemory()
  let jobs!: JobService
  let projects!: ProjectService
  let volumes!: VolumesEngine
  let labels!: LabelsService

  /** Lets go of all pyramids; a volume opens again when it is looked at. */
  async function closeVolumes(): Promise<void> {
    const project = await projects.implementation.current({}, uncancelled)
    for (const { id } of project?.volumes ?? [])
      await volumes.implementation.close({ volumeId: id }, uncancelled)
  }

  const server = serveContract(
    dataContract,
    (emitter) => {
      jobs = createJobRunner({
        emit: emitter('jobs'),
        reportDefect,
        record: openJobRecord(path.join(stateFolder, 'jobs'), 'data', hostPid),
      })
      projects = createProjectService({
        emit: emitter('projects'),
        stateFolder,
        defaultFolder,
        inspect: (source, raw, options) => inspectVolume(source, raw, { ...options, memory }),
        memory,
        labelSummary: (volumeId) => labels.summary(volumeId),
        startImport: (request) => Promise.resolve(labels.implementation.startImport(request, uncancelled)),
        guard,
      })
      volumes = createVolumesService({
        project: projects.holder,
        emit: emitter('volumes'),
        jobs: jobs.runner,
        cacheFolder,
        cacheLimitBytes,
        memory,
      })
      labels = createLabelsService({
        project: projects.holder,
        source: (volumeId) => volumes.source(volumeId),
        emit: emitter('labels'),
        jobs: jobs.runner,
        // What is taken up again was asked of an earlier process, which may have had other roots: judged anew.
        async importLabels(target, request, options) {
          await guard.check(request.path)
          const summary = await importLabels(target, request, options)
          // Totals in the list of volumes.
          await projects.refresh()
          return summary
        },
        async exportLabels(target, request, options) {
          await guard.check(request.path)
          return await exportLabels(target, request, options)
        },
      })
      const services = {
        files: createFilesService({ guard }),
        jobs: jobs.implementation,
        labels: labels.implementation,
        projects: projects.implementation,
        settings: createSettingsService({ stateFolder }),
        system: createSystemService({
          cacheFolder,
          cacheLimitBytes,
          diskFolder: () => defaultFolder,
          onClearing: closeVolumes,
        }),
        volumes: volumes.implementation,
      }
      return guardServices(services, guard)
    },
    { reportDefect },
  )
  await jobs.resume(labels.resumers)
  return {
    connect: (channel) => {
      server.connect(channel)
    },
    async close() {
      await jobs.close()
      // Closes labels and volumes with it.
      await projects.close()
      await labels.close()
      await volumes.close()
      server.close()
    },
  }
}

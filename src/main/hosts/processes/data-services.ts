import path from 'node:path'
import { dataContract } from '../../../shared/contract/contract.ts'
import { serveContract } from '../../../shared/contract/transport/serve-contract.ts'
import { createJobRunner } from '../../engine/jobs/create-job-runner.ts'
import type { JobService } from '../../engine/jobs/create-job-runner.ts'
import { openJobRecord } from '../../engine/jobs/job-record.ts'
import { createProjectService } from '../../engine/project/project-service.ts'
import type { ProjectService } from '../../engine/project/projects-engine.ts'
import { createFilesService } from '../../engine/settings/files-service.ts'
import { createPathGuard } from '../../engine/settings/path-guard.ts'
import { createSettingsService } from '../../engine/settings/settings-service.ts'
import { createSystemService } from '../../engine/settings/system-service.ts'
import { defaultProjectFolder } from '../../engine/settings/user-folders.ts'
import { inspectVolume } from '../../engine/view/inspect-volume.ts'
import type { VolumesEngine } from '../../engine/view/volumes-engine.ts'
import { createVolumesService } from '../../engine/view/volumes-service.ts'
import type { EnginePlaces, EngineServices } from './engine-services.ts'

/**
 * Bytes that the pyramids of all volumes may take in the user's cache: those of four volumes of 2000 × 2048 × 2048 voxels of
 * 16 bits, which are the largest part of it.
 */
const cacheLimitBytes = 64e9

const {
  files,
  jobs: jobsContract,
  projects: projectsContract,
  settings,
  system,
  volumes: volumesContract,
} = dataContract
const servedContract = {
  files,
  jobs: jobsContract,
  projects: projectsContract,
  settings,
  system,
  volumes: volumesContract,
}

/** The services of the data process: projects, volumes, labels and what the window needs of the machine. */
export async function createDataServices(places: EnginePlaces): Promise<EngineServices> {
  const { reportDefect, stateFolder, cacheFolder, roots, hostPid } = places
  const guard = await createPathGuard(roots)
  const defaultFolder = defaultProjectFolder(guard.roots)
  let jobs!: JobService
  let projects!: ProjectService
  let volumes!: VolumesEngine
  const server = serveContract(
    servedContract,
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
        inspect: inspectVolume,
        labelSummary: () => Promise.resolve({ labelledSlices: 0, labelledVoxels: 0, bytes: 0 }),
        startImport: () => Promise.resolve(),
        guard,
      })
      volumes = createVolumesService({
        project: projects.holder,
        emit: emitter('volumes'),
        jobs: jobs.runner,
        cacheFolder,
        cacheLimitBytes,
      })
      return {
        files: createFilesService({ guard }),
        jobs: jobs.implementation,
        projects: projects.implementation,
        settings: createSettingsService({ stateFolder }),
        system: createSystemService({
          cacheFolder,
          cacheLimitBytes,
          diskFolder: () => defaultFolder,
        }),
        volumes: volumes.implementation,
      }
    },
    { reportDefect },
  )
  await jobs.resume()
  return {
    connect: (channel) => {
      server.connect(channel)
    },
    async close() {
      await jobs.close()
      await projects.close()
      await volumes.close()
      server.close()
    },
  }
}

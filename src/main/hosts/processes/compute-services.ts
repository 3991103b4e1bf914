import path from 'node:path'
import { computeContract } from '../../../shared/contract/contract.ts'
import { serveContract } from '../../../shared/contract/transport/serve-contract.ts'
import { thisMachine } from '../../engine/compute/device/device-machine.ts'
import { createDeviceService } from '../../engine/compute/device/device-service.ts'
import type { DeviceService } from '../../engine/compute/device/device-service.ts'
import { createJobRunner } from '../../engine/jobs/create-job-runner.ts'
import type { JobService } from '../../engine/jobs/create-job-runner.ts'
import { openJobRecord } from '../../engine/jobs/job-record.ts'
import type { EngineServices, EnginePlaces } from './engine-services.ts'

/** The services of the compute process: everything that needs TensorFlow, which blocks its process while it computes. */
export async function createComputeServices(places: EnginePlaces): Promise<EngineServices> {
  const { reportDefect, stateFolder, hostPid } = places
  let jobs!: JobService
  let device!: DeviceService
  const server = serveContract(
    computeContract,
    (emitter) => {
      jobs = createJobRunner({
        emit: emitter('jobs'),
        reportDefect,
        record: openJobRecord(path.join(stateFolder, 'jobs'), 'compute', hostPid),
        // One device: two jobs at once would only take its memory from each other.
        parallelJobs: 1,
      })
      device = createDeviceService({
        emit: emitter('device'),
        jobs: jobs.runner,
        stateFolder,
        machine: thisMachine,
      })
      return { device: device.implementation, jobs: jobs.implementation }
    },
    { reportDefect },
  )
  await jobs.resume(device.resumers)
  return {
    connect: (channel) => {
      server.connect(channel)
    },
    async close() {
      await jobs.close()
      server.close()
    },
  }
}

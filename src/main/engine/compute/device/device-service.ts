import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Emit, ServiceImplementation } from '../../../../shared/contract/definition.ts'
import { deviceStateSchema } from '../../../../shared/contract/device.ts'
import type { DeviceState, deviceService } from '../../../../shared/contract/device.ts'
import { hasTag } from '../../../../shared/errors.ts'
import { makeFolder, writeFileAtomic } from '../../files/atomic-file.ts'
import { systemErrorCode } from '../../files/system-error.ts'
import type { JobResumers, JobRunner, JobWork } from '../../jobs/job-runner.ts'
import type { ComputeRuntime } from '../runtime/load.ts'
import type { RuntimeStatus } from '../runtime/status.ts'
import { deviceAdvice, deviceChecks } from './describe-device.ts'
import type { DeviceMeasurement, DeviceTestOptions } from './device-test.ts'

/** The parts that load TensorFlow or look at the machine; tests describe other machines with them. */
export interface DeviceMachine {
  status(): Promise<RuntimeStatus>
  /** Throws `RuntimeUnavailable`. */
  load: () => Promise<ComputeRuntime>
  test(runtime: ComputeRuntime, options: DeviceTestOptions): Promise<DeviceMeasurement>
}

export interface DeviceServiceOptions {
  emit: Emit<typeof deviceService>
  jobs: JobRunner
  /** Where the last measurement lies; made when missing. */
  stateFolder: string
  machine: DeviceMachine
}

/** The `device` service and how its jobs are taken up again. */
export interface DeviceService {
  implementation: ServiceImplementation<typeof deviceService>
  resumers: JobResumers
}

const fileName = 'device-test.json'

/** The measurement holds for one device under one TensorFlow only. */
const measuredFileSchema = z.object({
  device: z.string(),
  tensorflowVersion: z.string(),
  measured: deviceStateSchema.shape.measured.unwrap(),
})

/**
 * The `device` service.
 *
 * States: unknown → loading → ready, or → unavailable; asking for the state again tries again, so that it is enough to set the
 * runtime up and to look again.
 */
export function createDeviceService(options: DeviceServiceOptions): DeviceService {
  const { emit, jobs, machine, stateFolder } = options
  const file = path.join(stateFolder, fileName)
  let loaded: ComputeRuntime | null = null
  /** Looked at before TensorFlow is loaded: loading hides graphics cards from this process when they are not used. */
  let status: RuntimeStatus | null = null
  let looking: Promise<DeviceState> | null = null
  let lastTest: Promise<unknown> = Promise.resolve()

  async function describe(
    state: DeviceState['state'],
    problem: DeviceState['problem'] = null,
  ): Promise<DeviceState> {
    status ??= await machine.status()
    const device = loaded?.device ?? null
    return {
      state,
      device,
      problem,
      checks: deviceChecks(status),
      advice: deviceAdvice(status, device),
      measured: device === null ? null : await readMeasured(file, device),
    }
  }

  async function look(): Promise<DeviceState> {
    if (loaded !== null) return await describe('ready')
    status = await machine.status()
    emit('changed', await describe('loading'))
    const found = await load()
    emit('changed', found)
    return found
  }

  async function load(): Promise<DeviceState> {
    try {
      loaded = await machine.load()
    } catch (error) {
      if (!hasTag(error, 'RuntimeUnavailable')) throw error
      return await describe('unavailable', { message: error.message, remedy: error.fields.remedy })
    }
    return await describe('ready')
  }

  async function runTest(runtime: ComputeRuntime, testOptions: DeviceTestOptions): Promise<string> {
    const { tensorflowVersion, name } = runtime.device
    const measurement = await machine.test(runtime, testOptions)
    const measured = { at: new Date().toISOString(), ...measurement }
    await makeFolder(stateFolder)
    await writeFileAtomic(file, `${JSON.stringify({ device: name, tensorflowVersion, measured }, null, 2)}\n`)
    emit('changed', await describe('ready'))
    const { unetVoxelsPerSecond: unet, vgg16VoxelsPerSecond: vgg16 } = measurement
    return `${name} works: UNet ${megavoxels(unet)}, VGG16+NN ${megavoxels(vgg16)}.`
  }

  async function loadForTest(): Promise<ComputeRuntime> {
    status ??= await machine.status()
    return (loaded ??= await machine.load())
  }

  const test: JobWork = async (job) => {
    const runtime = await loadForTest()
    // Two tests at once would measure each other.
    const done = lastTest.then(() => runTest(runtime, job))
    lastTest = done.catch(() => undefined)
    return await done
  }

  return {
    implementation: {
      async state() {
        // Several windows that ask at the same time wait for one look.
        looking ??= look().finally(() => (looking = null))
        return await looking
      },
      async startTest() {
        const { device } = await loadForTest()
        // A test has no state that would be worth keeping: it is run again.
        return {
          jobId: jobs.start({ kind: 'device-test', title: `Testing ${device.name}`, resume: {} }, test),
        }
      },
    },
    resumers: { 'device-test': () => ({ run: test }) },
  }
}

async function readMeasured(
  file: string,
  device: NonNullable<DeviceState['device']>,
): Promise<DeviceState['measured']> {
  let text
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null
    throw error
  }
  const parsed = measuredFileSchema.safeParse(parseJson(text))
  if (!parsed.success) return null
  const { measured, tensorflowVersion } = parsed.data
  return parsed.data.device === device.name && tensorflowVersion === device.tensorflowVersion
    ? measured
    : null
}

/** A damaged file is no measurement; the next test replaces it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function megavoxels(perSecond: number): string {
  return `${(perSecond / 1e6).toFixed(perSecond < 1e7 ? 1 : 0)} Mvoxel/s`
}

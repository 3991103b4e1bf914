import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDeviceService } from '../../../src/main/engine/compute/device/device-service.ts'
import type { DeviceMachine } from '../../../src/main/engine/compute/device/device-service.ts'
import { deviceAdvice, deviceChecks } from '../../../src/main/engine/compute/device/describe-device.ts'
import { testDevice } from '../../../src/main/engine/compute/device/device-test.ts'
import { loadComputeRuntime } from '../../../src/main/engine/compute/runtime/load.ts'
import type { ComputeRuntime } from '../../../src/main/engine/compute/runtime/load.ts'
import type { RuntimeStatus } from '../../../src/main/engine/compute/runtime/status.ts'
import { createJobRunner } from '../../../src/main/engine/jobs/create-job-runner.ts'
import { openJobRecord } from '../../../src/main/engine/jobs/job-record.ts'
import type { JobRunner, JobWork } from '../../../src/main/engine/jobs/job-runner.ts'
import { deviceStateSchema } from '../../../src/shared/contract/device.ts'
import type { DeviceState } from '../../../src/shared/contract/device.ts'
import type { Job } from '../../../src/shared/contract/jobs.ts'
import type { DeviceInfo } from '../../../src/shared/device.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'

const context = { signal: new AbortController().signal }

const cpu: DeviceInfo = {
  kind: 'cpu',
  name: 'Test processor',
  memoryBytes: 8e9,
  tensorflowVersion: '2.21.0',
  addonVersion: '4.22.0',
  reasonNotBetter: 'no NVIDIA driver found',
  threads: 2,
}

function statusOf(options: { driver: boolean; gpuReady: boolean; gpuFolder?: string | null }): RuntimeStatus {
  const { driver, gpuReady, gpuFolder = '/runtime/gpu' } = options
  const made = { sizeBytes: 900_000_000, madeAt: '2026-01-01T00:00:00.000Z' }
  return {
    driver: driver ? { present: true } : { present: false, reason: 'no NVIDIA driver found' },
    variants: [
      { device: 'gpu', ready: gpuReady, folder: gpuFolder, ...made },
      { device: 'cpu', ready: true, folder: '/runtime/cpu', ...made },
    ],
  }
}

describe('advice', () => {
  const none = { driver: false, gpuReady: false }
  it.each([
    [
      'is nothing on a graphics card',
      { driver: true, gpuReady: true },
      { ...cpu, kind: 'gpu' as const },
      null,
    ],
    ['is nothing where there is no runtime for cards', { ...none, gpuFolder: null }, cpu, null],
    ['is to install the driver', none, cpu, /install its driver.*no NVIDIA driver found/],
    ['is to set the runtime up', { driver: true, gpuReady: false }, cpu, /run npm run setup -- --gpu/],
    ['is to look why the card is refused', { driver: true, gpuReady: true }, cpu, /setup -- --check/],
  ] as const)('%s', (_, status, device, expected) => {
    const advice = deviceAdvice(statusOf(status), device)
    if (expected === null) expect(advice).toBeNull()
    else expect(advice).toMatch(expected)
  })

  it('stands beside what was looked for', () => {
    expect(deviceChecks(statusOf({ driver: true, gpuReady: false }))).toEqual([
      { name: 'NVIDIA driver', ok: true, detail: 'found' },
      { name: 'Runtime for the graphics card', ok: false, detail: 'not set up (npm run setup -- --gpu)' },
      { name: 'Runtime for the CPU', ok: true, detail: 'ready, 0.9 GB' },
    ])
  })
})

describe('the device service', () => {
  const root = mkdtempSync(path.join(os.tmpdir(), 'phasemark-device-'))
  let stateFolder: string
  let events: DeviceState[]
  let work: JobWork | null
  let machine: DeviceMachine
  let folders = 0

  beforeEach(() => {
    stateFolder = path.join(root, String(folders++))
    events = []
    work = null
    machine = {
      status: () => Promise.resolve(statusOf({ driver: false, gpuReady: false })),
      load: () => Promise.resolve({ device: cpu } as ComputeRuntime),
      test: () =>
        Promise.resolve({
          unetVoxelsPerSecond: 1_234_567,
          vgg16VoxelsPerSecond: 654_321,
          selfTestSeconds: 4,
        }),
    }
  })
  afterAll(() => {
    rmSync(root, { recursive: true, force: true })
  })

  /** The service over jobs that this file runs itself, unless others are given. */
  const createWhole = (jobs?: JobRunner) =>
    createDeviceService({
      emit: (_, state) => events.push(deviceStateSchema.parse(state)),
      jobs: jobs ?? {
        start: (_, run) => {
          work = run
          return 'e2a3ee10-25cc-4ad4-b0b8-9c62a2b62a40'
        },
      },
      stateFolder,
      machine,
    })
  const create = () => createWhole().implementation
  const runTest = (): Promise<string> => work!({ signal: context.signal, onProgress: () => undefined })

  it('loads the runtime when it is asked, and says so meanwhile', async () => {
    const state = await create().state({}, context)
    expect(events.map((event) => event.state)).toEqual(['loading', 'ready'])
    expect(state).toMatchObject({ state: 'ready', device: cpu, problem: null, measured: null })
  })

  it('loads it once for two that ask at the same time', async () => {
    let loads = 0
    const { load } = machine
    machine.load = () => {
      loads++
      return load()
    }
    const service = create()
    await Promise.all([service.state({}, context), service.state({}, context)])
    await service.state({}, context)
    expect(loads).toBe(1)
  })

  it('says what is missing and how to get it, and looks again when it is asked again', async () => {
    const { load } = machine
    machine.load = () =>
      Promise.reject(new PhasemarkError('RuntimeUnavailable', 'not set up', { remedy: 'npm run setup' }))
    const service = create()
    expect(await service.state({}, context)).toMatchObject({
      state: 'unavailable',
      device: null,
      problem: { message: 'not set up', remedy: 'npm run setup' },
    })
    await expect(service.startTest({}, context)).rejects.toMatchObject({ _tag: 'RuntimeUnavailable' })
    machine.load = load
    expect(await service.state({}, context)).toMatchObject({ state: 'ready', problem: null })
  })

  it('keeps what the test measured for the next process', async () => {
    await create().startTest({}, context)
    expect(await runTest()).toBe('Test processor works: UNet 1.2 Mvoxel/s, VGG16+NN 0.7 Mvoxel/s.')
    expect(events.at(-1)!.measured).toMatchObject({ unetVoxelsPerSecond: 1_234_567 })
    const { measured } = await create().state({}, context)
    expect(measured).toMatchObject({ vgg16VoxelsPerSecond: 654_321, selfTestSeconds: 4 })
  })

  it('does not take the measurement of another device for this one, nor a damaged file', async () => {
    await create().startTest({}, context)
    await runTest()
    const file = path.join(stateFolder, 'device-test.json')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('Test processor', 'Another processor'))
    expect((await create().state({}, context)).measured).toBeNull()
    writeFileSync(file, text.slice(0, 20))
    expect((await create().state({}, context)).measured).toBeNull()
  })

  /** A compute process of this host, with whatever an earlier one has left. */
  const startProcess = async () => {
    const jobs = createJobRunner({
      emit: () => undefined,
      reportDefect: () => undefined,
      record: openJobRecord(path.join(stateFolder, 'jobs'), 'compute', process.pid),
    })
    const device = createWhole(jobs.runner)
    await jobs.resume(device.resumers)
    return { device: device.implementation, list: () => jobs.implementation.list({}, context) as Job[] }
  }

  it('runs a test again whose process died', async () => {
    const measures = machine.test.bind(machine)
    const begun = vi.fn()
    // As when the process ends in the middle of it.
    machine.test = () => {
      begun()
      return new Promise(() => undefined)
    }
    const { jobId } = await (await startProcess()).device.startTest({}, context)
    await vi.waitFor(() => {
      expect(begun).toHaveBeenCalledOnce()
    })
    machine.test = measures
    const next = await startProcess()
    expect(next.list()).toMatchObject([{ id: jobId, title: 'Testing Test processor' }])
    await vi.waitFor(() => {
      expect(next.list()[0].summary).toBe('Test processor works: UNet 1.2 Mvoxel/s, VGG16+NN 0.7 Mvoxel/s.')
    })
    expect((await next.device.state({}, context)).measured).toMatchObject({ selfTestSeconds: 4 })
  })

  it('gives a test up that has ended three processes', async () => {
    let tests = 0
    machine.test = () => {
      tests++
      return new Promise(() => undefined)
    }
    const { jobId } = await (await startProcess()).device.startTest({}, context)
    for (const attempts of [1, 2, 3]) {
      await vi.waitFor(() => {
        expect(tests).toBe(attempts)
      })
      expect((await startProcess()).list()).toMatchObject([
        { id: jobId, state: attempts < 3 ? 'running' : 'failed' },
      ])
    }
    expect(tests).toBe(3)
  })

  it('tells a test as failed when there is no runtime any more', async () => {
    machine.load = () =>
      Promise.reject(new PhasemarkError('RuntimeUnavailable', 'not set up', { remedy: 'npm run setup' }))
    const { run, wait } = createWhole().resumers['device-test']({})
    expect(wait).toBeUndefined()
    await expect(run({ signal: context.signal, onProgress: () => undefined })).rejects.toMatchObject({
      _tag: 'RuntimeUnavailable',
    })
  })

  it('runs two tests one after the other', async () => {
    let running = 0
    let most = 0
    machine.test = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running--
      return { unetVoxelsPerSecond: 1, vgg16VoxelsPerSecond: 1, selfTestSeconds: 1 }
    }
    const service = create()
    await service.startTest({}, context)
    const first = runTest()
    await service.startTest({}, context)
    await Promise.all([first, runTest()])
    expect(most).toBe(1)
  })
})

describe('the device test', () => {
  it('computes with both networks, measures them, and can be cancelled between slices', async () => {
    const runtime = await loadComputeRuntime()
    const stages = new Set<string>()
    const result = await testDevice(runtime, {
      extent: 64,
      slices: 1,
      onProgress: ({ stage }) => stages.add(stage),
    })
    expect([...stages]).toEqual(['testing UNet', 'testing VGG16+NN', 'testing'])
    expect(result.unetVoxelsPerSecond).toBeGreaterThan(1000)
    expect(result.vgg16VoxelsPerSecond).toBeGreaterThan(1000)
    const controller = new AbortController()
    const cancelled = testDevice(runtime, {
      extent: 64,
      slices: 1,
      signal: controller.signal,
      onProgress: () => {
        controller.abort()
      },
    })
    await expect(cancelled).rejects.toMatchObject({ _tag: 'Cancelled' })
  })
})

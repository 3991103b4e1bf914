import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chooseRuntime } from '../../../src/main/engine/compute/runtime/choose.ts'
import type { RuntimeHost } from '../../../src/main/engine/compute/runtime/host.ts'
import { addonPath, markerFile, runtimeRoute } from '../../../src/main/engine/compute/runtime/variant.ts'
import { createFakeMachine } from './fake-machine.ts'
import type { FakeMachine } from './fake-machine.ts'

let machine: FakeMachine
let host: RuntimeHost
beforeEach(() => {
  machine = createFakeMachine()
  host = machine.host
})
afterEach(() => machine.remove())

function put(file: string, text = 'x'): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function giveDriver(): void {
  put(path.join(host.rootFolder, 'dev/nvidia0'))
  put(path.join(host.rootFolder, 'usr/lib64/libcuda.so.1'))
}

/** Puts a complete variant into the cache; returns the path of its addon. */
function setUp(device: 'gpu' | 'cpu'): string {
  const route = runtimeRoute(host, device)
  if (route.kind !== 'wheels') throw new Error('expected wheels')
  const addon = path.join(route.variant.folder, addonPath)
  put(addon)
  const marker = {
    schema: 1,
    variant: route.variant.name,
    device,
    tensorflowVersion: '2.21.0',
    addonVersion: '4.22.0',
    compiler: 'g++',
    madeAt: '2026-01-01T00:00:00.000Z',
    wheels: [],
    files: [{ path: addonPath, bytes: 1 }],
  }
  put(markerFile(route.variant.folder), JSON.stringify(marker))
  return addon
}

describe('without a graphics card', () => {
  it('takes the CPU and says why', async () => {
    const addonFile = setUp('cpu')
    expect(await chooseRuntime('auto', host)).toEqual({
      addonFile,
      useGpu: false,
      reasonNotBetter: 'no NVIDIA driver found',
    })
  })

  it('computes on the CPU with the CUDA build when that is all there is', async () => {
    const addonFile = setUp('gpu')
    expect(await chooseRuntime('auto', host)).toMatchObject({ addonFile, useGpu: false })
  })

  it('refuses the wish for a card, naming what is missing', async () => {
    setUp('cpu')
    setUp('gpu')
    await expect(chooseRuntime('gpu', host)).rejects.toMatchObject({
      _tag: 'RuntimeUnavailable',
      message: 'a graphics card was asked for, but no NVIDIA driver found',
    })
  })

  it('names the command when nothing is set up', async () => {
    await expect(chooseRuntime('auto', host)).rejects.toMatchObject({
      _tag: 'RuntimeUnavailable',
      fields: { remedy: 'npm run setup' },
    })
  })
})

describe('with a graphics card', () => {
  beforeEach(giveDriver)

  it('takes it', async () => {
    setUp('cpu')
    const addonFile = setUp('gpu')
    expect(await chooseRuntime('auto', host)).toEqual({ addonFile, useGpu: true, reasonNotBetter: null })
    expect(await chooseRuntime('gpu', host)).toMatchObject({ useGpu: true })
  })

  it('leaves it when the CPU is asked for, and says so', async () => {
    setUp('gpu')
    const addonFile = setUp('cpu')
    expect(await chooseRuntime('cpu', host)).toEqual({
      addonFile,
      useGpu: false,
      reasonNotBetter: 'the CPU was asked for',
    })
  })

  it('says that its runtime is not set up, and refuses when it was asked for', async () => {
    setUp('cpu')
    expect(await chooseRuntime('auto', host)).toMatchObject({
      useGpu: false,
      reasonNotBetter: 'the runtime for the graphics card is not set up (npm run setup -- --gpu)',
    })
    await expect(chooseRuntime('gpu', host)).rejects.toMatchObject({
      _tag: 'RuntimeUnavailable',
      fields: { remedy: 'npm run setup -- --gpu' },
    })
  })

  it('says that there is no TensorFlow for it on ARM', async () => {
    host = { ...host, arch: 'arm64' }
    setUp('cpu')
    expect(await chooseRuntime('auto', host)).toMatchObject({
      useGpu: false,
      reasonNotBetter: 'there is no TensorFlow for graphics cards on Linux arm64',
    })
    await expect(chooseRuntime('gpu', host)).rejects.toMatchObject({ _tag: 'RuntimeUnavailable' })
  })
})

it('loads the addon inside the package where its own installer put it', async () => {
  host = { ...host, platform: 'darwin' }
  await expect(chooseRuntime('auto', host)).rejects.toMatchObject({ _tag: 'RuntimeUnavailable' })
  const addonFile = path.join(host.addonPackageFolder, 'lib/napi-v8/tfjs_binding.node')
  put(addonFile)
  expect(await chooseRuntime('auto', host)).toEqual({
    addonFile,
    useGpu: false,
    reasonNotBetter: 'macOS has no NVIDIA driver',
  })
})

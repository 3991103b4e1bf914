import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planSetup, setUpRuntime } from '../../../src/main/engine/compute/runtime/setup.ts'
import { runtimeStatus } from '../../../src/main/engine/compute/runtime/status.ts'
import type { Wheel } from '../../../src/main/engine/compute/runtime/wheels.ts'
import { createFakeMachine, cudaRules, fakePip, tensorflowMembers } from './fake-machine.ts'
import type { FakeMachine } from './fake-machine.ts'

let machine: FakeMachine
let wheel: Wheel
beforeEach(() => {
  machine = createFakeMachine()
  wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
})
afterEach(() => machine.remove())

const proof = { values: [37, 47, 67, 77], tensorflowVersion: '2.21.0', usesGpu: false }

describe('setup for the graphics card', () => {
  const addCublas = () =>
    machine.addWheel(
      'nvidia-cublas-cu12',
      { 'nvidia/cublas/lib/libcublas.so.12': 'B'.repeat(9_000), 'nvidia/cublas/include/cublas.h': 'no' },
      cudaRules,
    )

  it('lays out CUDA beside TensorFlow and says that there is no card to try', async () => {
    const cublas = addCublas()
    const route = machine.route('gpu', [wheel, cublas])
    const notes: string[] = []
    const expected: boolean[] = []
    const downloaded: number[] = []
    // Slow enough for looks at the unfinished files to come in between.
    machine.program('python3', fakePip(path.join(machine.folder, 'index'), 0.6))
    const result = await setUpRuntime({
      device: 'gpu',
      host: machine.host,
      route,
      onProgress: ({ stage, done, total }) => {
        if (stage !== 'downloading') return
        expect(total).toBe(wheel.sizeBytes + cublas.sizeBytes)
        downloaded.push(done)
      },
      onNote: (sentence) => notes.push(sentence),
      prove: (_addon, expectGpu) => {
        expected.push(expectGpu)
        return Promise.resolve(proof)
      },
    })
    expect(result).toMatchObject({
      outcome: 'made',
      device: 'gpu',
      reasonNotBetter: 'no NVIDIA driver found',
    })
    expect(expected).toEqual([false])
    expect(notes[0]).toContain('no NVIDIA driver found')
    expect(downloaded).toEqual(downloaded.toSorted((a, b) => a - b))
    expect(downloaded.at(-1)).toBe(wheel.sizeBytes + cublas.sizeBytes)
    const cuda = path.join(route.variant.folder, 'deps/nvidia')
    expect(readdirSync(cuda, { recursive: true }).map(String).sort()).toEqual([
      'cublas',
      'cublas/lib',
      'cublas/lib/libcublas.so.12',
      'cublas/lib/libcusolver.so.11',
      'nvrtc',
    ])
    // The two places where run paths and wheels do not agree.
    expect(readlinkSync(path.join(cuda, 'cublas/lib/libcusolver.so.11'))).toBe(
      '../../cusolver/lib/libcusolver.so.11',
    )
    expect(readlinkSync(path.join(cuda, 'nvrtc'))).toBe('cuda_nvrtc')
    expect(existsSync(path.join(route.variant.folder, 'deps/lib/libtensorflow_cc.so.2'))).toBe(true)
  })

  it('is what a machine with a driver gets, and its proof has to run on the card', async () => {
    for (const name of ['dev/nvidia0', 'usr/lib64/libcuda.so.1']) {
      mkdirSync(path.dirname(path.join(machine.host.rootFolder, name)), { recursive: true })
      writeFileSync(path.join(machine.host.rootFolder, name), '')
    }
    expect(await planSetup({ host: machine.host })).toMatchObject({
      device: 'gpu',
      reasonNotBetter: null,
      ready: false,
    })
    expect(await planSetup({ host: machine.host, device: 'cpu' })).toMatchObject({ device: 'cpu' })
    const expected: boolean[] = []
    await setUpRuntime({
      host: machine.host,
      route: machine.route('gpu', [wheel, addCublas()]),
      prove: (_addon, expectGpu) => {
        expected.push(expectGpu)
        return Promise.resolve({ ...proof, usesGpu: true })
      },
    })
    expect(expected).toEqual([true])
  })

  it('is refused on ARM, where there is no such TensorFlow', async () => {
    await expect(
      setUpRuntime({ device: 'gpu', host: { ...machine.host, arch: 'arm64' } }),
    ).rejects.toMatchObject({ _tag: 'RuntimeUnavailable' })
  })
})

describe("the package's own installer", () => {
  const script = (text: string) => {
    mkdirSync(path.join(machine.host.addonPackageFolder, 'scripts'), { recursive: true })
    writeFileSync(path.join(machine.host.addonPackageFolder, 'scripts/install.js'), text)
  }
  const addon = () => path.join(machine.host.addonPackageFolder, 'lib/napi-v8/tfjs_binding.node')
  const install = (device: 'auto' | 'cpu' = 'auto', proves = true) =>
    setUpRuntime({
      device,
      host: { ...machine.host, platform: 'darwin' },
      prove: () => (proves ? Promise.resolve(proof) : Promise.reject(new Error('does not load'))),
    })
  const delivering = `
    const fs = require('fs')
    fs.mkdirSync('lib/napi-v8', { recursive: true })
    fs.writeFileSync('lib/napi-v8/tfjs_binding.node', process.argv.slice(2).join(' '))
    fs.writeFileSync('path.txt', process.env.PATH)`

  it('is run as npm would have run it, once', async () => {
    script(delivering)
    expect(await install()).toMatchObject({ outcome: 'made', folder: machine.host.addonPackageFolder })
    expect(readFileSync(addon(), 'utf8')).toBe('cpu download')
    expect(readFileSync(path.join(machine.host.addonPackageFolder, 'path.txt'), 'utf8')).toContain(
      path.join('node_modules', '.bin'),
    )
    script('process.exit(1)')
    expect(await install()).toMatchObject({ outcome: 'ready' })
  })

  it('is quoted when it fails', async () => {
    script('console.error("could not reach the server"); process.exit(7)')
    await expect(install()).rejects.toMatchObject({
      _tag: 'RuntimeUnavailable',
      message: expect.stringMatching(/exit code 7[\s\S]*could not reach the server/) as string,
    })
  })

  it('is not believed when it delivers nothing', async () => {
    script('')
    await expect(install()).rejects.toMatchObject({ _tag: 'RuntimeUnavailable' })
  })

  it('leaves no addon that does not load', async () => {
    script(delivering)
    await expect(install('cpu', false)).rejects.toThrow('does not load')
    expect(existsSync(addon())).toBe(false)
  })
})

describe('status', () => {
  it('says what is ready and changes nothing', async () => {
    const before = await runtimeStatus(machine.host)
    expect(before.driver).toEqual({ present: false, reason: 'no NVIDIA driver found' })
    expect(before.variants.map(({ device, ready }) => [device, ready])).toEqual([
      ['gpu', false],
      ['cpu', false],
    ])
    expect(existsSync(machine.cache)).toBe(false)
  })

  it('knows of no card on ARM', async () => {
    const { variants } = await runtimeStatus({ ...machine.host, arch: 'arm64' })
    expect(variants[0]).toMatchObject({ device: 'gpu', ready: false, folder: null })
  })
})

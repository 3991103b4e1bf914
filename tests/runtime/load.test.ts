import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { deviceInfoSchema } from '../../src/shared/device.ts'
import { loadComputeRuntime } from '../../src/main/engine/compute/runtime/load.ts'
import { detectNvidiaDriver } from '../../src/main/engine/compute/runtime/nvidia.ts'
import { currentHost } from '../../src/main/engine/compute/runtime/host.ts'
import { proveCudaLayout } from '../../src/main/engine/compute/runtime/prove-cuda.ts'
import { proveAddon } from '../../src/main/engine/compute/runtime/prove.ts'
import { addonPath, runtimeRoute } from '../../src/main/engine/compute/runtime/variant.ts'
import { convolutionResult, lastJson, run, testFolder } from './processes.ts'

const script = path.join(testFolder, 'convolution-main.mjs')
const driver = detectNvidiaDriver(currentHost())

it('loads once per process, computes natively and describes its device', async () => {
  const runtime = await loadComputeRuntime({ device: 'cpu' })
  expect(await loadComputeRuntime()).toBe(runtime)
  expect(await loadComputeRuntime({ device: 'cpu' })).toBe(runtime)
  const { tf, backend, device, versions } = runtime
  expect(tf.getBackend()).toBe('tensorflow')
  expect(deviceInfoSchema.parse(device)).toEqual(device)
  expect(device).toMatchObject({
    kind: 'cpu',
    tensorflowVersion: '2.21.0',
    addonVersion: '4.22.0',
    reasonNotBetter: 'the CPU was asked for',
  })
  expect(device.threads).toBeLessThanOrEqual(os.cpus().length)
  expect(device.memoryBytes).toBeLessThanOrEqual(os.totalmem())
  expect(versions).toEqual({
    tfjs: '4.22.0',
    tensorflow: '2.21.0',
    addon: '4.22.0',
    node: process.versions.node,
  })

  const before = backend.getNumOfTFTensors()
  const sum = tf.tidy(() => {
    const a = tf.tensor1d([1, 2])
    // An operation by its own name, as the engine calls those that TensorFlow.js lacks.
    const type = { name: 'T', type: backend.binding.TF_ATTR_TYPE, value: backend.binding.TF_FLOAT }
    return [...backend.executeSingleOutput('AddV2', [type], [a, a]).dataSync()]
  })
  expect(sum).toEqual([2, 4])
  expect(backend.getNumOfTFTensors()).toBe(before)
})

it('refuses another device once it is loaded', async () => {
  await loadComputeRuntime({ device: 'cpu' })
  await expect(loadComputeRuntime({ device: 'gpu' })).rejects.toMatchObject({ _tag: 'WrongUsage' })
})

it('says nothing on a healthy start', async () => {
  const { code, stdout, stderr } = await run(process.execPath, [script])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(lastJson(stdout)).toMatchObject(convolutionResult)
})

it('says all that TensorFlow says when asked to', async () => {
  const { stderr } = await run(process.execPath, [script], { TF_CPP_MIN_LOG_LEVEL: '0' })
  expect(stderr).toContain('oneDNN')
})

it('takes the number of threads from the variable of TensorFlow', async () => {
  const { stdout } = await run(process.execPath, [script], { TF_NUM_INTRAOP_THREADS: '1' })
  expect(lastJson(stdout)['device']).toMatchObject({ threads: 1 })
})

it('names the command when the runtime is not set up', async () => {
  const cache = mkdtempSync(path.join(os.tmpdir(), 'phasemark-empty-'))
  try {
    const { code, stderr } = await run(process.execPath, [script], { PHASEMARK_CACHE: cache })
    expect(code).not.toBe(0)
    expect(stderr).toContain("_tag: 'RuntimeUnavailable'")
    expect(stderr).toContain("remedy: 'npm run setup'")
  } finally {
    rmSync(cache, { recursive: true })
  }
})

it.skipIf(driver.present)('refuses a graphics card that is not there, without falling back', async () => {
  const program = `import(${JSON.stringify(new URL('../../dist/main/engine/compute/runtime/load.js', import.meta.url).href)})
    .then(({ loadComputeRuntime }) => loadComputeRuntime({ device: 'gpu' }))`
  const { code, stderr } = await run(process.execPath, ['-e', program])
  expect(code).not.toBe(0)
  expect(stderr).toContain('a graphics card was asked for')
})

it.runIf(driver.present)('computes on the graphics card of this machine', async () => {
  const program = `import(${JSON.stringify(new URL('../../dist/main/engine/compute/runtime/load.js', import.meta.url).href)})
    .then(({ loadComputeRuntime }) => loadComputeRuntime({ device: 'gpu' }))
    .then(({ tf, device }) => console.log(JSON.stringify({ device, sum: tf.ones([1000]).sum().dataSync()[0] })))`
  const { code, stdout, stderr } = await run(process.execPath, ['-e', program])
  expect(code, stderr).toBe(0)
  expect(lastJson(stdout)).toMatchObject({ device: { kind: 'gpu', reasonNotBetter: null }, sum: 1000 })
})

it('proves an addon in a process of its own, and refuses one that does not load', async () => {
  const host = currentHost()
  const route = runtimeRoute(host, 'cpu')
  if (route.kind !== 'wheels') throw new Error(`expected wheels on this platform, found ${route.kind}`)
  const proof = await proveAddon(path.join(route.variant.folder, addonPath), false, host)
  expect(proof).toEqual({ values: [37, 47, 67, 77], tensorflowVersion: '2.21.0', usesGpu: false })
  await expect(proveAddon('/nowhere/tfjs_binding.node', false, host)).rejects.toMatchObject({
    _tag: 'RuntimeUnavailable',
    message: expect.stringMatching(/does not load[\s\S]*\/nowhere\/tfjs_binding\.node/) as string,
  })
})

it('recognises a runtime without its CUDA libraries, naming what TensorFlow misses', async () => {
  // The build for the CPU carries the same check and has none of the libraries.
  const host = currentHost()
  const route = runtimeRoute(host, 'cpu')
  if (route.kind !== 'wheels') throw new Error(`expected wheels on this platform, found ${route.kind}`)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-cuda-'))
  try {
    symlinkSync(path.join(route.variant.folder, 'deps'), path.join(folder, 'deps'))
    await expect(proveCudaLayout(folder, 'g++', host)).rejects.toMatchObject({
      _tag: 'RuntimeUnavailable',
      message: expect.stringMatching(/Could not load dynamic library 'libcudnn\.so'/) as string,
    })
    expect(readdirSync(folder)).toEqual(['deps'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

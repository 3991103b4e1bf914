import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { extractWheel, sha256OfFile } from '../../../src/main/engine/compute/runtime/wheel-archive.ts'
import type { Wheel } from '../../../src/main/engine/compute/runtime/wheels.ts'
import { createFakeMachine, cudaRules, tensorflowMembers } from './fake-machine.ts'
import type { FakeMachine } from './fake-machine.ts'

let machine: FakeMachine
beforeEach(() => (machine = createFakeMachine()))
afterEach(() => machine.remove())

const fileOf = (wheel: Wheel) => path.join(machine.folder, 'index', wheel.fileName)
const target = () => path.join(machine.folder, 'target')

it('takes the members that the rules name, whole, and nothing else', async () => {
  const wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
  const seen: number[] = []
  const written = await extractWheel(fileOf(wheel), wheel, target(), {
    onProgress: ({ done, total, unit }) => {
      expect([total, unit]).toEqual([wheel.unpackedBytes, 'bytes'])
      seen.push(done)
    },
  })
  expect(written.toSorted()).toEqual([
    'deps/include/tensorflow/c/c_api.h',
    'deps/include/tensorflow/c/eager/c_api.h',
    'deps/include/tensorflow/core/platform/ctstring.h',
    'deps/include/tsl/platform/ctstring_internal.h',
    'deps/include/xla/tsl/c/tsl_status.h',
    'deps/lib/libtensorflow_cc.so.2',
    'deps/lib/libtensorflow_framework.so.2',
  ])
  expect(readFileSync(path.join(target(), 'deps/lib/libtensorflow_cc.so.2'), 'utf8')).toBe(
    tensorflowMembers['tensorflow/libtensorflow_cc.so.2'],
  )
  expect(readdirSync(target())).toEqual(['deps'])
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  expect(seen.at(-1)).toBe(wheel.unpackedBytes)
})

it('makes the assembler of CUDA executable', async () => {
  const wheel = machine.addWheel('nvidia-cuda-nvcc-cu12', { 'nvidia/cuda_nvcc/bin/ptxas': 'x' }, cudaRules)
  await extractWheel(fileOf(wheel), wheel, target())
  expect(statSync(path.join(target(), 'deps/nvidia/cuda_nvcc/bin/ptxas')).mode & 0o777).toBe(0o755)
})

it.each(['../evil', '/evil', 'a/../../evil'])('refuses an archive with a member named %s', async (name) => {
  const everything = [{ pattern: /^(.*)$/s, target: '$1' }]
  const wheel = machine.addWheel('tensorflow', { [name]: 'x' }, everything)
  await expect(extractWheel(fileOf(wheel), wheel, target())).rejects.toMatchObject({ _tag: 'BadInput' })
  expect(existsSync(path.join(machine.folder, 'evil'))).toBe(false)
  expect(existsSync('/evil')).toBe(false)
})

it('confines members even when a rule would lead out', async () => {
  const wheel = machine.addWheel('tensorflow', { evil: 'x' }, [{ pattern: /^evil$/, target: '../evil' }])
  await expect(extractWheel(fileOf(wheel), wheel, target())).rejects.toMatchObject({
    _tag: 'BadInput',
    fields: { found: '../evil, which leads out of it' },
  })
  expect(existsSync(path.join(machine.folder, 'evil'))).toBe(false)
})

it('writes no more than announced', async () => {
  const wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
  const modest = { ...wheel, unpackedBytes: 60_000 }
  await expect(extractWheel(fileOf(wheel), modest, target())).rejects.toMatchObject({
    _tag: 'BadInput',
    fields: { expected: '60000 bytes to unpack' },
  })
})

it('misses what is announced and not there', async () => {
  const wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
  const greedy = { ...wheel, unpackedBytes: wheel.unpackedBytes + 1 }
  await expect(extractWheel(fileOf(wheel), greedy, target())).rejects.toMatchObject({ _tag: 'BadInput' })
})

it('names the file when the archive is cut short or damaged inside', async () => {
  const wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
  const whole = readFileSync(fileOf(wheel))
  truncateSync(fileOf(wheel), whole.length - 30)
  await expect(extractWheel(fileOf(wheel), wheel, target())).rejects.toMatchObject({
    _tag: 'BadInput',
    fields: { path: fileOf(wheel) },
  })
  // The first member's data begins after its header; a run of 0xff is no deflate stream.
  const damaged = Buffer.from(whole)
  const member = damaged.indexOf('libtensorflow_cc.so.2')
  damaged.fill(0xff, member + 21, member + 60)
  writeFileSync(fileOf(wheel), damaged)
  await expect(extractWheel(fileOf(wheel), wheel, path.join(machine.folder, 'other'))).rejects.toMatchObject({
    _tag: 'BadInput',
    fields: { path: fileOf(wheel) },
  })
})

it('stops on request', async () => {
  const wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
  const controller = new AbortController()
  const onProgress = () => controller.abort()
  await expect(
    extractWheel(fileOf(wheel), wheel, target(), { signal: controller.signal, onProgress }),
  ).rejects.toMatchObject({ _tag: 'Cancelled' })
})

it('computes SHA-256 as Node does in one go', async () => {
  const file = path.join(machine.folder, 'bytes')
  const bytes = Buffer.alloc(3_000_000, 'phasemark')
  writeFileSync(file, bytes)
  expect(await sha256OfFile(file)).toBe(createHash('sha256').update(bytes).digest('hex'))
})

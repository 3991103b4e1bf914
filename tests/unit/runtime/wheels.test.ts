import { describe, expect, it } from 'vitest'
import { wheelsFor } from '../../../src/main/engine/compute/runtime/wheels.ts'
import type { Wheel } from '../../../src/main/engine/compute/runtime/wheels.ts'

const gpu = wheelsFor('gpu', 'linux', 'x64')!
const cpu = wheelsFor('cpu', 'linux', 'x64')!

function placeOf(wheel: Wheel, member: string): string | null {
  const rule = wheel.take.find(({ pattern }) => pattern.test(member))
  return rule === undefined ? null : member.replace(rule.pattern, rule.target)
}

/** Numbers of a version, for comparing; wheels here have no pre-releases. */
function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

describe('choice of wheels', () => {
  it.each([
    ['cpu', 'linux', 'x64', ['tensorflow-cpu']],
    ['cpu', 'linux', 'arm64', ['tensorflow']],
    ['gpu', 'linux', 'arm64', null],
    ['cpu', 'linux', 'riscv64', null],
    ['cpu', 'darwin', 'arm64', null],
    ['gpu', 'win32', 'x64', null],
  ] as const)('%s on %s %s', (device, platform, arch, projects) => {
    const wheels = wheelsFor(device, platform, arch)
    expect(wheels?.map(({ project }) => project) ?? null).toEqual(projects)
  })

  it('takes TensorFlow first and then every part that its extra and-cuda names, within the stated range', () => {
    // `Requires-Dist` lines with `extra == "and-cuda"` in the METADATA of tensorflow 2.21.0, x86_64.
    const ranges: Record<string, [from: string, below: string]> = {
      'nvidia-cublas-cu12': ['12.5.3.2', '13.0'],
      'nvidia-cuda-cupti-cu12': ['12.5.82', '13.0'],
      'nvidia-cuda-nvcc-cu12': ['12.5.82', '13.0'],
      'nvidia-cuda-nvrtc-cu12': ['12.5.82', '13.0'],
      'nvidia-cuda-runtime-cu12': ['12.5.82', '13.0'],
      'nvidia-cudnn-cu12': ['9.3.0.75', '10.0'],
      'nvidia-cufft-cu12': ['11.2.3.61', '12.0'],
      'nvidia-curand-cu12': ['10.3.6.82', '11.0'],
      'nvidia-cusolver-cu12': ['11.6.3.83', '12.0'],
      'nvidia-cusparse-cu12': ['12.5.1.3', '13.0'],
      'nvidia-nccl-cu12': ['2.27.7', '3.0'],
      'nvidia-nvjitlink-cu12': ['12.5.82', '13.0'],
    }
    expect(gpu[0]).toMatchObject({ project: 'tensorflow', version: '2.21.0' })
    expect(gpu.slice(1).map(({ project }) => project)).toEqual(Object.keys(ranges))
    for (const { project, version } of gpu.slice(1)) {
      const [from, below] = ranges[project]
      expect(compare(version, from), `${project} ${version}`).toBeGreaterThanOrEqual(0)
      expect(compare(version, below), `${project} ${version}`).toBeLessThan(0)
    }
  })

  it.each([...cpu, ...gpu, ...wheelsFor('cpu', 'linux', 'arm64')!])('pins $fileName completely', (wheel) => {
    expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(wheel.fileName).toContain(`${wheel.project.replaceAll('-', '_')}-${wheel.version}-`)
    for (const platform of wheel.platforms) expect(wheel.fileName).toContain(platform)
    // A wheel is a compressed archive; the parts left out are headers, scripts and notices.
    expect(wheel.unpackedBytes).toBeGreaterThan(wheel.sizeBytes / 2)
  })
})

describe('layout', () => {
  it.each([
    ['tensorflow/libtensorflow_cc.so.2', 'deps/lib/libtensorflow_cc.so.2'],
    ['tensorflow/libtensorflow_framework.so.2', 'deps/lib/libtensorflow_framework.so.2'],
    ['tensorflow/include/tensorflow/c/eager/c_api.h', 'deps/include/tensorflow/c/eager/c_api.h'],
    ['tensorflow/include/tsl/platform/ctstring_internal.h', 'deps/include/tsl/platform/ctstring_internal.h'],
    ['tensorflow/include/xla/tsl/c/tsl_status.h', 'deps/include/xla/tsl/c/tsl_status.h'],
    ['tensorflow/include/tensorflow/core/framework/op.h', null],
    ['tensorflow/python/lib_pywrap_tensorflow_common.so', null],
    ['x/tensorflow/libtensorflow_cc.so.2', null],
  ])('TensorFlow: %s → %s', (member, place) => {
    expect(placeOf(cpu[0], member)).toBe(place)
    expect(placeOf(gpu[0], member)).toBe(place)
  })

  // Members of the pinned wheels.
  it.each([
    ['nvidia/cudnn/lib/libcudnn_ops.so.9', 'deps/nvidia/cudnn/lib/libcudnn_ops.so.9'],
    ['nvidia/cuda_cupti/lib/libcheckpoint.so', 'deps/nvidia/cuda_cupti/lib/libcheckpoint.so'],
    ['nvidia/cuda_nvcc/bin/ptxas', 'deps/nvidia/cuda_nvcc/bin/ptxas'],
    [
      'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
      'deps/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
    ],
    ['nvidia/cudnn/include/cudnn.h', null],
    ['nvidia/cudnn/__init__.py', null],
    ['nvidia_cudnn_cu12-9.10.2.21.dist-info/METADATA', null],
    ['nvidia/../../etc/lib/x.so', null],
  ])('CUDA: %s → %s', (member, place) => {
    expect(placeOf(gpu[1], member)).toBe(place)
  })

  it('puts CUDA where the run path of libtensorflow_framework leads', () => {
    // From `readelf -d` of the wheel: $ORIGIN/../nvidia/cublas/lib and its like; $ORIGIN is the library's folder.
    const origin = 'deps/lib'
    const place = placeOf(gpu[1], 'nvidia/cublas/lib/libcublas.so.12')!
    expect(place).toBe(`${origin.replace('/lib', '')}/nvidia/cublas/lib/libcublas.so.12`)
  })

  it('makes only the assembler executable', () => {
    const rules = gpu[1].take.filter((rule) => rule.executable === true)
    expect(rules.map(({ pattern }) => pattern.test('nvidia/cuda_nvcc/bin/ptxas'))).toEqual([true])
  })
})

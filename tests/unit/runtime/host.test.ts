import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { cacheFolder } from '../../../src/main/engine/compute/runtime/host.ts'
import type { RuntimeHost } from '../../../src/main/engine/compute/runtime/host.ts'
import { detectNvidiaDriver } from '../../../src/main/engine/compute/runtime/nvidia.ts'
import { markerFile, readMarker, runtimeRoute } from '../../../src/main/engine/compute/runtime/variant.ts'
import type { RuntimeMarker } from '../../../src/main/engine/compute/runtime/variant.ts'
import { createFakeMachine } from './fake-machine.ts'
import type { FakeMachine } from './fake-machine.ts'

let machine: FakeMachine
beforeEach(() => (machine = createFakeMachine()))
afterEach(() => machine.remove())

const withHost = (overrides: Partial<RuntimeHost>): RuntimeHost => ({ ...machine.host, ...overrides })

describe('cache folder', () => {
  it.each([
    ['linux', { PHASEMARK_CACHE: '/big/disk', XDG_CACHE_HOME: '/xdg' }, '/big/disk'],
    ['linux', { XDG_CACHE_HOME: '/xdg' }, '/xdg/phasemark'],
    ['linux', { XDG_CACHE_HOME: 'relative' }, '/home/ada/.cache/phasemark'],
    ['linux', { PHASEMARK_CACHE: '' }, '/home/ada/.cache/phasemark'],
    ['darwin', { XDG_CACHE_HOME: '/xdg' }, '/home/ada/Library/Caches/phasemark'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/phasemark'],
    ['win32', {}, '/home/ada/AppData/Local/phasemark'],
  ] as const)('%s with %o: %s', (platform, env, expected) => {
    expect(cacheFolder(withHost({ platform, env, homeFolder: '/home/ada' }))).toBe(expected)
  })
})

describe('NVIDIA driver', () => {
  const put = (name: string) => {
    const file = path.join(machine.host.rootFolder, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, '')
  }

  it('is absent on a machine without one', () => {
    expect(detectNvidiaDriver(machine.host)).toEqual({ present: false, reason: 'no NVIDIA driver found' })
  })

  it.each(['dev/nvidia0', 'dev/dxg', 'proc/driver/nvidia/gpus/0000:01:00.0/information'])(
    'is present with its library and %s',
    (device) => {
      put('usr/lib/x86_64-linux-gnu/libcuda.so.1')
      put(device)
      expect(detectNvidiaDriver(machine.host)).toEqual({ present: true })
    },
  )

  it('is found where the loader is configured to look', () => {
    put('dev/nvidia0')
    put('opt/driver/libcuda.so.1')
    put('etc/ld.so.conf.d/driver.conf')
    writeFileSync(
      path.join(machine.host.rootFolder, 'etc/ld.so.conf.d/driver.conf'),
      '# comment\n/opt/driver\n',
    )
    expect(detectNvidiaDriver(machine.host)).toEqual({ present: true })
  })

  it('counts neither a library without a card nor a card without the library', () => {
    put('usr/lib64/libcuda.so.1')
    // /dev/nvidiactl alone is no card.
    put('dev/nvidiactl')
    expect(detectNvidiaDriver(machine.host)).toMatchObject({ present: false, reason: /no graphics card/ })
    const other = createFakeMachine()
    try {
      mkdirSync(path.join(other.host.rootFolder, 'dev'), { recursive: true })
      writeFileSync(path.join(other.host.rootFolder, 'dev/nvidia0'), '')
      expect(detectNvidiaDriver(other.host)).toMatchObject({
        present: false,
        reason: /libcuda\.so\.1 is missing/,
      })
    } finally {
      other.remove()
    }
  })

  it('is hidden by CUDA_VISIBLE_DEVICES=-1', () => {
    put('usr/lib/libcuda.so.1')
    put('dev/nvidia0')
    const host = withHost({ env: { CUDA_VISIBLE_DEVICES: '-1' } })
    expect(detectNvidiaDriver(host)).toMatchObject({ present: false, reason: /CUDA_VISIBLE_DEVICES/ })
  })
})

describe('variant', () => {
  const name = (host: RuntimeHost, device: 'gpu' | 'cpu' = 'cpu') => {
    const route = runtimeRoute(host, device)
    if (route.kind !== 'wheels') throw new Error(`expected wheels, found ${route.kind}`)
    return route.variant.name
  }

  it('names the version, device and platform', () => {
    expect(name(machine.host)).toMatch(/^tf-2\.21\.0-cpu-linux-x64-[0-9a-f]{10}$/)
    expect(name(machine.host, 'gpu')).toMatch(/^tf-2\.21\.0-gpu-linux-x64-[0-9a-f]{10}$/)
  })

  it('gets another name with other sources of the addon or another version of its package', () => {
    const before = name(machine.host)
    expect(name(machine.host)).toBe(before)
    writeFileSync(path.join(machine.host.addonPackageFolder, 'binding/tfjs_backend.h'), '// patched')
    const patched = name(machine.host)
    expect(patched).not.toBe(before)
    writeFileSync(path.join(machine.host.addonPackageFolder, 'package.json'), '{"version":"4.23.0"}')
    expect(name(machine.host)).not.toBe(patched)
  })

  it('uses the installer of the package on Windows and macOS, and says where there is nothing', () => {
    expect(runtimeRoute(withHost({ platform: 'win32' }), 'gpu')).toEqual({ kind: 'package-installer' })
    expect(runtimeRoute(withHost({ platform: 'darwin' }), 'cpu')).toEqual({ kind: 'package-installer' })
    expect(runtimeRoute(withHost({ arch: 'arm64' }), 'gpu')).toMatchObject({ kind: 'none', reason: /arm64/ })
  })
})

describe('marker', () => {
  const marker: RuntimeMarker = {
    schema: 1,
    variant: 'v',
    device: 'cpu',
    tensorflowVersion: '2.21.0',
    addonVersion: '4.22.0',
    compiler: 'g++',
    madeAt: '2026-01-01T00:00:00.000Z',
    wheels: [],
    files: [{ path: 'library', bytes: 5 }],
  }
  const write = (text: string) => {
    writeFileSync(markerFile(machine.folder), text)
    writeFileSync(path.join(machine.folder, 'library'), '12345')
  }

  it('vouches for a folder whose files have their sizes', async () => {
    write(JSON.stringify(marker))
    expect(await readMarker(machine.folder)).toEqual(marker)
  })

  it('is refused when absent, torn, of another kind, or when a file is missing or cut short', async () => {
    expect(await readMarker(path.join(machine.folder, 'nowhere'))).toBeNull()
    expect(await readMarker(machine.folder)).toBeNull()
    write(JSON.stringify(marker).slice(0, 50))
    expect(await readMarker(machine.folder)).toBeNull()
    write(JSON.stringify({ ...marker, schema: 2 }))
    expect(await readMarker(machine.folder)).toBeNull()
    write(JSON.stringify({ ...marker, files: [...marker.files, { path: 'other', bytes: 1 }] }))
    expect(await readMarker(machine.folder)).toBeNull()
    write(JSON.stringify(marker))
    truncateSync(path.join(machine.folder, 'library'), 4)
    expect(readFileSync(path.join(machine.folder, 'library'), 'utf8')).toBe('1234')
    expect(await readMarker(machine.folder)).toBeNull()
  })
})

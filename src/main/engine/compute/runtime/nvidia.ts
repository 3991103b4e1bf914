import { execFile } from 'node:child_process'
import { readdirSync, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { RuntimeHost } from './host.ts'

/** Whether a graphics card can be used, and if not, why, as a clause for people. */
export type NvidiaDriver = { present: true } | { present: false; reason: string }

/** Folders in which distributions, WSL, container toolkits and NixOS put the driver's library. */
const driverFolders = [
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'usr/lib64',
  'usr/lib',
  'usr/lib/wsl/lib',
  'usr/lib/x86_64-linux-gnu/nvidia/current',
  'usr/lib/nvidia',
  'usr/local/nvidia/lib64',
  'usr/local/nvidia/lib',
  'usr/local/cuda/compat',
  'run/opengl-driver/lib',
]

/**
 * Looks for an NVIDIA driver: its user library and a device to go with it. A container image may well bring the library
 * without a card, so one alone does not count.
 */
export function detectNvidiaDriver(host: RuntimeHost): NvidiaDriver {
  if (host.platform === 'darwin') return { present: false, reason: 'macOS has no NVIDIA driver' }
  if (host.platform === 'win32') {
    const library = path.join(host.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'nvcuda.dll')
    return existsSync(library) ? { present: true } : { present: false, reason: 'no NVIDIA driver found' }
  }
  if (host.env['CUDA_VISIBLE_DEVICES'] === '-1' || host.env['CUDA_VISIBLE_DEVICES'] === '') {
    return { present: false, reason: 'CUDA_VISIBLE_DEVICES hides the graphics cards' }
  }
  const library = hasDriverLibrary(host)
  const device = hasDevice(host)
  if (library && device) return { present: true }
  if (library) {
    return {
      present: false,
      reason: 'the NVIDIA driver library is installed but there is no graphics card (/dev/nvidia*)',
    }
  }
  if (device) {
    return {
      present: false,
      reason: 'there is an NVIDIA graphics card but its driver library libcuda.so.1 is missing',
    }
  }
  return { present: false, reason: 'no NVIDIA driver found' }
}

function hasDriverLibrary(host: RuntimeHost): boolean {
  const searched = [
    ...(host.env['LD_LIBRARY_PATH'] ?? '').split(':').filter((folder) => path.isAbsolute(folder)),
    ...driverFolders.map((folder) => path.join(host.rootFolder, folder)),
    ...configuredLibraryFolders(host),
  ]
  return searched.some((folder) => existsSync(path.join(folder, 'libcuda.so.1')))
}

/** Folders that the administrator added to the loader's search path. */
function configuredLibraryFolders(host: RuntimeHost): string[] {
  const folder = path.join(host.rootFolder, 'etc/ld.so.conf.d')
  return listed(folder)
    .filter((name) => name.endsWith('.conf'))
    .flatMap((name) => readFileSync(path.join(folder, name), 'utf8').split('\n'))
    .map((line) => line.trim())
    .filter((line) => path.isAbsolute(line))
    .map((line) => path.join(host.rootFolder, line))
}

function hasDevice(host: RuntimeHost): boolean {
  if (listed(path.join(host.rootFolder, 'proc/driver/nvidia/gpus')).length > 0) return true
  // /dev/dxg is the card as the Windows Subsystem for Linux shows it.
  if (existsSync(path.join(host.rootFolder, 'dev/dxg'))) return true
  return listed(path.join(host.rootFolder, 'dev')).some((name) => /^nvidia\d+$/.test(name))
}

function listed(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

/** Name and memory of the card that TensorFlow computes on (the first visible one). */
export interface GpuDescription {
  name: string
  memoryBytes: number | null
}

/**
 * Asks the driver what the first visible card is. A container may lack `nvidia-smi`; then the kernel module's own text gives
 * the name, and the memory stays unknown.
 */
export async function describeGpu(host: RuntimeHost): Promise<GpuDescription> {
  const visible = (host.env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').at(0)?.trim()
  const chosen = visible === undefined || visible === '' ? '0' : visible
  try {
    const { stdout } = await promisify(execFile)(
      'nvidia-smi',
      [`--id=${chosen}`, '--query-gpu=name,memory.total', '--format=csv,noheader,nounits'],
      { timeout: 10_000 },
    )
    const line = /^(.+),\s*(\d+)\s*$/m.exec(stdout)
    // nvidia-smi counts in MiB.
    if (line) return { name: line[1].trim(), memoryBytes: Number(line[2]) * 1024 * 1024 }
  } catch {
    // No nvidia-smi here: the kernel module below tells the name.
  }
  return { name: nameFromKernelModule(host) ?? 'NVIDIA graphics card', memoryBytes: null }
}

function nameFromKernelModule(host: RuntimeHost): string | null {
  const folder = path.join(host.rootFolder, 'proc/driver/nvidia/gpus')
  for (const card of listed(folder)) {
    const file = path.join(folder, card, 'information')
    const model = existsSync(file) ? /^Model:\s*(.+)$/m.exec(readFileSync(file, 'utf8')) : null
    if (model) return model[1].trim()
  }
  return null
}

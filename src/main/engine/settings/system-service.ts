import { readFile, readdir, rm, stat, statfs } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { systemService } from '../../../shared/contract/files.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'

/** Derived data in the cache folder; the compute runtime and anything else that lies there is not ours to clear. */
const derivedFolders = ['pyramids']

export interface SystemServiceOptions {
  /** Per-user cache of derived data. */
  cacheFolder: string
  cacheLimitBytes: number
  /** Folder whose free disk space is told: where projects go. */
  diskFolder: () => string
  /** Called before the cache is cleared: whoever writes there lets go. */
  onClearing?: () => Promise<void>
}

/** The machine, for the status bar. */
export function createSystemService(
  options: SystemServiceOptions,
): ServiceImplementation<typeof systemService> {
  const derived = derivedFolders.map((name) => path.join(options.cacheFolder, name))
  return {
    async status() {
      const memory = await machineMemory()
      return {
        ...memory,
        diskFreeBytes: await freeBytes(options.diskFolder()),
        cpuName: os.cpus()[0]?.model.trim() || `${os.arch()} processor`,
        cpuCores: os.availableParallelism(),
      }
    },
    async cache() {
      const sizes = await Promise.all(derived.map(sizeOf))
      return {
        path: options.cacheFolder,
        usedBytes: sizes.reduce((sum, size) => sum + size, 0),
        limitBytes: options.cacheLimitBytes,
      }
    },
    async clearCache() {
      await options.onClearing?.()
      let freedBytes = 0
      for (const folder of derived) {
        const size = await sizeOf(folder)
        try {
          await rm(folder, { recursive: true, force: true })
        } catch (error) {
          throw writeError(folder, error)
        }
        freedBytes += size - (await sizeOf(folder))
      }
      return { freedBytes }
    },
  }
}

/**
 * Memory of the machine, or of the container when it has a limit of its own. Used is what cannot be given to others: files that
 * the system keeps in memory count as free.
 */
export async function machineMemory(): Promise<{ memoryUsedBytes: number; memoryTotalBytes: number }> {
  const total = os.totalmem()
  // 0 or a huge number when there is no limit.
  const limit = process.constrainedMemory()
  if (limit > 0 && limit < total) {
    const used = await containerUsedBytes()
    if (used !== null) return { memoryUsedBytes: Math.min(used, limit), memoryTotalBytes: limit }
  }
  const available = (await linuxAvailableBytes()) ?? os.freemem()
  return { memoryUsedBytes: total - available, memoryTotalBytes: total }
}

/** Control groups, version 2 (kernel documentation, cgroup-v2): current use less files that were not used for a while. */
async function containerUsedBytes(): Promise<number | null> {
  const current = await readText('/sys/fs/cgroup/memory.current')
  const statistics = await readText('/sys/fs/cgroup/memory.stat')
  if (current === null || statistics === null) return null
  const inactive = /^inactive_file (\d+)$/m.exec(statistics)?.[1] ?? '0'
  return Math.max(0, Number(current) - Number(inactive))
}

async function linuxAvailableBytes(): Promise<number | null> {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec((await readText('/proc/meminfo')) ?? '')?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

/** `null` where the system has no such file. */
async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    return null
  }
}

/** Free for this user on the disk that holds `folder` or, when that is not there yet, the folder above it; `null` if unknown. */
async function freeBytes(folder: string): Promise<number | null> {
  for (let place = path.resolve(folder); ; place = path.dirname(place)) {
    try {
      const { bavail, bsize } = await statfs(place)
      return bavail * bsize
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || path.dirname(place) === place) return null
    }
  }
}

/** Bytes of all files below `folder`; 0 when there is none. Others may write and delete meanwhile. */
async function sizeOf(folder: string): Promise<number> {
  let entries
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    return 0
  }
  let size = 0
  for (const entry of entries) {
    const place = path.join(folder, entry.name)
    if (entry.isDirectory()) size += await sizeOf(place)
    else if (entry.isFile()) size += (await stat(place).catch(() => null))?.size ?? 0
  }
  return size
}

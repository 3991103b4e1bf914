import { defineStore } from 'pinia'
import { ref } from 'vue'
import { hasTag } from '../../shared/errors.ts'
import { useApi } from './api.ts'
import { useConnectionStore } from './connection.ts'
import { useNoticesStore } from './notices.ts'

export interface SystemStatus {
  memoryUsedBytes: number
  memoryTotalBytes: number
  diskFreeBytes: number | null
  cpuName: string
  cpuCores: number
}

const pollMs = 5000

/** The machine: memory, disk, processor, and the cache of derived data. */
export const useSystemStore = defineStore('system', () => {
  const api = useApi()
  const connection = useConnectionStore()
  const notices = useNoticesStore()
  const status = ref<SystemStatus | null>(null)
  const cache = ref<{ path: string; usedBytes: number; limitBytes: number } | null>(null)

  /** Old readings stay while the process is away; its absence is said elsewhere. */
  async function refresh(): Promise<void> {
    if (!connection.connected.data) return
    try {
      status.value = await api.data.system.status({})
    } catch (error) {
      // The process went away while it was asked; the next connection asks again.
      if (hasTag(error, 'Disconnected')) return
      notices.addError('The state of this computer could not be read', error, { key: 'system' })
    }
  }

  async function refreshCache(): Promise<void> {
    cache.value = await api.data.system.cache({})
  }

  async function clearCache(): Promise<number> {
    const { freedBytes } = await api.data.system.clearCache({})
    await refreshCache()
    return freedBytes
  }

  function start(): void {
    connection.onConnected((process) => {
      if (process === 'data') void refresh()
    })
    setInterval(() => {
      if (document.visibilityState === 'visible') void refresh()
    }, pollMs)
  }

  return { status, cache, refresh, refreshCache, clearCache, start }
})

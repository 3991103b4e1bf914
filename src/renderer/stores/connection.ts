import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import type { EngineProcess, ProcessStatus } from '../../shared/contract/host.ts'
import type { ProcessName } from '../api/api.ts'
import { useApi } from './api.ts'
import { useNoticesStore } from './notices.ts'

export interface HostInfo {
  kind: 'electron' | 'web'
  version: string
  platform: string
  nativeDialogs: boolean
  windowButtons: boolean
}

/** Lines that are up for less than this and lines that are down for less than this are not worth a word. */
const patienceMs = 400

const processNames: Record<ProcessName, string> = {
  host: 'application',
  data: 'data process',
  compute: 'compute process',
}

/** Which processes can be reached, what the host can do, and what to say while something is being restored. */
export const useConnectionStore = defineStore('connection', () => {
  const api = useApi()
  const notices = useNoticesStore()
  const connected = ref<Record<ProcessName, boolean>>({ host: false, data: false, compute: false })
  /** Down for longer than a moment. */
  const missed = ref<Record<ProcessName, boolean>>({ host: false, data: false, compute: false })
  const processes = ref<Partial<Record<EngineProcess, ProcessStatus>>>({})
  const host = ref<HostInfo | null>(null)
  const reconnected: ((process: ProcessName) => void)[] = []

  /** One sentence about the worst that is the matter; `null` when all is well. */
  const trouble = computed<{ text: string; restart: EngineProcess | null } | null>(() => {
    if (missed.value.host && !connected.value.host)
      return {
        text: 'The connection to Phasemark is lost. Trying again; nothing confirmed is lost.',
        restart: null,
      }
    for (const name of ['data', 'compute'] as const) {
      const status = processes.value[name]
      if (status?.state === 'failed')
        return {
          text: `The ${processNames[name]} ended ${status.restarts} times in a short while${
            status.lastEnd === null ? '' : ` (last: ${status.lastEnd})`
          } and is not started again by itself.`,
          restart: name,
        }
    }
    if (missed.value.data && !connected.value.data)
      return { text: 'Data process restarting… What was confirmed is on disk.', restart: null }
    if (missed.value.compute && !connected.value.compute)
      return { text: 'Compute process restarting… Volumes and labels can be used.', restart: null }
    return null
  })

  function setConnected(process: ProcessName, isConnected: boolean): void {
    connected.value = { ...connected.value, [process]: isConnected }
    if (isConnected) {
      missed.value = { ...missed.value, [process]: false }
      for (const listener of reconnected) listener(process)
      return
    }
    setTimeout(() => {
      if (!connected.value[process]) missed.value = { ...missed.value, [process]: true }
    }, patienceMs)
  }

  /** Calls `listener` whenever a process has become reachable (again): what was subscribed to may have changed meanwhile. */
  function onConnected(listener: (process: ProcessName) => void): void {
    reconnected.push(listener)
    for (const process of ['host', 'data', 'compute'] as const)
      if (connected.value[process]) listener(process)
  }

  async function askHost(): Promise<void> {
    try {
      const { reloaded, ...info } = await api.host.info({})
      host.value = info
      if (reloaded !== undefined)
        notices.add({ tone: 'warn', title: 'The window was loaded again', text: reloaded })
      for (const status of await api.host.processes({})) take(status)
    } catch (error) {
      notices.addError('The application does not answer', error, { key: 'host' })
    }
  }

  function take(status: ProcessStatus): void {
    processes.value = { ...processes.value, [status.name]: status }
  }

  /** Starts a process again that was given up. */
  async function restart(name: EngineProcess): Promise<void> {
    await api.host.restartProcess({ name })
  }

  function start(): void {
    api.host.on('processChanged', take)
    onConnected((process) => {
      if (process === 'host') void askHost()
    })
    api.onConnection((process, state) => setConnected(process, state === 'connected'))
    for (const process of ['host', 'data', 'compute'] as const)
      setConnected(process, api.connection(process) === 'connected')
  }

  return { connected, processes, host, trouble, onConnected, restart, start }
})

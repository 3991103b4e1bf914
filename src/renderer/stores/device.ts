import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { DeviceState } from '../../shared/contract/device.ts'
import { useApi } from './api.ts'
import { useConnectionStore } from './connection.ts'
import { useNoticesStore } from './notices.ts'

/** The device that computes: which, how fast, and what to do for a better one. */
export const useDeviceStore = defineStore('device', () => {
  const api = useApi()
  const notices = useNoticesStore()
  const connection = useConnectionStore()
  const state = shallowRef<DeviceState | null>(null)
  /** Why nothing is known of it. */
  const problem = ref<string | null>(null)
  const testJobId = ref<string | null>(null)

  async function refresh(): Promise<void> {
    try {
      state.value = await api.compute.device.state({})
      problem.value = null
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error)
    }
  }

  /** Runs both networks on generated slices and measures them. */
  async function test(): Promise<void> {
    try {
      testJobId.value = (await api.compute.device.startTest({})).jobId
    } catch (error) {
      notices.addError('The device test did not start', error, { key: 'device-test' })
    }
  }

  /** Asking loads the compute runtime, so it waits until the window can be used. */
  function start(delayMs = 500): void {
    api.compute.device.on('changed', (changed) => {
      state.value = changed
      problem.value = null
    })
    connection.onConnected((process) => {
      if (process === 'compute') setTimeout(() => void refresh(), delayMs)
    })
  }

  return { state, problem, testJobId, refresh, test, start }
})

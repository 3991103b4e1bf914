import { defineStore } from 'pinia'
import { ref } from 'vue'

/** What is under the pointer in a plane, for the status bar. Workspaces set it from the viewer's probe. */
export interface PointerReading {
  /** Voxel (z, y, x). */
  position: { z: number; y: number; x: number }
  /** `null` while it is not loaded. */
  grey: number | null
  /** Above 0: the mean of a coarser level. */
  level: number
}

export const usePointerStore = defineStore('pointer', () => {
  const reading = ref<PointerReading | null>(null)

  function show(next: PointerReading | null): void {
    reading.value = next
  }

  return { reading, show }
})

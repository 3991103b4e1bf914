import { defineStore } from 'pinia'
import { ref } from 'vue'
import type { JournalState } from '../../shared/contract/labels.ts'
import { useApi } from './api.ts'

/** How the journal of labels is: the title bar always shows it. */
export const useJournalStore = defineStore('journal', () => {
  const api = useApi()
  const state = ref<JournalState | null>(null)

  function take(journal: JournalState | null): void {
    state.value = journal
  }

  function start(): void {
    api.data.labels.on('journalChanged', take)
    // Whatever is told as changed has been written.
    api.data.labels.on('changed', () => {
      if (state.value === null || state.value.state === 'ok')
        state.value = { state: 'ok', message: null, lastWrittenAt: new Date().toISOString() }
    })
    api.data.projects.on('changed', (project) => {
      if (project === null) state.value = null
    })
  }

  return { state, take, start }
})

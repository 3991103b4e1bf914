import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'

/** What the user is asked to choose in the file system. */
export interface PathRequest {
  kind: 'folder' | 'file' | 'project' | 'save'
  title: string
  startIn?: string | undefined
  /** For `save`. */
  suggestedName?: string
}

/** What an import dialog is about: a new volume, or one of the project whose entries (or place) are changed. */
export interface ImportRequest {
  path: string
  volumeId: string | null
}

export interface Confirmation {
  title: string
  text: string
  confirm: string
  danger?: boolean
}

interface Asked<Request, Answer> {
  request: Request
  answer: (answer: Answer) => void
}

/** Dialogs that any part of the window may open. Each answers its promise; opening one again answers the earlier with “no”. */
export const useDialogsStore = defineStore('dialogs', () => {
  const palette = ref(false)
  const keysSheet = ref(false)
  const settings = ref(false)
  const about = ref(false)
  const jobs = ref(false)
  const importing = ref<ImportRequest | null>(null)
  const renaming = ref(false)
  const pathAsked = shallowRef<Asked<PathRequest, string | null> | null>(null)
  const confirmAsked = shallowRef<Asked<Confirmation, boolean> | null>(null)

  /** Asks in the window's own file browser. */
  function askPath(request: PathRequest): Promise<string | null> {
    pathAsked.value?.answer(null)
    return new Promise((resolve) => {
      pathAsked.value = {
        request,
        answer: (path) => {
          pathAsked.value = null
          resolve(path)
        },
      }
    })
  }

  function confirm(request: Confirmation): Promise<boolean> {
    confirmAsked.value?.answer(false)
    return new Promise((resolve) => {
      confirmAsked.value = {
        request,
        answer: (answer) => {
          confirmAsked.value = null
          resolve(answer)
        },
      }
    })
  }

  return {
    palette,
    keysSheet,
    settings,
    about,
    jobs,
    importing,
    renaming,
    pathAsked,
    confirmAsked,
    askPath,
    confirm,
  }
})

import { createPinia } from 'pinia'
import { createApp, watch, type App as VueApp } from 'vue'
import type { Router } from 'vue-router'
import type { Api } from './api/api.ts'
import App from './App.vue'
import { provideApi } from './stores/api.ts'
import { useConnectionStore } from './stores/connection.ts'
import { useDeviceStore } from './stores/device.ts'
import { useJobsStore } from './stores/jobs.ts'
import { useJournalStore } from './stores/journal.ts'
import { useNoticesStore } from './stores/notices.ts'
import { useProjectStore } from './stores/project.ts'
import { useSettingsStore } from './stores/settings.ts'
import { useSystemStore } from './stores/system.ts'
import { useViewStore } from './stores/view.ts'

const viewKey = 'view'

/** Makes the application over a connection and starts what listens. The caller mounts it. */
export function createWindowApp(api: Api, router: Router): VueApp {
  const app = createApp(App)
  const pinia = createPinia()
  provideApi(pinia, api)
  app.use(pinia)
  app.use(router)

  const notices = useNoticesStore()
  // A defect in one component must not take the window with it; it is said, with what helps to find it.
  app.config.errorHandler = (error) => {
    console.error(error)
    notices.addError('Something went wrong in the window', error, {
      safe: 'What was confirmed is on disk.',
      key: 'window',
    })
  }

  const connection = useConnectionStore()
  useProjectStore().start()
  useJobsStore().start()
  useDeviceStore().start()
  useSystemStore().start()
  useJournalStore().start()
  rememberSettings()
  connection.start()
  return app
}

/** Reads the settings at the first connection, and keeps what the view remembers in them. */
function rememberSettings(): void {
  const connection = useConnectionStore()
  const notices = useNoticesStore()
  const settings = useSettingsStore()
  const view = useViewStore()
  let restored = false

  connection.onConnected((process) => {
    if (process !== 'data' || settings.loaded) return
    settings.load().then(
      () => {
        view.restore(settings.values[viewKey])
        restored = true
      },
      (error: unknown) =>
        notices.addError('Settings could not be read', error, {
          key: 'settings',
          safe: 'The usual ones are used.',
        }),
    )
  })
  watch(
    () => view.remembered(),
    (remembered) => {
      if (restored) settings.write(viewKey, remembered)
    },
  )
  window.addEventListener('pagehide', () => void settings.flush())
}

import { useRouter } from 'vue-router'
import type { VolumeEntry } from '../../../shared/contract/projects.ts'
import { parentOf, useChoosePath } from '../../components/shell/choose-path.ts'
import { useApi } from '../../stores/api.ts'
import { useDialogsStore } from '../../stores/dialogs.ts'
import { useNoticesStore } from '../../stores/notices.ts'
import { useProjectStore } from '../../stores/project.ts'

/** What can be done with a volume of the project. Failures are told as notices. */
export function useVolumeActions(): {
  label: (volume: VolumeEntry) => void
  edit: (volume: VolumeEntry) => void
  locate: (volume: VolumeEntry) => Promise<void>
  lookAgain: (volume: VolumeEntry) => Promise<void>
  show: (volume: VolumeEntry) => Promise<void>
  remove: (volume: VolumeEntry) => Promise<void>
} {
  const api = useApi()
  const choose = useChoosePath()
  const dialogs = useDialogsStore()
  const notices = useNoticesStore()
  const project = useProjectStore()
  const router = useRouter()

  function label(volume: VolumeEntry): void {
    project.choose(volume.id)
    void router.push('/label')
  }

  function edit(volume: VolumeEntry): void {
    dialogs.importing = { path: volume.path, volumeId: volume.id }
  }

  /** Another place for the same files. The dialog then shows what was found there. */
  async function locate(volume: VolumeEntry): Promise<void> {
    const isFolder = /slices/.test(volume.summary.format)
    try {
      const path = await choose({
        kind: isFolder ? 'folder' : 'file',
        title: `Where is ${volume.name} now?`,
        startIn: parentOf(volume.path),
      })
      if (path !== null) dialogs.importing = { path, volumeId: volume.id }
    } catch (error) {
      notices.addError(`${volume.name} was not located`, error)
    }
  }

  async function lookAgain(volume: VolumeEntry): Promise<void> {
    try {
      await project.lookAgain(volume.id)
    } catch (error) {
      notices.addError(`${volume.name} was not looked for`, error)
    }
  }

  async function show(volume: VolumeEntry): Promise<void> {
    try {
      await api.host.showInFolder({ path: volume.path })
    } catch (error) {
      notices.addError('The folder cannot be shown', error)
    }
  }

  async function remove(volume: VolumeEntry): Promise<void> {
    try {
      await project.removeVolume(volume.id)
    } catch (error) {
      notices.addError(`${volume.name} was not removed`, error, { safe: 'It is still in the project.' })
    }
  }

  return { label, edit, locate, lookAgain, show, remove }
}

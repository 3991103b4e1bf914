import type { SampleRecipe } from '../../../shared/contract/projects.ts'
import { useApi } from '../../stores/api.ts'
import { useDialogsStore } from '../../stores/dialogs.ts'
import { useNoticesStore } from '../../stores/notices.ts'
import { useProjectStore } from '../../stores/project.ts'
import { nameOf, useChoosePath } from './choose-path.ts'

/** Whether a path is a project by its name. */
export function isProjectPath(path: string): boolean {
  return /\.phasemark$/i.test(nameOf(path))
}

/** All ways to open something: dialogs, recent projects, dropped folders, the command line. Failures are told as notices. */
export function useOpening(): {
  openPath: (path: string) => Promise<void>
  openFolder: () => Promise<void>
  openFile: () => Promise<void>
  openProject: () => Promise<void>
  openSample: (recipe: SampleRecipe) => Promise<void>
  takeOpenRequests: () => Promise<void>
} {
  const api = useApi()
  const dialogs = useDialogsStore()
  const notices = useNoticesStore()
  const project = useProjectStore()
  const choose = useChoosePath()

  async function openPath(path: string): Promise<void> {
    if (!isProjectPath(path)) {
      dialogs.importing = { path, volumeId: null }
      return
    }
    try {
      await project.open(path)
    } catch (error) {
      notices.addError(`${nameOf(path)} was not opened`, error, {
        safe: 'Nothing in it was changed.',
        actions: [{ label: 'Open another project…', run: openProject }],
      })
    }
  }

  async function chooseAndOpen(kind: 'folder' | 'file' | 'project', title: string): Promise<void> {
    const path = await choose({ kind, title })
    if (path !== null) await openPath(path)
  }

  const openFolder = (): Promise<void> => chooseAndOpen('folder', 'Open a folder of slices')
  const openFile = (): Promise<void> => chooseAndOpen('file', 'Open a volume file')

  async function openProject(): Promise<void> {
    const path = await choose({ kind: 'project', title: 'Open a project' })
    if (path === null) return
    if (isProjectPath(path)) await openPath(path)
    else
      notices.add({
        tone: 'warn',
        title: `${nameOf(path)} is no project`,
        text: 'A project is a folder whose name ends with .phasemark.',
        actions: [
          { label: 'Choose again', run: openProject },
          { label: 'Open it as a volume', run: () => openPath(path) },
        ],
      })
  }

  async function openSample(recipe: SampleRecipe): Promise<void> {
    try {
      await project.createSample(recipe)
    } catch (error) {
      notices.addError('The sample was not made', error)
    }
  }

  /** What the command line or the system asked for. Several volumes: one dialog after the other would surprise; the first opens. */
  async function takeOpenRequests(): Promise<void> {
    const paths = await api.host.takeOpenRequests({})
    const [first, ...others] = [
      ...paths.filter((path) => isProjectPath(path)),
      ...paths.filter((path) => !isProjectPath(path)),
    ]
    if (paths.length === 0) return
    await openPath(first)
    if (others.length > 0)
      notices.add({
        tone: 'warn',
        title: 'One was opened',
        text: `Open the others one by one: ${others.map(nameOf).join(', ')}`,
      })
  }

  return { openPath, openFolder, openFile, openProject, openSample, takeOpenRequests }
}

import {
  Bell,
  CircleQuestionMark,
  FilePlus,
  Folder,
  FolderKanban,
  FolderOpen,
  ListEnd,
  PanelLeft,
  PanelRight,
  Pencil,
  Search,
  Settings,
  SunMoon,
  X,
} from '@lucide/vue'
import { useEventListener } from '@vueuse/core'
import { useRoute, useRouter } from 'vue-router'
import { useApi } from '../../stores/api.ts'
import { useCommandsStore, useCommandsWhileMounted, type Command } from '../../stores/commands.ts'
import { useDialogsStore } from '../../stores/dialogs.ts'
import { useNoticesStore } from '../../stores/notices.ts'
import { usePanelsStore } from '../../stores/panels.ts'
import { useProjectStore } from '../../stores/project.ts'
import { useSettingsStore } from '../../stores/settings.ts'
import { useOpening } from './opening.ts'
import { cycleRegions } from './regions.ts'
import { workspaces } from './workspaces.ts'

/** Commands that hold everywhere, and the keyboard of the window. For the set-up of App. */
export function useShellCommands(): void {
  const api = useApi()
  const commands = useCommandsStore()
  const dialogs = useDialogsStore()
  const notices = useNoticesStore()
  const opening = useOpening()
  const panels = usePanelsStore()
  const project = useProjectStore()
  const route = useRoute()
  const router = useRouter()
  const settings = useSettingsStore()

  const workspace = (): string => route.path.slice(1)
  const needsProject = (): string | null => (project.project === null ? 'No project is open' : null)
  const needsWriting = (): string | null => needsProject() ?? project.readOnly

  const projectCommands: Command[] = [
    {
      id: 'project.open-folder',
      title: 'Open a folder of slices…',
      menu: 'Project',
      keys: ['Ctrl+O'],
      inText: true,
      icon: FolderOpen,
      words: 'import volume tiff',
      run: opening.openFolder,
    },
    {
      id: 'project.open-file',
      title: 'Open a file…',
      menu: 'Project',
      keys: ['Ctrl+Shift+O'],
      inText: true,
      icon: FilePlus,
      words: 'import volume raw bigtiff',
      run: opening.openFile,
    },
    {
      id: 'project.open',
      title: 'Open a project…',
      menu: 'Project',
      icon: FolderKanban,
      run: opening.openProject,
    },
    {
      id: 'project.rename',
      title: 'Rename project…',
      menu: 'Project',
      icon: Pencil,
      blocked: needsWriting,
      run: () => {
        dialogs.renaming = true
      },
    },
    {
      id: 'project.show',
      title: 'Show project folder',
      menu: 'Project',
      icon: Folder,
      blocked: needsProject,
      run: async () => {
        if (project.project !== null) await api.host.showInFolder({ path: project.project.path })
      },
    },
    {
      id: 'project.close',
      title: 'Close project',
      menu: 'Project',
      icon: X,
      blocked: needsProject,
      run: async () => {
        await project.close()
        await router.push('/')
      },
    },
    {
      id: 'project.settings',
      title: 'Settings…',
      menu: 'Project',
      keys: ['Ctrl+,'],
      inText: true,
      icon: Settings,
      run: () => {
        dialogs.settings = true
      },
    },
  ]

  const viewCommands: Command[] = [
    {
      id: 'view.theme',
      title: 'Switch between dark and light',
      menu: 'View',
      icon: SunMoon,
      words: 'theme colours',
      run: () => settings.write('theme', settings.theme === 'dark' ? 'light' : 'dark'),
    },
    {
      id: 'view.left',
      title: 'Left panel',
      menu: 'View',
      keys: ['Ctrl+B'],
      icon: PanelLeft,
      words: 'fold show hide',
      checked: () => !panels.panel(workspace(), 'left').folded,
      run: () => panels.toggle(workspace(), 'left'),
    },
    {
      id: 'view.right',
      title: 'Right panel',
      menu: 'View',
      keys: ['Ctrl+Alt+B'],
      icon: PanelRight,
      words: 'fold show hide',
      checked: () => !panels.panel(workspace(), 'right').folded,
      run: () => panels.toggle(workspace(), 'right'),
    },
    {
      id: 'view.data-only',
      title: 'Data only',
      menu: 'View',
      words: 'hide panels tab',
      run: () => panels.toggleBoth(workspace()),
    },
    {
      id: 'view.jobs',
      title: 'Jobs',
      menu: 'View',
      keys: ['Ctrl+J'],
      inText: true,
      icon: ListEnd,
      run: () => {
        dialogs.jobs = !dialogs.jobs
      },
    },
    {
      id: 'view.notices-clear',
      title: 'Clear notices',
      menu: 'View',
      icon: Bell,
      run: () => notices.forgetAll(),
    },
  ]

  const goCommands: Command[] = [
    {
      id: 'go.palette',
      title: 'Command palette',
      menu: 'Go',
      keys: ['Ctrl+K'],
      inText: true,
      icon: Search,
      run: () => {
        dialogs.palette = !dialogs.palette
      },
    },
    ...workspaces.map(({ name, title, icon, path, later }, position): Command => ({
      id: `go.${name}`,
      title,
      menu: 'Go',
      keys: [`Ctrl+${position + 1}`],
      inText: true,
      icon,
      words: 'workspace',
      blocked: () => later ?? (name === 'label' && project.volume === null ? 'Open a volume first' : null),
      run: async () => {
        if (path !== null) await router.push(path)
      },
    })),
    {
      id: 'go.start',
      title: 'Start page',
      menu: 'Go',
      run: async () => {
        await router.push('/')
      },
    },
    {
      id: 'go.region',
      title: 'Next region',
      menu: 'Go',
      keys: ['F6'],
      inText: true,
      run: () => cycleRegions(document, 1),
    },
    {
      id: 'go.region-back',
      title: 'Region before',
      menu: 'Go',
      keys: ['Shift+F6'],
      inText: true,
      run: () => cycleRegions(document, -1),
    },
  ]

  useCommandsWhileMounted([
    ...projectCommands,
    ...viewCommands,
    ...goCommands,
    {
      id: 'help.keys',
      title: 'Keys and mouse',
      menu: 'Help',
      keys: ['F1'],
      inText: true,
      icon: CircleQuestionMark,
      run: () => {
        dialogs.keysSheet = !dialogs.keysSheet
      },
    },
  ])

  commands.reportFailuresTo((command, error) => notices.addError(`${command.title}: not done`, error))

  useEventListener(window, 'keydown', (event: KeyboardEvent) => {
    if (commands.handleKeyDown(event)) return
    if (hidesPanels(event)) {
      event.preventDefault()
      panels.toggleBoth(workspace())
    }
  })
  useEventListener(window, 'keyup', commands.handleKeyUp)
  useEventListener(window, 'blur', commands.releaseAll)
}

/**
 * Tab shows the data only, but just where a plane was clicked: who got there by keyboard (the focus ring is visible) moves on
 * with Tab as everywhere.
 */
function hidesPanels(event: KeyboardEvent): boolean {
  const { target } = event
  return (
    event.key === 'Tab' &&
    !event.shiftKey &&
    !event.ctrlKey &&
    !event.altKey &&
    target instanceof HTMLElement &&
    target.closest('.vp') !== null &&
    !target.matches(':focus-visible')
  )
}

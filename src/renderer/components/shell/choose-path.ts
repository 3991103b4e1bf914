import { z } from 'zod'
import { useApi } from '../../stores/api.ts'
import { useConnectionStore } from '../../stores/connection.ts'
import { useDialogsStore, type PathRequest } from '../../stores/dialogs.ts'
import { useSettingsStore } from '../../stores/settings.ts'

/**
 * A function that lets the user choose a path: in the system's dialog where the host has one, else in the window's own file
 * browser. `null` = cancelled. Starts where something was chosen last.
 */
export function useChoosePath(): (request: PathRequest) => Promise<string | null> {
  const api = useApi()
  const connection = useConnectionStore()
  const dialogs = useDialogsStore()
  const settings = useSettingsStore()

  async function choose(request: PathRequest): Promise<string | null> {
    const { kind, title, suggestedName = '' } = request
    const startIn = request.startIn ?? settings.read('lastFolder', z.string().optional(), undefined)
    if (connection.host?.nativeDialogs !== true) return dialogs.askPath({ ...request, startIn })
    const common = startIn === undefined ? { title } : { title, startIn }
    if (kind === 'save') return (await api.host.chooseSavePath({ ...common, suggestedName })).path
    if (kind === 'file') return (await api.host.chooseFile(common)).path
    return (await api.host.chooseFolder(common)).path
  }

  return async (request) => {
    const path = await choose(request)
    if (path !== null) settings.write('lastFolder', parentOf(path))
    return path
  }
}

/** Last part of a path of either kind. */
export function nameOf(path: string): string {
  return (
    path
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1) ?? path
  )
}

/** The folder that a path lies in; itself when it is a root. */
export function parentOf(path: string): string {
  const trimmed = path.replace(/[/\\]+$/, '')
  const cut = Math.max(trimmed.lastIndexOf('/'), trimmed.lastIndexOf('\\'))
  return cut <= 0 ? trimmed.slice(0, 1) || path : trimmed.slice(0, cut)
}

import { existsSync } from 'node:fs'
import path from 'node:path'
import { dialog, shell } from 'electron'
import type { BrowserWindow, OpenDialogOptions } from 'electron'
import type { ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { EngineProcess, hostService, ProcessStatus } from '../../../shared/contract/host.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import { isExternalPage } from '../../../shared/external-pages.ts'
import { packageVersion } from '../../engine/package-version.ts'
import type { OpenRequests } from './open-requests.ts'

/** What the service needs to know of the app around it. */
export interface HostServiceContext {
  /** The window that asks; dialogs belong to it. */
  readonly window: () => BrowserWindow
  readonly openRequests: OpenRequests
  readonly processes: {
    statuses: () => ProcessStatus[]
    restart: (name: EngineProcess) => Promise<void>
  }
  /** Why the page that is shown now was loaded, when that was not a wish of the user. */
  readonly reloadReason: () => string | undefined
}

/** The `host` service of the contract in Electron: system dialogs, window buttons, processes, paths to open. */
export function createHostService(context: HostServiceContext): ServiceImplementation<typeof hostService> {
  const choose = async (options: OpenDialogOptions, startIn: string | undefined) => {
    const { canceled, filePaths } = await dialog.showOpenDialog(context.window(), {
      ...options,
      ...startFolder(startIn),
    })
    return { path: canceled ? null : (filePaths[0] ?? null) }
  }
  return {
    info: () => {
      const reloaded = context.reloadReason()
      return {
        kind: 'electron' as const,
        version: packageVersion(),
        platform: process.platform,
        nativeDialogs: true,
        // macOS draws its own three in the corner.
        windowButtons: process.platform !== 'darwin',
        ...(reloaded === undefined ? {} : { reloaded }),
      }
    },
    chooseFolder: async ({ title, startIn }) =>
      await choose({ title, properties: ['openDirectory', 'createDirectory'] }, startIn),
    chooseFile: async ({ title, startIn }) => await choose({ title, properties: ['openFile'] }, startIn),
    chooseSavePath: async ({ title, startIn, suggestedName }) => {
      // A suggestion is a name, never a way to another folder.
      const name = path.basename(suggestedName)
      const { canceled, filePath } = await dialog.showSaveDialog(context.window(), {
        title,
        defaultPath: startIn === undefined ? name : path.join(startIn, name),
        properties: ['createDirectory', 'showOverwriteConfirmation'],
      })
      return { path: canceled || filePath === '' ? null : filePath }
    },
    showInFolder: ({ path: place }) => {
      if (!path.isAbsolute(place) || !existsSync(place)) {
        throw new PhasemarkError('NotFound', `${place}: expected a file or folder to show, found none`, {
          path: place,
        })
      }
      shell.showItemInFolder(place)
      return {}
    },
    openExternal: async ({ url }) => {
      if (!isExternalPage(url)) {
        throw new PhasemarkError(
          'WrongUsage',
          `openExternal: expected one of the pages that Phasemark links to, found "${url.slice(0, 200)}"`,
          { argument: 'url' },
        )
      }
      await shell.openExternal(url)
      return {}
    },
    window: ({ action }) => {
      const window = context.window()
      switch (action) {
        case 'minimise':
          window.minimize()
          break
        case 'toggle-maximise':
          if (window.isMaximized()) window.unmaximize()
          else window.maximize()
          break
        case 'close':
          // After this answer has left: the window that asked is the one that goes.
          setImmediate(() => {
            if (!window.isDestroyed()) window.close()
          })
          break
      }
      return {}
    },
    processes: () => context.processes.statuses(),
    restartProcess: async ({ name }) => {
      await context.processes.restart(name)
      return {}
    },
    takeOpenRequests: () => context.openRequests.take(),
  }
}

/** Dialogs start where asked, when that is still there; otherwise where the system started the last one. */
function startFolder(startIn: string | undefined): { defaultPath?: string } {
  return startIn !== undefined && path.isAbsolute(startIn) && existsSync(startIn)
    ? { defaultPath: startIn }
    : {}
}

import path from 'node:path'
import { app, dialog } from 'electron'
import type { Session, WebContents } from 'electron'
import { hostContract } from '../../../shared/contract/contract.ts'
import type { Emit } from '../../../shared/contract/definition.ts'
import type { hostService } from '../../../shared/contract/host.ts'
import { createPortChannel } from '../../../shared/contract/transport/message-port.ts'
import { serveContract } from '../../../shared/contract/transport/serve-contract.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import { createSupervisor } from '../processes/supervisor.ts'
import { installAppMenu } from './app-menu.ts'
import { createHostService } from './host-service.ts'
import { builtFiles, MainWindow } from './main-window.ts'
import { OpenRequests, secondStartSchema } from './open-requests.ts'
import { startUtilityProcess } from './utility-child.ts'
import { WindowPorts } from './window-ports.ts'
import { confine, createWindowSession } from './window-session.ts'

/**
 * Puts the app together: engine processes under supervision, the window, and the host's part of the contract. Resolves when the
 * window is loaded.
 *
 * States: starting → running (with or, on macOS, without a window) → quitting (processes let go of the project) → ended.
 *
 * @param paths what the command line asked to open
 */
export async function startApp(paths: readonly string[]): Promise<void> {
  const { windowFolder, preload } = builtFiles()
  let window: MainWindow | null = null
  const contents = (): WebContents | null =>
    window === null || window.browserWindow.isDestroyed() ? null : window.browserWindow.webContents

  // Nobody is connected before the host is served.
  let announce: Emit<typeof hostService> = () => undefined
  const openRequests = new OpenRequests(() => {
    announce('openRequested', {})
  })
  const supervisor = createSupervisor({
    spawn: startUtilityProcess,
    onStatus: (status) => {
      announce('processChanged', status)
    },
  })
  const service = createHostService({
    window: () => {
      if (window === null) throw new PhasemarkError('Internal', 'there is no window', {})
      return window.browserWindow
    },
    openRequests,
    processes: supervisor,
    reloadReason: () => window?.reloadReason,
  })
  const host = serveContract(
    hostContract,
    (emitter) => {
      announce = emitter('host')
      return { host: service }
    },
    {
      reportDefect: (error, where) => {
        console.error(`phasemark: defect in ${where}:`, error)
      },
    },
  )
  const ports = new WindowPorts({
    contents,
    serveHost: (port) => {
      host.connect(createPortChannel(port))
    },
    attach: (name, connect) => supervisor.attach(name, connect),
  })

  let windowSession: Session | null = null
  let boundsKept = Promise.resolve()
  const openWindow = async (session: Session): Promise<void> => {
    const opened = new MainWindow({
      session,
      preload,
      boundsFile: path.join(app.getPath('userData'), 'window-bounds.json'),
      onLoad: () => {
        ports.forget()
      },
      onClose: (kept) => {
        boundsKept = kept
      },
    })
    window = opened
    opened.browserWindow.on('closed', () => {
      ports.forget()
      window = null
    })
    try {
      await opened.load()
    } catch (error) {
      // Somebody closed the window before its page was there: nothing failed.
      if (!opened.closing) throw error
    }
  }
  const showWindow = (): void => {
    // Before Electron is ready the window is on its way anyway.
    if (windowSession === null) return
    if (window !== null) window.raise()
    else openWindow(windowSession).catch(failToOpen)
  }

  // Chromium takes WebGL from a page after two deaths of the graphics process, which protects from hostile pages; ours is the
  // only one, and without WebGL there is no picture.
  app.disableDomainBlockingFor3DAPIs()
  // WebGL in software where there is no graphics card. Chromium calls it unsafe because of what hostile pages might do with it.
  app.commandLine.appendSwitch('enable-unsafe-swiftshader')
  // Without it V8 collects garbage after every slice of some megabytes that arrives in the window, for longer than the slice took
  // to come. Newer V8 always does this and does not know the flag any more, which it ignores.
  app.commandLine.appendSwitch('js-flags', '--external-memory-accounted-in-global-limit')
  app.on('web-contents-created', (_event, created) => {
    confine(created)
  })
  app.on('second-instance', (_event, _arguments, _folder, data) => {
    const second = secondStartSchema.safeParse(data)
    if (second.success) openRequests.add(second.data.paths)
    showWindow()
  })
  app.on('open-file', (event, file) => {
    event.preventDefault()
    openRequests.add([file])
  })
  app.on('activate', showWindow)
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit()
  })
  closeGentlyOnQuit(async () => {
    await Promise.all([supervisor.close(), boundsKept])
  })

  openRequests.add(paths)
  await app.whenReady()
  installAppMenu()
  supervisor.start()
  windowSession = createWindowSession(windowFolder)
  await openWindow(windowSession)
}

/** Says why there is no window, and ends. */
export function failToOpen(error: unknown): void {
  // For whoever started it from a terminal; the dialog waits until somebody sees it.
  console.error('phasemark: the window could not be opened:', error)
  dialog.showErrorBox('Phasemark could not start', error instanceof Error ? error.message : String(error))
  app.exit(1)
}

/** Quitting waits for `close`, which ends by itself; a second wish to quit does not start it again. */
function closeGentlyOnQuit(close: () => Promise<void>): void {
  let state: 'running' | 'closing' | 'closed' = 'running'
  app.on('will-quit', (event) => {
    if (state === 'closed') return
    event.preventDefault()
    if (state === 'closing') return
    state = 'closing'
    close()
      .catch((error: unknown) => {
        console.error('phasemark: the engine processes did not end properly:', error)
      })
      .finally(() => {
        state = 'closed'
        app.quit()
      })
  })
}

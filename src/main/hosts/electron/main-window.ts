import path from 'node:path'
import { app, BrowserWindow, dialog, screen } from 'electron'
import type { Session } from 'electron'
import { windowAddress } from './addresses.ts'
import { minimumSize, placeWindow, readBounds, writeBounds } from './window-bounds.ts'

export interface MainWindowOptions {
  readonly session: Session
  readonly preload: string
  readonly boundsFile: string
  /** The page is about to be loaded, or loaded again: its connections have ended. */
  readonly onLoad: () => void
  /** The window is closing; `kept` resolves when its place is on disk, or cannot be written. */
  readonly onClose: (kept: Promise<void>) => void
}

/** A page that ends this often within this time is not loaded again without being asked. */
const crashLimit = 3
const crashWindowMs = 60_000

/** `--bg-app` of the dark theme: what is seen before the first frame of the page. */
const backgroundColour = '#161616'

/**
 * The window. When its page's process ends, the page is loaded again and told why ({@link reloadReason}); when that
 * happens again and again, the user decides.
 */
export class MainWindow {
  readonly browserWindow: BrowserWindow
  readonly #options: MainWindowOptions
  #reloadReason: string | undefined
  #nextReloadReason: string | undefined
  #crashes: number[] = []
  #closing = false

  constructor(options: MainWindowOptions) {
    this.#options = options
    const primary = screen.getPrimaryDisplay()
    const others = screen.getAllDisplays().filter(({ id }) => id !== primary.id)
    const { maximised, ...bounds } = placeWindow(
      readBounds(options.boundsFile),
      [primary, ...others].map(({ workArea }) => workArea),
    )
    this.browserWindow = new BrowserWindow({
      ...bounds,
      minWidth: minimumSize.width,
      minHeight: minimumSize.height,
      title: 'Phasemark',
      show: false,
      backgroundColor: backgroundColour,
      // The page draws the title bar; macOS keeps its own three buttons in it.
      ...(process.platform === 'darwin' ? { titleBarStyle: 'hidden' as const } : { frame: false }),
      webPreferences: {
        session: options.session,
        preload: options.preload,
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        nodeIntegrationInSubFrames: false,
        nodeIntegrationInWorker: false,
        webSecurity: true,
        webviewTag: false,
        allowRunningInsecureContent: false,
        experimentalFeatures: false,
        navigateOnDragDrop: false,
        safeDialogs: true,
        spellcheck: false,
        devTools: !app.isPackaged,
      },
    })
    if (maximised) this.browserWindow.maximize()
    this.#listen()
  }

  async load(): Promise<void> {
    await this.browserWindow.loadURL(windowAddress)
  }

  /** Why the page that is shown now was loaded, when that was not a wish of the user. */
  get reloadReason(): string | undefined {
    return this.#reloadReason
  }

  /** Whether somebody has begun to close it. */
  get closing(): boolean {
    return this.#closing
  }

  /** Brings the window to the front, for a second start. */
  raise(): void {
    if (this.browserWindow.isMinimized()) this.browserWindow.restore()
    this.browserWindow.show()
    this.browserWindow.focus()
  }

  #listen(): void {
    const window = this.browserWindow
    window.once('ready-to-show', () => {
      window.show()
    })
    window.webContents.on('did-start-navigation', ({ isMainFrame, isSameDocument }) => {
      if (!isMainFrame || isSameDocument) return
      this.#reloadReason = this.#nextReloadReason
      this.#nextReloadReason = undefined
      this.#options.onLoad()
    })
    window.webContents.on('render-process-gone', (_event, { reason, exitCode }) => {
      // `clean-exit` is a page that is being closed.
      if (reason !== 'clean-exit') this.#afterCrash(reason, exitCode)
    })
    window.webContents.on('will-prevent-unload', (event) => {
      // Preventing this event lets the page go.
      if (this.#confirmLosingStrokes()) event.preventDefault()
    })
    window.on('close', () => {
      this.#closing = true
      this.#options.onClose(this.#rememberBounds())
    })
  }

  /** The page holds strokes that could not be written yet, for want of disk space for instance, and does not want to go. */
  #confirmLosingStrokes(): boolean {
    const response = dialog.showMessageBoxSync(this.browserWindow, {
      type: 'warning',
      title: 'Phasemark',
      message: 'Some strokes are not on disk yet.',
      detail:
        'The journal note in Label says why they wait. Closing now loses these strokes and nothing else.',
      buttons: ['Keep open', 'Close and lose them'],
      defaultId: 0,
      cancelId: 0,
    })
    return response === 1
  }

  #afterCrash(reason: string, exitCode: number): void {
    const now = Date.now()
    this.#crashes = [...this.#crashes.filter((time) => now - time < crashWindowMs), now]
    const what = `The window's process ended (${reason}, code ${exitCode})`
    this.#nextReloadReason = `${what} and the window was loaded again. What was painted is in the project.`
    // From the list of listeners of the crash itself, loading anew would be too early.
    setImmediate(() => {
      if (this.browserWindow.isDestroyed()) return
      if (this.#crashes.length < crashLimit) this.#reload()
      else void this.#askToReload(what)
    })
  }

  #reload(): void {
    this.load().catch((error: unknown) => {
      dialog.showErrorBox('Phasemark', `The window could not be loaded again: ${String(error)}`)
      app.quit()
    })
  }

  async #askToReload(what: string): Promise<void> {
    const { response } = await dialog.showMessageBox(this.browserWindow, {
      type: 'error',
      title: 'Phasemark',
      message: `${what}, ${this.#crashes.length} times within a minute.`,
      detail: 'What was painted is in the project. A graphics driver that fails is a usual cause.',
      buttons: ['Load again', 'Quit'],
      defaultId: 0,
      cancelId: 1,
    })
    if (response !== 0) {
      app.quit()
      return
    }
    this.#crashes = []
    this.#reload()
  }

  async #rememberBounds(): Promise<void> {
    const window = this.browserWindow
    const bounds = { ...window.getNormalBounds(), maximised: window.isMaximized() }
    try {
      await writeBounds(this.#options.boundsFile, bounds)
    } catch (error) {
      // The window opens in its usual place next time; nothing else is lost.
      console.error(`phasemark: the window's place was not kept: ${String(error)}`)
    }
  }
}

/** Folder of the built window and path of the preload script, from this file's place in `dist/main/hosts/electron`. */
export function builtFiles(): { windowFolder: string; preload: string } {
  const dist = path.resolve(import.meta.dirname, '../../..')
  return {
    windowFolder: path.join(dist, 'renderer'),
    preload: path.join(dist, 'preload', 'preload.cjs'),
  }
}

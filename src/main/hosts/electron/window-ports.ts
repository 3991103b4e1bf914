import { ipcMain, MessageChannelMain } from 'electron'
import type { MessagePortMain, WebContents } from 'electron'
import { z } from 'zod'
import { engineProcessSchema } from '../../../shared/contract/host.ts'
import type { EngineProcess } from '../../../shared/contract/host.ts'
import { isFromWindow } from './addresses.ts'
import type { UtilityChild } from './utility-child.ts'

const portRequestSchema = z.enum(['host', ...engineProcessSchema.options])

export interface WindowPortsContext {
  /** The page that may ask; `null` while there is no window. */
  readonly contents: () => WebContents | null
  /** Serves the host's own contract on a port until it closes. */
  readonly serveHost: (port: MessagePortMain) => void
  /** Calls `connect` with the process whenever it runs (again), until the returned function is called. */
  readonly attach: (name: EngineProcess, connect: (child: UtilityChild) => void) => () => void
}

/**
 * Connects the window with the processes: one end of a message channel goes to the window, the other to the process, and
 * nothing between them passes through here. A connection asked for once is made again whenever its process was started again.
 *
 * States per process: not wanted → wanted (asked for, process not running) → connected → wanted again when it ends.
 */
export class WindowPorts {
  readonly #context: WindowPortsContext
  readonly #wanted = new Map<EngineProcess, () => void>()

  constructor(context: WindowPortsContext) {
    this.#context = context
    ipcMain.on('phasemark:request-port', (event, request: unknown) => {
      const contents = context.contents()
      if (contents === null || !isFromWindow(event, contents)) return
      const parsed = portRequestSchema.safeParse(request)
      if (!parsed.success) return
      if (parsed.data === 'host') context.serveHost(sendPort(contents, 'host'))
      else this.#connect(parsed.data)
    })
  }

  /** The page is gone or loaded anew; it asks again for what it wants. */
  forget(): void {
    for (const detach of this.#wanted.values()) detach()
    this.#wanted.clear()
  }

  #connect(name: EngineProcess): void {
    this.#wanted.get(name)?.()
    const detach = this.#context.attach(name, (child) => {
      const contents = this.#context.contents()
      if (contents !== null) child.connect(sendPort(contents, name))
    })
    this.#wanted.set(name, detach)
  }
}

/** Sends one end of a new channel to the page, and returns the other. */
function sendPort(contents: WebContents, name: 'host' | EngineProcess): MessagePortMain {
  const { port1, port2 } = new MessageChannelMain()
  contents.postMessage('phasemark:port', name, [port2])
  return port1
}

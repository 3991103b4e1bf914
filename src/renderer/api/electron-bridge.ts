import type { Channel } from '../../shared/contract/definition.ts'
import { createPortChannel } from '../../shared/contract/transport/message-port.ts'
import type { HostBridge } from './bridge.ts'

/** What the preload script puts into the page. */
interface Preload {
  requestPort(process: string): void
  pathForFile(file: File): string | null
}

declare global {
  interface Window {
    phasemark?: Preload
  }
}

/** Whether the page runs in Electron. */
export function isElectronWindow(page: Window): boolean {
  return page.phasemark !== undefined
}

/**
 * The bridge to Electron's main process: it sends a port per process when it is asked, and another one each time the process was
 * started again, as a message of the page, `{ phasemark: 'port', process }`.
 */
export function electronBridge(page: Window): HostBridge {
  const { phasemark } = page
  if (phasemark === undefined) throw new Error('expected the preload script of the desktop app, found none')
  const receivers = new Map<string, (port: MessagePort) => void>()
  page.addEventListener('message', (event: MessageEvent<unknown>) => {
    // The preload script speaks as the page itself; frames and other windows have other sources.
    if (event.source !== page || !isPortMessage(event.data) || event.ports.length !== 1) return
    receivers.get(event.data.process)?.(event.ports[0])
  })
  return {
    connect(process, onChannel) {
      let current: Channel | null = null
      receivers.set(process, (port) => {
        // A port whose other end died says so a moment later than its successor may come.
        current?.close('the process was started again')
        current = createPortChannel(port)
        onChannel(current)
      })
      phasemark.requestPort(process)
    },
    pathForFile: (file) => phasemark.pathForFile(file),
  }
}

function isPortMessage(data: unknown): data is { phasemark: 'port'; process: string } {
  return (
    typeof data === 'object' &&
    data !== null &&
    'phasemark' in data &&
    data.phasemark === 'port' &&
    'process' in data &&
    typeof data.process === 'string'
  )
}

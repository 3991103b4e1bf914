import { contextBridge, ipcRenderer, webUtils } from 'electron'

/** What the page sees of Electron: two functions. Everything else goes through the ports that they bring. */
export interface PreloadBridge {
  /** Asks for a connection to a process. It comes as a message of the window, `{ phasemark: 'port', process }`, with the port. */
  requestPort(process: 'host' | 'data' | 'compute'): void
  /** Path of a dropped file or folder, `null` when it is not one of the disk. */
  pathForFile(file: File): string | null
}

const bridge: PreloadBridge = {
  requestPort(process) {
    ipcRenderer.send('phasemark:request-port', process)
  },
  pathForFile(file) {
    return webUtils.getPathForFile(file) || null
  },
}

// The ports come from the main process only; the page's own messages never reach `ipcRenderer`.
ipcRenderer.on('phasemark:port', ({ ports }, process: string) => {
  window.postMessage({ phasemark: 'port', process }, window.location.origin, [...ports])
})

contextBridge.exposeInMainWorld('phasemark', bridge)

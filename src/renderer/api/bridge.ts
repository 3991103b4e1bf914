import type { Channel } from '../../shared/contract/definition.ts'

/** How the window reaches its processes. Electron's preload and the WebSocket client each implement it. */
export interface HostBridge {
  /**
   * Calls `onChannel` with a connection to that process, and with a new one each time the process was started again or the
   * line was restored. The old channel is closed by then.
   */
  connect(process: 'host' | 'data' | 'compute', onChannel: (channel: Channel) => void): void
  /** Path of a dropped file or folder; `null` where the window cannot know it (a browser). */
  pathForFile(file: File): string | null
}

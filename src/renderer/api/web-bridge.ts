import type { Channel } from '../../shared/contract/definition.ts'
import { createSocketChannel, ping } from '../../shared/contract/transport/web-socket.ts'
import type { HostBridge } from './bridge.ts'

/** Waiting before the next attempt, by number of failures in a row; the last one goes on for ever. */
const retryDelaysMs = [0, 250, 500, 1000, 2000] as const

/**
 * How often to ask the server for a sign of life, and how long its silence may be. A tunnel that broke tells nobody; without
 * asking, the window would wait for answers for ever. Long enough for a network that stutters.
 */
const pingIntervalMs = 10_000
const longestSilenceMs = 30_000

/** A connection that held this long was a good one: the next failure is retried at once. */
const goodAfterMs = 5000

/** The bridge to the web host that served the page: one WebSocket per process at `/rpc/<process>`, opened again when it breaks. */
export function webBridge(location: Pick<Location, 'protocol' | 'host'>): HostBridge {
  const base = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/rpc/`
  return {
    connect(process, onChannel) {
      let failures = 0
      const open = (): void => {
        openSocket(base + process, onChannel, (lastedMs) => {
          failures = lastedMs > goodAfterMs ? 0 : failures + 1
          setTimeout(open, retryDelaysMs[Math.min(failures, retryDelaysMs.length - 1)])
        })
      }
      open()
    },
    // A browser tells no page where a file lies.
    pathForFile: () => null,
  }
}

/**
 * Opens one socket.
 *
 * @param onEnd called once when it could not be opened, has ended, or is given up; with how long it was open
 */
function openSocket(
  address: string,
  onChannel: (channel: Channel) => void,
  onEnd: (lastedMs: number) => void,
): void {
  const socket = new WebSocket(address)
  let channel: Channel | null = null
  let openedAt = Number.POSITIVE_INFINITY
  let lastHeard = performance.now()
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    clearInterval(watch)
    onEnd(Math.max(0, performance.now() - openedAt))
  }
  const watch = setInterval(() => {
    if (performance.now() - lastHeard > longestSilenceMs) {
      // The other side cannot say goodbye any more, and the browser would wait for it for minutes.
      if (channel === null) socket.close()
      else channel.close('the server gave no sign of life')
      end()
    } else if (socket.readyState === WebSocket.OPEN) {
      socket.send(ping)
    }
  }, pingIntervalMs)
  socket.addEventListener('message', () => {
    lastHeard = performance.now()
  })
  socket.addEventListener('open', () => {
    if (ended) return
    openedAt = performance.now()
    channel = createSocketChannel(socket)
    channel.onClose(end)
    onChannel(channel)
  })
  socket.addEventListener('close', end)
}

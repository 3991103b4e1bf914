import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Channel } from '../../../shared/contract/definition.ts'
import { engineProcessSchema, type EngineProcess } from '../../../shared/contract/host.ts'
import { relay } from '../../../shared/contract/transport/relay.ts'
import { createSocketChannel, largestFrameBytes } from '../../../shared/contract/transport/web-socket.ts'
import type { ForkedChild } from '../processes/forked-child.ts'

export interface RpcSocketsContext {
  /** Serves the host's own contract on a channel until it closes. */
  serveHost: (channel: Channel) => void
  /** The process when it is running now, else `null`: the window tries again. */
  running: (name: EngineProcess) => ForkedChild | null
}

export interface RpcSockets {
  /** Takes a connection whose request has passed every check; `path` is `/rpc/host`, `/rpc/data` or `/rpc/compute`. */
  take(path: string, request: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): void
}

/** A browser that vanished without closing (a laptop lid, a broken tunnel) is noticed after two of these. */
const heartbeatMs = 15_000

/**
 * Connects browsers with the processes: what comes over a WebSocket goes to a channel of the process and back. When the
 * process ends, its sockets close, and the window connects again.
 */
export function createRpcSockets(context: RpcSocketsContext): RpcSockets {
  // Compression would cost more time than loopback costs; it is the tunnel's business.
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: largestFrameBytes,
    perMessageDeflate: false,
  })
  const heard = new WeakSet<WebSocket>()
  const heartbeat = setInterval(() => {
    for (const socket of server.clients) {
      if (!heard.has(socket)) socket.terminate()
      heard.delete(socket)
      socket.ping()
    }
  }, heartbeatMs)

  return {
    take(path, request, socket, head) {
      const name = path.startsWith('/rpc/') ? path.slice('/rpc/'.length) : ''
      const process = engineProcessSchema.safeParse(name)
      if (name !== 'host' && !process.success) {
        refuse(socket, '404 Not Found')
        return
      }
      const child = process.success ? context.running(process.data) : null
      if (process.success && child === null) {
        refuse(socket, '503 Service Unavailable')
        return
      }
      server.handleUpgrade(request, socket, head, (webSocket) => {
        heard.add(webSocket)
        webSocket.on('pong', () => heard.add(webSocket))
        webSocket.on('message', () => heard.add(webSocket))
        const channel = createSocketChannel(webSocket)
        if (child === null) context.serveHost(channel)
        else relay(channel, child.openChannel())
      })
    },
    close() {
      clearInterval(heartbeat)
      for (const socket of server.clients) socket.terminate()
      server.close()
    },
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { WebSocket, WebSocketServer } from 'ws'
import { forkModule } from '../../../src/main/hosts/processes/forked-child.ts'
import type { Channel } from '../../../src/shared/contract/definition.ts'
import { createLoopback } from '../../../src/shared/contract/transport/loopback.ts'
import { createPortChannel } from '../../../src/shared/contract/transport/message-port.ts'
import type { PortLike } from '../../../src/shared/contract/transport/message-port.ts'
import { relay } from '../../../src/shared/contract/transport/relay.ts'
import { createSocketChannel } from '../../../src/shared/contract/transport/web-socket.ts'
import { createTestServer } from './test-server.ts'

/** A peer that serves the test contract over one transport. */
export interface Peer {
  /** A new connection to it. */
  connect(): Promise<Channel>
  /** Ends it as roughly as the transport can end: a kill, a terminated thread, a destroyed socket. */
  kill(): Promise<void>
  /** Ends whatever is left. */
  dispose(): Promise<void>
}

export interface Transport {
  name: string
  start(): Promise<Peer>
}

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const runTypescript = ['--import', path.resolve(beside('run-typescript.mjs'))]

export const transports: readonly Transport[] = [
  { name: 'loopback', start: () => Promise.resolve(startLoopback()) },
  { name: 'message port', start: () => Promise.resolve(startPorts((port) => port)) },
  // Electron's `MessagePortMain` has `on` only, and hands its listeners events.
  { name: 'emitter port', start: () => Promise.resolve(startPorts(asEmitterPort)) },
  { name: 'worker thread', start: startWorker },
  { name: 'child process', start: startChild },
  { name: 'web socket', start: startSockets },
  { name: 'web socket to child process', start: startRelay },
]

function startLoopback(): Peer {
  const server = createTestServer()
  const served: Channel[] = []
  return {
    connect() {
      const [client, peer] = createLoopback()
      server.connect(peer)
      served.push(peer)
      return Promise.resolve(client)
    },
    kill() {
      for (const channel of served) channel.close('killed')
      return Promise.resolve()
    },
    dispose() {
      server.close()
      return Promise.resolve()
    },
  }
}

function startPorts(adapt: (port: MessagePort) => PortLike): Peer {
  const server = createTestServer()
  const ports: MessagePort[] = []
  const close = (): Promise<void> => {
    for (const port of ports) port.close()
    return Promise.resolve()
  }
  return {
    connect() {
      const { port1, port2 } = new MessageChannel()
      server.connect(createPortChannel(adapt(port1)))
      ports.push(port1)
      return Promise.resolve(createPortChannel(adapt(port2)))
    },
    kill: close,
    dispose: close,
  }
}

function asEmitterPort(port: MessagePort): PortLike {
  return {
    postMessage: (message) => {
      port.postMessage(message)
    },
    start: () => {
      port.start()
    },
    close: () => {
      port.close()
    },
    on: (event: 'message' | 'close', listener: (event: { readonly data: unknown }) => void) => {
      port.addEventListener(event, listener as unknown as () => void)
    },
  }
}

async function startWorker(): Promise<Peer> {
  const worker = new Worker(new URL('contract-worker.ts', import.meta.url), { execArgv: [...runTypescript] })
  await once(worker, 'online')
  const terminate = async (): Promise<void> => {
    await worker.terminate()
  }
  return {
    connect() {
      const { port1, port2 } = new MessageChannel()
      worker.postMessage(port1, [port1 as never])
      return Promise.resolve(createPortChannel(port2))
    },
    kill: terminate,
    dispose: terminate,
  }
}

/** A child process as the supervisor starts it. */
export async function startTestChild() {
  const child = forkModule(beside('contract-child.ts'), {
    execArgv: runTypescript,
    log: (text) => {
      console.error(text)
    },
  })
  const ended = new Promise<void>((resolve) => {
    child.onEnd(() => {
      resolve()
    })
  })
  await new Promise<void>((resolve) => {
    child.onReady(resolve)
  })
  return { child, ended }
}

async function startChild(): Promise<Peer> {
  const { child, ended } = await startTestChild()
  const kill = async (): Promise<void> => {
    child.kill()
    await ended
  }
  return { connect: () => Promise.resolve(child.openChannel()), kill, dispose: kill }
}

async function startSockets(): Promise<Peer> {
  const server = createTestServer()
  return await startSocketServer((channel) => {
    server.connect(channel)
  })
}

/** What the web host does: sockets on one side, channels of a child process on the other. */
async function startRelay(): Promise<Peer> {
  const { child, ended } = await startTestChild()
  const sockets = await startSocketServer((channel) => {
    relay(channel, child.openChannel())
  })
  const kill = async (): Promise<void> => {
    child.kill()
    await ended
  }
  return {
    connect: () => sockets.connect(),
    kill,
    async dispose() {
      await kill()
      await sockets.dispose()
    },
  }
}

/** Calls `onChannel` with the server's end of every connection. */
export async function startSocketServer(
  onChannel: (channel: Channel) => void,
): Promise<Peer & { port: number }> {
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  sockets.on('connection', (socket) => {
    onChannel(createSocketChannel(socket))
  })
  await once(sockets, 'listening')
  const { port } = sockets.address() as AddressInfo
  const terminate = (): void => {
    for (const socket of sockets.clients) socket.terminate()
  }
  return {
    port,
    async connect() {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`)
      await once(socket, 'open')
      return createSocketChannel(socket)
    },
    kill() {
      terminate()
      return Promise.resolve()
    },
    dispose() {
      terminate()
      sockets.close()
      return Promise.resolve()
    },
  }
}

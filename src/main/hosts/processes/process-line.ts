import type { Channel } from '../../../shared/contract/definition.ts'
import { createPortChannel } from '../../../shared/contract/transport/message-port.ts'
import type { PortLike } from '../../../shared/contract/transport/message-port.ts'
import { createMultiplexer, isMultiplexFrame } from '../../../shared/contract/transport/multiplex.ts'
import { processRequestSchema, readyMessage } from './process-messages.ts'
import type { ProcessRequest } from './process-messages.ts'

/** What an engine process does for its host. */
export interface ProcessDuties {
  /** A client has connected. */
  connect(channel: Channel): void
  /** Lets go of everything; the process ends when the promise settles. */
  shutdown(): Promise<void>
}

/** Electron's `process.parentPort` in a utility process; Electron's own types exist in its host only. */
interface ParentPort {
  on(
    event: 'message',
    listener: (event: { readonly data: unknown; readonly ports: readonly PortLike[] }) => void,
  ): void
  postMessage(message: unknown): void
}

/** How often to look whether the parent lives. A parent that is killed closes the line, but not in every case at once. */
const parentCheckMs = 1000

/** A shutdown that hangs must not leave a process behind. Longer than the host waits before it kills. */
const shutdownLimitMs = 8000

/**
 * The engine process's side of the line to its host: Electron's main process over `parentPort`, or the parent of a plain child
 * process. Ends the process when the host asks for it or is gone. Returns after the host was told that clients may connect.
 */
export function openProcessLine(duties: ProcessDuties): void {
  const end = onceOnly(duties)
  const parentPort = 'parentPort' in process ? (process.parentPort as ParentPort | null) : null
  if (parentPort !== null) servePort(parentPort, duties, end)
  else if (process.send !== undefined) serveParent(process.send.bind(process), duties, end)
  else throw new Error('an engine process is started by its host, not by itself')
  watchParent(end)
}

function servePort(parentPort: ParentPort, duties: ProcessDuties, end: () => void): void {
  parentPort.on('message', ({ data, ports }) => {
    const request = processRequestSchema.parse(data)
    if (request.phasemark === 'connect' && ports.length === 1) duties.connect(createPortChannel(ports[0]))
    else obey(request, end)
  })
  parentPort.postMessage(readyMessage)
}

function serveParent(send: (message: object) => unknown, duties: ProcessDuties, end: () => void): void {
  const multiplexer = createMultiplexer(
    (frame) => {
      if (process.connected) send(frame)
    },
    (channel) => {
      duties.connect(channel)
    },
  )
  process.on('message', (message: unknown) => {
    if (isMultiplexFrame(message)) multiplexer.receive(message)
    else obey(processRequestSchema.parse(message), end)
  })
  process.on('disconnect', () => {
    multiplexer.ended('the host ended')
    end()
  })
  // It may have ended while this process was made ready.
  if (process.connected) send(readyMessage)
  else end()
}

function obey(request: ProcessRequest, end: () => void): void {
  switch (request.phasemark) {
    case 'shutdown':
      end()
      break
    case 'connect':
      throw new Error('expected a port with the request to connect, found none')
  }
}

function onceOnly(duties: ProcessDuties): () => void {
  let ending = false
  return () => {
    if (ending) return
    ending = true
    setTimeout(() => {
      process.exit(1)
    }, shutdownLimitMs)
    duties.shutdown().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
}

function watchParent(end: () => void): void {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent || !lives(parent)) end()
  }, parentCheckMs).unref()
}

/** On Windows the number of the parent stays when it has ended. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

import type { Channel } from '../definition.ts'
import { createChannelEnd } from './channel-end.ts'
import { withOwnMemory } from './own-memory.ts'

/** A port of the DOM or of a Node worker thread. */
interface EventTargetPort {
  postMessage(message: unknown): void
  start(): void
  close(): void
  addEventListener(
    type: 'message' | 'messageerror' | 'close',
    listener: (event: { readonly data?: unknown }) => void,
  ): void
}

/** Electron's `MessagePortMain`. */
interface EmitterPort {
  postMessage(message: unknown): void
  start(): void
  close(): void
  on(event: 'message', listener: (event: { readonly data: unknown }) => void): unknown
  on(event: 'close', listener: () => void): unknown
}

export type PortLike = EventTargetPort | EmitterPort

/** A channel over one port of a message channel: DOM, worker thread, Electron. It owns the port. */
export function createPortChannel(port: PortLike): Channel {
  const end = createChannelEnd({
    post(message) {
      port.postMessage(withOwnMemory(message))
    },
    close() {
      port.close()
    },
  })
  const onMessage = (event: { readonly data?: unknown }): void => {
    end.receive(event.data)
  }
  const onClose = (): void => {
    end.ended('the other side closed the port or ended')
  }
  if ('addEventListener' in port) {
    port.addEventListener('message', onMessage)
    port.addEventListener('messageerror', () => {
      end.channel.close('malformed frame: a message that cannot be read')
    })
    port.addEventListener('close', onClose)
  } else {
    port.on('message', onMessage)
    port.on('close', onClose)
  }
  port.start()
  return end.channel
}

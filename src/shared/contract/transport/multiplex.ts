import type { Channel } from '../definition.ts'
import { createChannelEnd } from './channel-end.ts'
import type { ChannelEnd } from './channel-end.ts'

/** Several channels over one line, such as the one between a process and its child. Ids are given by the opening side. */

export interface MultiplexFrame {
  phasemark: 'channel'
  id: number
  kind: 'open' | 'message' | 'close'
  /** The message, or the reason of the close. */
  body: unknown
}

export function isMultiplexFrame(message: unknown): message is MultiplexFrame {
  return (
    typeof message === 'object' &&
    message !== null &&
    'phasemark' in message &&
    message.phasemark === 'channel' &&
    'id' in message &&
    Number.isSafeInteger(message.id) &&
    'kind' in message &&
    (message.kind === 'open' || message.kind === 'message' || message.kind === 'close')
  )
}

export interface Multiplexer {
  /** Opens a channel to the other side. */
  open(): Channel
  /** Takes a frame that came over the line. */
  receive(frame: MultiplexFrame): void
  /** The line has ended, and with it all channels. */
  ended(reason: string): void
}

/**
 * @param post sends a frame over the line
 * @param onOpen called with each channel that the other side opens; without it, such channels are refused
 */
export function createMultiplexer(
  post: (frame: MultiplexFrame) => void,
  onOpen?: (channel: Channel) => void,
): Multiplexer {
  const ends = new Map<number, ChannelEnd>()
  let lastId = 0
  let endReason: string | null = null

  function createEnd(id: number): ChannelEnd {
    const end = createChannelEnd({
      post(message) {
        post({ phasemark: 'channel', id, kind: 'message', body: message })
      },
      close(reason) {
        ends.delete(id)
        post({ phasemark: 'channel', id, kind: 'close', body: reason })
      },
    })
    ends.set(id, end)
    return end
  }

  return {
    open() {
      const id = ++lastId
      const end = createEnd(id)
      if (endReason === null) post({ phasemark: 'channel', id, kind: 'open', body: null })
      else end.ended(endReason)
      return end.channel
    },
    receive({ id, kind, body }) {
      const end = ends.get(id)
      switch (kind) {
        case 'open':
          if (onOpen === undefined || end !== undefined) {
            post({ phasemark: 'channel', id, kind: 'close', body: 'a channel that cannot be opened' })
          } else {
            onOpen(createEnd(id).channel)
          }
          break
        case 'message':
          // Messages may cross a close on their way.
          end?.receive(body)
          break
        case 'close':
          ends.delete(id)
          end?.ended(typeof body === 'string' ? body : 'the other side closed the channel')
          break
      }
    },
    ended(reason) {
      endReason ??= reason
      const all = [...ends.values()]
      ends.clear()
      for (const end of all) end.ended(reason)
    },
  }
}

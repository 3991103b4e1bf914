import type { Channel } from '../definition.ts'
import { createChannelEnd } from './channel-end.ts'
import type { ChannelEnd } from './channel-end.ts'
import { withOwnMemory } from './own-memory.ts'

/**
 * Two ends of a connection in memory, for an engine in the same process and for tests. Messages are cloned and come later, as
 * over any other transport, so that nothing works here that fails there.
 */
export function createLoopback(): [Channel, Channel] {
  const first: ChannelEnd = createChannelEnd(carrierTo(() => second))
  const second: ChannelEnd = createChannelEnd(carrierTo(() => first))
  return [first.channel, second.channel]
}

function carrierTo(other: () => ChannelEnd) {
  return {
    post(message: unknown) {
      const clone = structuredClone(withOwnMemory(message))
      queueMicrotask(() => {
        other().receive(clone)
      })
    },
    close(reason: string) {
      queueMicrotask(() => {
        other().ended(reason)
      })
    },
  }
}

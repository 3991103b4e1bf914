import type { Channel } from '../definition.ts'

/** What a transport does for its channel. */
export interface Carrier {
  /** Sends a message; not called after the end. May throw when the message cannot be carried. */
  post(message: unknown): void
  /** Ends the connection; called at most once, and not when the connection ended by itself. */
  close(reason: string): void
}

/** A channel and the two things that only its transport may do. */
export interface ChannelEnd {
  readonly channel: Channel
  /** Hands over a message that came. */
  receive(message: unknown): void
  /** Says that the connection has ended by itself. Safe to call twice. */
  ended(reason: string): void
}

export const closedHere = 'closed'

/**
 * The part that all transports share: one receiver, messages kept until it is there, everybody told once about the end,
 * nothing sent or received after it.
 */
export function createChannelEnd(carrier: Carrier): ChannelEnd {
  let receiver: ((message: unknown) => void) | null = null
  let early: unknown[] = []
  let endReason: string | null = null
  let closeListeners: ((reason: string) => void)[] = []

  function end(reason: string): void {
    endReason = reason
    early = []
    receiver = null
    const listeners = closeListeners
    closeListeners = []
    for (const listener of listeners) listener(reason)
  }

  return {
    channel: {
      post(message) {
        if (endReason === null) carrier.post(message)
      },
      onMessage(wanted) {
        receiver = wanted
        const waiting = early
        early = []
        for (const message of waiting) receiver(message)
      },
      onClose(listener) {
        if (endReason === null) closeListeners.push(listener)
        else listener(endReason)
      },
      close(reason = closedHere) {
        if (endReason !== null) return
        end(reason)
        carrier.close(reason)
      },
    },
    receive(message) {
      if (endReason !== null) return
      if (receiver === null) early.push(message)
      else receiver(message)
    },
    ended(reason) {
      if (endReason === null) end(reason)
    },
  }
}

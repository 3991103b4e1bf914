import type { Channel } from '../definition.ts'

/** Joins two channels: what comes from one goes to the other, and the end of one is the end of both. Used by hosts in between. */
export function relay(first: Channel, second: Channel): void {
  pass(first, second)
  pass(second, first)
}

function pass(from: Channel, to: Channel): void {
  from.onClose((reason) => {
    to.close(reason)
  })
  from.onMessage((message) => {
    try {
      to.post(message)
    } catch (error) {
      // A message that the other transport cannot carry would leave its caller waiting: the line is broken.
      to.close(`a message could not be passed on: ${error instanceof Error ? error.message : String(error)}`)
    }
  })
}

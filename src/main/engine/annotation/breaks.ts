import { setImmediate } from 'node:timers/promises'

/** A frame of a window has room for this, and for an answer beside it. */
const workMs = 10

/** Lets everything else in this process have its turn now and then during long work on labels. */
export class Breaks {
  #since = performance.now()

  /** Whether this thread has worked long enough to {@link take} one. */
  get isDue(): boolean {
    return performance.now() - this.#since > workMs
  }

  async take(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}

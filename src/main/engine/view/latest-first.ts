import { cancelled } from '../../../shared/errors.ts'

interface Entry {
  urgent: boolean
  order: number
  start: () => Promise<void>
}

/**
 * Runs tasks a few at a time: what was asked for last comes first, and what nobody waits for any more is dropped before it
 * starts. Background tasks run in their order and only when nothing else waits.
 */
export class LatestFirst {
  readonly #waiting = new Set<Entry>()
  readonly #atOnce: number
  #running = 0
  #order = 0

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** Rejects with `Cancelled` as soon as the signal fires; the task is given the same signal. */
  run<Value>(
    task: (signal: AbortSignal) => Promise<Value>,
    { signal, background = false }: { signal: AbortSignal; background?: boolean },
  ): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (signal.aborted) {
        reject(cancelled())
        return
      }
      const entry: Entry = {
        urgent: !background,
        order: background ? -++this.#order : ++this.#order,
        start: () => task(signal).then(resolve, reject),
      }
      const onAbort = () => {
        this.#waiting.delete(entry)
        reject(cancelled())
      }
      signal.addEventListener('abort', onAbort, { once: true })
      const start = entry.start
      entry.start = () =>
        start().finally(() => {
          signal.removeEventListener('abort', onAbort)
        })
      this.#waiting.add(entry)
      this.#next()
    })
  }

  #next(): void {
    while (this.#running < this.#atOnce) {
      let best: Entry | undefined
      for (const entry of this.#waiting) {
        if (best === undefined || isBefore(entry, best)) best = entry
      }
      if (best === undefined) return
      this.#waiting.delete(best)
      this.#running++
      void best.start().finally(() => {
        this.#running--
        this.#next()
      })
    }
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.urgent === right.urgent ? left.order > right.order : left.urgent
}

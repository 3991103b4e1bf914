import { cancelled } from '../../shared/errors.ts'

/** Requests that somebody waits for, at the same time: one per plane of the linked view. */
const concurrentWaiting = 3
/** Requests read ahead, at the same time, and only while nobody waits. */
const concurrentAhead = 1

interface Entry {
  key: string
  start: (signal: AbortSignal) => Promise<unknown>
  controller: AbortController
  promise: Promise<unknown>
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  /** How many wait for it; 0 = read ahead. */
  waiting: number
  running: boolean
}

/**
 * Keeps few requests under way: those that somebody waits for first, newest first; equal ones are made once; those that nobody waits for
 * any more are aborted; reading ahead gives way.
 */
export class RequestQueue {
  private readonly entries = new Map<string, Entry>()
  private disposed = false

  /**
   * Runs `start` when its turn comes. Rejects with `Cancelled` as soon as `signal` fires; the request itself is aborted when no other
   * caller waits for the same `key`.
   */
  async run<Result>(
    key: string,
    start: (signal: AbortSignal) => Promise<Result>,
    options: { signal?: AbortSignal; ahead: boolean },
  ): Promise<Result> {
    if (this.disposed || options.signal?.aborted === true) throw cancelled()
    const entry = this.entries.get(key) ?? this.add(key, start)
    if (options.ahead) {
      this.pump()
      return (await entry.promise) as Result
    }
    entry.waiting++
    this.abortAhead()
    this.pump()
    const { signal } = options
    return await new Promise<Result>((resolve, reject) => {
      const onAbort = (): void => {
        entry.waiting--
        if (entry.waiting === 0) this.drop(entry)
        reject(cancelled())
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      entry.promise
        .then((value) => resolve(value as Result), reject)
        .finally(() => signal?.removeEventListener('abort', onAbort))
    })
  }

  /** Aborts everything. */
  dispose(): void {
    this.disposed = true
    for (const entry of [...this.entries.values()]) this.drop(entry)
  }

  private add(key: string, start: (signal: AbortSignal) => Promise<unknown>): Entry {
    let resolve: (value: unknown) => void = () => undefined
    let reject: (error: unknown) => void = () => undefined
    const promise = new Promise<unknown>((keep, refuse) => {
      resolve = keep
      reject = refuse
    })
    // Whoever waits hears of it; a request that nobody waits for may fail in silence.
    promise.catch(() => undefined)
    const entry: Entry = {
      key,
      start,
      controller: new AbortController(),
      promise,
      resolve,
      reject,
      waiting: 0,
      running: false,
    }
    this.entries.set(key, entry)
    return entry
  }

  private abortAhead(): void {
    for (const entry of [...this.entries.values()]) if (entry.waiting === 0) this.drop(entry)
  }

  private drop(entry: Entry): void {
    if (this.entries.get(entry.key) === entry) this.entries.delete(entry.key)
    entry.controller.abort()
    entry.reject(cancelled())
    this.pump()
  }

  private pump(): void {
    const all = [...this.entries.values()]
    const wanted = all.filter((entry) => entry.waiting > 0)
    let running = wanted.filter((entry) => entry.running).length
    for (const entry of wanted.filter(({ running: started }) => !started).reverse()) {
      if (running >= concurrentWaiting) break
      this.begin(entry)
      running++
    }
    if (wanted.length > 0) return
    let ahead = all.filter((entry) => entry.running).length
    for (const entry of all) {
      if (ahead >= concurrentAhead) break
      if (entry.running) continue
      this.begin(entry)
      ahead++
    }
  }

  private begin(entry: Entry): void {
    entry.running = true
    const end = (): void => {
      if (this.entries.get(entry.key) === entry) this.entries.delete(entry.key)
      this.pump()
    }
    entry.start(entry.controller.signal).then(
      (value) => {
        end()
        entry.resolve(value)
      },
      (error: unknown) => {
        end()
        entry.reject(error)
      },
    )
  }
}

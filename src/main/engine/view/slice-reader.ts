import { cancelled, throwIfCancelled } from '../../../shared/errors.ts'
import type { TypedArray } from '../../../shared/volume.ts'
import type { ByteCache } from './byte-cache.ts'
import { LatestFirst } from './latest-first.ts'

/** A plane in memory, only to be read. */
export interface CachedPlane {
  readonly shape: readonly [rows: number, columns: number]
  readonly data: TypedArray
  readonly byteLength: number
}

export interface SliceReaderOptions {
  /** Starts the keys of this volume in the cache. */
  prefix: string
  depth: number
  shapeAt: (level: number) => readonly [rows: number, columns: number]
  cache: ByteCache<CachedPlane>
  load: (z: number, level: number, signal: AbortSignal) => Promise<TypedArray>
}

/** Slices that are read at the same time: one decodes while the other waits for the disk. */
const readsAtOnce = 2
/** Slices read in advance in the direction of scrubbing. */
const readAhead = 4
/** A wider jump is no scrubbing. */
const widestStep = 8

interface Pending {
  promise: Promise<CachedPlane>
  abort: AbortController
  waiting: number
  /** Whether it has left the queue. */
  progress: { running: boolean }
  ahead: boolean
}

/**
 * Slices of one volume through a cache. Callers of the same slice share one read; the latest caller comes first; a read that
 * nobody waits for is dropped.
 */
export class SliceReader {
  readonly #options: SliceReaderOptions
  readonly #queue = new LatestFirst(readsAtOnce)
  readonly #pending = new Map<string, Pending>()
  #last = { z: -1, level: -1 }

  constructor(options: SliceReaderOptions) {
    this.#options = options
  }

  cached(z: number, level: number): CachedPlane | undefined {
    return this.#options.cache.get(this.#key(z, level))
  }

  has(z: number, level: number): boolean {
    return this.#options.cache.has(this.#key(z, level))
  }

  /** The slice averaged in its plane to `level`. Rejects with `Cancelled` as soon as the signal fires. */
  async read(z: number, level: number, signal?: AbortSignal): Promise<CachedPlane> {
    throwIfCancelled(signal)
    const cached = this.cached(z, level)
    const wanted = cached ?? this.#waitFor(z, level, signal)
    this.#readAhead(z, level)
    return await wanted
  }

  close(): void {
    for (const { abort } of this.#pending.values()) abort.abort()
    this.#options.cache.dropAll(this.#options.prefix)
  }

  #key(z: number, level: number): string {
    return `${this.#options.prefix}z/${z}/${level}`
  }

  #waitFor(z: number, level: number, signal: AbortSignal | undefined): Promise<CachedPlane> {
    const key = this.#key(z, level)
    let read = this.#pending.get(key)
    if (read?.ahead === true && !read.progress.running) {
      // It waits behind everything else; somebody is here for it now.
      read.abort.abort()
      read = undefined
    }
    const shared = read ?? this.#start(z, level, false)
    shared.waiting++
    return new Promise<CachedPlane>((resolve, reject) => {
      const onAbort = () => {
        reject(cancelled())
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      shared.promise.then(resolve, reject).finally(() => {
        signal?.removeEventListener('abort', onAbort)
      })
    }).finally(() => {
      shared.waiting--
      if (shared.waiting === 0 && signal?.aborted === true) shared.abort.abort()
    })
  }

  #start(z: number, level: number, ahead: boolean): Pending {
    const { cache, load, shapeAt } = this.#options
    const key = this.#key(z, level)
    const abort = new AbortController()
    const progress = { running: false }
    const read: Pending = {
      abort,
      waiting: 0,
      progress,
      ahead,
      promise: this.#queue.run(
        async (signal) => {
          progress.running = true
          const data = await load(z, level, signal)
          const plane = { data, shape: shapeAt(level), byteLength: data.byteLength }
          if (!signal.aborted) cache.put(key, plane)
          return plane
        },
        { signal: abort.signal, background: ahead },
      ),
    }
    this.#pending.set(key, read)
    const forget = () => {
      if (this.#pending.get(key) === read) this.#pending.delete(key)
    }
    read.promise.then(forget, forget)
    abort.signal.addEventListener('abort', forget)
    return read
  }

  #readAhead(z: number, level: number): void {
    const step = z - this.#last.z
    const scrubbing = this.#last.level === level && step !== 0 && Math.abs(step) <= widestStep
    this.#last = { z, level }
    const ahead = new Set<string>()
    if (scrubbing) {
      for (let count = 1; count <= readAhead; count++) {
        const next = z + count * step
        if (next < 0 || next >= this.#options.depth) break
        const key = this.#key(next, level)
        ahead.add(key)
        // A failed read in advance is not lost: whoever needs the slice reads again and gets the error.
        if (!this.#options.cache.has(key) && !this.#pending.has(key)) this.#start(next, level, true)
      }
    }
    for (const [key, read] of this.#pending) {
      if (read.ahead && read.waiting === 0 && !read.progress.running && !ahead.has(key)) read.abort.abort()
    }
  }
}

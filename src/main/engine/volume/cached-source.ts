import { cancelled, throwIfCancelled } from '../../../shared/errors.ts'
import type { TypedArray } from '../../../shared/volume.ts'
import { createRowSource } from './row-source.ts'
import type { ReadOptions, VolumeSource } from './volume-source.ts'

export interface CacheOptions {
  /** Decoded slices kept in memory, least recently used ones dropped first. */
  cacheBytes: number
  /** Slices after the one asked for that are read in advance while slices are asked for in order; default 0. */
  readAhead?: number
}

/** A read under way that several callers may wait for. */
interface PendingRead {
  promise: Promise<TypedArray>
  abort: AbortController
  waiting: number
}

/**
 * Adds a cache of whole slices to `source`. Callers that ask for the same slice at the same time share one read; a read
 * is stopped only when all of its callers are gone. Boxes are cut out of cached slices when all of theirs are there, and
 * read past the cache otherwise. Every caller gets an array of its own.
 */
export function withCache(source: VolumeSource, options: CacheOptions): VolumeSource {
  const cache = new SliceCache(options.cacheBytes)
  const pending = new Map<number, PendingRead>()
  const depth = source.meta.shape[0]
  const readAhead = options.readAhead ?? 0
  let previous = -1
  let closed = false

  function startRead(z: number): PendingRead {
    const abort = new AbortController()
    const read: PendingRead = {
      abort,
      waiting: 0,
      promise: source.readSlice(z, { signal: abort.signal }).then((slice) => {
        cache.put(z, slice)
        return slice
      }),
    }
    pending.set(z, read)
    const forget = () => {
      if (pending.get(z) === read) pending.delete(z)
    }
    read.promise.then(forget, forget)
    return read
  }

  async function waitFor(z: number, signal: AbortSignal | undefined): Promise<TypedArray> {
    throwIfCancelled(signal)
    const cached = cache.get(z)
    if (cached !== undefined) return cached
    const read = pending.get(z) ?? startRead(z)
    read.waiting++
    try {
      return await abortable(read.promise, signal)
    } finally {
      read.waiting--
      if (read.waiting === 0 && pending.get(z) === read && signal?.aborted === true) {
        pending.delete(z)
        read.abort.abort()
      }
    }
  }

  function prefetch(z: number): void {
    for (let ahead = z + 1; ahead <= Math.min(z + readAhead, depth - 1); ahead++) {
      if (cache.has(ahead) || pending.has(ahead)) continue
      // A failed read in advance is not lost: the caller who needs the slice reads again and gets the error.
      startRead(ahead).promise.catch(() => undefined)
    }
  }

  async function readSlice(z: number, readOptions: ReadOptions = {}): Promise<TypedArray> {
    if (closed || !Number.isInteger(z) || z < 0 || z >= depth) return await source.readSlice(z, readOptions)
    if (readAhead > 0 && z === previous + 1) prefetch(z)
    previous = z
    return (await waitFor(z, readOptions.signal)).slice()
  }

  const width = source.meta.shape[2]
  const cachedRows = createRowSource(source.meta, {
    rowAddressable: true,
    readRows: async (z, yStart, yStop, signal) => {
      const slice = cache.get(z) ?? (await waitFor(z, signal))
      return slice.subarray(yStart * width, yStop * width)
    },
    close: () => Promise.resolve(),
  })

  return {
    meta: source.meta,
    rowAddressable: source.rowAddressable ?? false,
    readSlice,
    readBox: (box, readOptions) => {
      const slices = Array.from(
        { length: Math.max(0, box.stop[0] - box.start[0]) },
        (_, z) => z + box.start[0],
      )
      const inCache = !closed && slices.length > 0 && slices.every((z) => cache.has(z))
      return (inCache ? cachedRows : source).readBox(box, readOptions)
    },
    async close() {
      closed = true
      for (const read of pending.values()) read.abort.abort()
      await Promise.allSettled([...pending.values()].map((read) => read.promise))
      cache.clear()
      await source.close()
    },
  }
}

/** Settles like `promise`, or with `Cancelled` as soon as the signal fires; the promise itself goes on. */
function abortable<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(cancelled())
    }
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort)
    })
  })
}

/** Least recently used slices, bounded by bytes. A slice larger than the bound is not kept. */
class SliceCache {
  readonly #slices = new Map<number, TypedArray>()
  readonly #capacityBytes: number
  #bytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  has(z: number): boolean {
    return this.#slices.has(z)
  }

  get(z: number): TypedArray | undefined {
    const slice = this.#slices.get(z)
    if (slice !== undefined) {
      this.#slices.delete(z)
      this.#slices.set(z, slice)
    }
    return slice
  }

  put(z: number, slice: TypedArray): void {
    if (slice.byteLength > this.#capacityBytes) return
    const replaced = this.#slices.get(z)
    if (replaced !== undefined) this.#bytes -= replaced.byteLength
    this.#slices.delete(z)
    this.#slices.set(z, slice)
    this.#bytes += slice.byteLength
    for (const [oldest, { byteLength }] of this.#slices) {
      if (this.#bytes <= this.#capacityBytes) break
      this.#slices.delete(oldest)
      this.#bytes -= byteLength
    }
  }

  clear(): void {
    this.#slices.clear()
    this.#bytes = 0
  }
}

/** Values with a size, least recently used ones dropped first. A value larger than the whole cache is not kept. */
export class ByteCache<Value extends { readonly byteLength: number }> {
  readonly #entries = new Map<string, Value>()
  readonly #capacityBytes: number
  #bytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  get(key: string): Value | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  put(key: string, value: Value): void {
    this.#drop(key)
    if (value.byteLength > this.#capacityBytes) return
    this.#entries.set(key, value)
    this.#bytes += value.byteLength
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#capacityBytes) break
      this.#drop(oldest)
    }
  }

  /** Drops all values whose key starts with `prefix`. */
  dropAll(prefix: string): void {
    for (const key of [...this.#entries.keys()]) if (key.startsWith(prefix)) this.#drop(key)
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.byteLength ?? 0
    this.#entries.delete(key)
  }
}

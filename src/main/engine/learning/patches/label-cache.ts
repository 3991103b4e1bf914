/** Decoded label slices by key, least recently used ones dropped first. The arrays are shared: readers must not change them. */
export class LabelCache {
  private readonly slices = new Map<string, Uint8Array>()
  private readonly maxBytes: number
  private bytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  async get(key: string, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const cached = this.slices.get(key)
    if (cached !== undefined) {
      this.slices.delete(key)
      this.slices.set(key, cached)
      return cached
    }
    const slice = await read()
    this.slices.set(key, slice)
    this.bytes += slice.byteLength
    for (const [oldest, { byteLength }] of this.slices) {
      if (this.bytes <= this.maxBytes || oldest === key) break
      this.slices.delete(oldest)
      this.bytes -= byteLength
    }
    return slice
  }
}

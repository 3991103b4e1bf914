import { maxStrokePoints } from '../../shared/annotation/edit.ts'

/** Growing list of (row, column) points, interleaved. Adding is O(1) on average; a point equal to the last one is left out. */
export class PointList {
  #values = new Float32Array(256)
  #length = 0

  /** Number of points. */
  get count(): number {
    return this.#length / 2
  }

  get isFull(): boolean {
    return this.count >= maxStrokePoints
  }

  /** The last point, `null` while there is none. */
  get last(): readonly [number, number] | null {
    if (this.#length === 0) return null
    return [this.#values[this.#length - 2] ?? 0, this.#values[this.#length - 1] ?? 0]
  }

  add(row: number, column: number): void {
    const last = this.last
    if (last !== null && last[0] === Math.fround(row) && last[1] === Math.fround(column)) return
    if (this.#length + 2 > this.#values.length) {
      const larger = new Float32Array(this.#values.length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = row
    this.#values[this.#length++] = column
  }

  removeLast(): void {
    this.#length = Math.max(0, this.#length - 2)
  }

  /** Keeps the first `count` points. */
  truncate(count: number): void {
    this.#length = Math.min(this.#length, 2 * Math.max(0, count))
  }

  /** A copy of the points from `first` on. */
  points(first = 0): Float32Array {
    return this.#values.slice(2 * first, this.#length)
  }
}

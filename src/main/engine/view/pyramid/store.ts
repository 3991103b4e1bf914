import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { PyramidLayout } from './layout.ts'

const doneFile = 'done.bin'
const levelFile = (level: number) => `level-${level}.bricks`

/** How much is written at once, so that the thread can see in between whether somebody waits. */
const bytesPerWrite = 8 * 2 ** 20

/**
 * The files of one pyramid: `level-N.bricks` for each level from `finest` to the coarse one, and `done.bin` with one byte per unit,
 * 1 when all of its bricks are on the disk. Everything blocks the thread: it runs in threads of its own, where thousands of
 * small reads from the page cache are ten times quicker this way.
 */
export class PyramidStore {
  readonly folder: string
  readonly layout: PyramidLayout
  readonly #files = new Map<number, number>()
  readonly #done: number
  readonly #writable: boolean
  #finest: number

  /**
   * Opens the files; with `writable`, makes those that are missing. Throws system errors.
   * @param finest the finest level that has a file
   */
  constructor(folder: string, layout: PyramidLayout, finest: number, writable: boolean) {
    this.folder = folder
    this.layout = layout
    this.#finest = finest
    this.#writable = writable
    this.#done = this.#open(doneFile, layout.units)
    try {
      for (const level of layout.levels.slice(finest)) {
        this.#files.set(level.level, this.#open(levelFile(level.level), level.fileBytes))
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  get finest(): number {
    return this.#finest
  }

  /** For each unit, whether all its bricks are on the disk. */
  readDone(): Uint8Array {
    const done = new Uint8Array(this.layout.units)
    readSync(this.#done, done, 0, done.length, 0)
    return done
  }

  /** Writes one slab of a level, calling `between` from time to time. */
  async writeSlab(
    level: number,
    slab: number,
    bytes: Uint8Array,
    between: () => Promise<void>,
  ): Promise<void> {
    const start = slab * this.layout.levels[level].slabBytes
    let at = 0
    while (at < bytes.length) {
      at += writeSync(this.#file(level), bytes, at, Math.min(bytesPerWrite, bytes.length - at), start + at)
      await between()
    }
  }

  /** Records that all bricks of a unit are written, after they have reached the disk. */
  commitUnit(unit: number): void {
    for (const file of this.#files.values()) fdatasyncSync(file)
    writeSync(this.#done, Uint8Array.of(1), 0, 1, unit)
    fdatasyncSync(this.#done)
  }

  /** Fills `target` from `position` of a level's file; `false` when the file ends before. */
  read(level: number, position: number, target: Uint8Array): boolean {
    let at = 0
    while (at < target.length) {
      const count = readSync(this.#file(level), target, at, target.length - at, position + at)
      if (count === 0) return false
      at += count
    }
    return true
  }

  /** Gives the space of the finest level back. */
  dropFinest(): void {
    const file = this.#files.get(this.#finest)
    if (file !== undefined) closeSync(file)
    this.#files.delete(this.#finest)
    rmSync(path.join(this.folder, levelFile(this.#finest)), { force: true })
    this.#finest++
  }

  /** Whether somebody removed or replaced the files; those that are open can still be used. */
  isRemoved(): boolean {
    try {
      return (
        fstatSync(this.#done).nlink === 0 ||
        [...this.#files].some(
          ([level, file]) =>
            fstatSync(file).nlink === 0 || fstatSync(file).size < this.layout.levels[level].fileBytes,
        )
      )
    } catch {
      // What cannot be looked at is as good as gone.
      return true
    }
  }

  close(): void {
    for (const file of [this.#done, ...this.#files.values()]) closeSync(file)
    this.#files.clear()
  }

  #file(level: number): number {
    const file = this.#files.get(level)
    if (file === undefined) throw new Error(`level ${level} of ${this.folder} has no file`)
    return file
  }

  #open(name: string, bytes: number): number {
    const file = path.join(this.folder, name)
    if (!this.#writable) return openSync(file, 'r')
    const handle = openSync(file, existsSync(file) ? 'r+' : 'w+')
    // Sparse until written; positions are fixed from the beginning.
    if (fstatSync(handle).size !== bytes) ftruncateSync(handle, bytes)
    return handle
  }
}

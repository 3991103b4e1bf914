import { rm } from 'node:fs/promises'
import path from 'node:path'
import { listLabelFiles, snapshotName } from './journal-files.ts'
import { writeSnapshot, type SnapshotContent } from './snapshot.ts'

/** When a snapshot is due. */
export interface SnapshotLimits {
  /** Journal written since the last one; larger where snapshots themselves are large. */
  bytes: number
  /** Records since the last one. */
  records: number
}

const defaultLimits: SnapshotLimits = { bytes: 4 * 2 ** 20, records: 2000 }
/** The newest one, and one to fall back on. */
const snapshotsKept = 2

/**
 * Writes snapshots in the background and removes those that are no longer needed. One that cannot be written costs nothing but time
 * at the next opening; that is told as a warning, and tried again after as much journal as before.
 */
export class SnapshotKeeper {
  readonly #folder: string
  readonly #limits: SnapshotLimits
  readonly #warn: (message: string) => void
  #bytesSince: number
  #recordsSince: number
  #lastBytes: number
  #busy: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(
    folder: string,
    start: { bytesSince: number; recordsSince: number; lastBytes: number },
    options: { limits?: Partial<SnapshotLimits>; warn: (message: string) => void },
  ) {
    this.#folder = folder
    this.#bytesSince = start.bytesSince
    this.#recordsSince = start.recordsSince
    this.#lastBytes = start.lastBytes
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#warn = options.warn
  }

  /** Counts what was written, and takes a snapshot of `content`, as it is now, when it is time. */
  written(bytes: number, records: number, content: SnapshotContent): void {
    this.#bytesSince += bytes
    this.#recordsSince += records
    const isDue =
      this.#bytesSince > Math.max(this.#limits.bytes, this.#lastBytes / 2) ||
      this.#recordsSince >= this.#limits.records
    if (isDue && this.#waiting === 0) this.take(content)
  }

  /** Whether opening would have to read much behind the last snapshot. */
  get isBehind(): boolean {
    return this.#recordsSince >= this.#limits.records / 4 || this.#bytesSince >= this.#limits.bytes / 4
  }

  /** Takes a snapshot of `content` as it is at this moment; {@link settled} waits for its end. */
  take(content: SnapshotContent): void {
    this.#bytesSince = 0
    this.#recordsSince = 0
    this.#waiting++
    const versions = new Set(content.history.versions.map(({ sequence }) => sequence))
    // What goes into it is taken before this returns.
    const writing = writeSnapshot(this.#folder, content)
    this.#busy = Promise.all([writing, this.#busy])
      .then(async ([bytes]) => {
        this.#lastBytes = bytes
        await this.#removeOld(versions)
      })
      .catch((error: unknown) => {
        this.#warn(
          `no snapshot of the labels was written, the journal holds everything: ${error instanceof Error ? error.message : String(error)}`,
        )
      })
      .finally(() => this.#waiting--)
  }

  async settled(): Promise<void> {
    await this.#busy
  }

  /** Those of versions stay, so that a version can be restored without reading years of journal. */
  async #removeOld(versions: ReadonlySet<number>): Promise<void> {
    const { snapshots } = await listLabelFiles(this.#folder)
    for (const sequence of snapshots.slice(0, -snapshotsKept))
      if (!versions.has(sequence)) await rm(path.join(this.#folder, snapshotName(sequence)), { force: true })
  }
}

import { open, readdir, rename, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import { syncFolder } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'
import type { RecordPlace } from './history.ts'
import { decodeRecord, type DecodedRecord } from './journal-record.ts'

/** Names in a folder of labels, and the ways to read them and to move damaged parts aside. */

const segmentPattern = /^journal-(\d{6,})\.pmj$/
const snapshotPattern = /^snapshot-(\d{12,})\.pms$/

export function segmentName(segment: number): string {
  return `journal-${segment.toString().padStart(6, '0')}.pmj`
}

export function snapshotName(sequence: number): string {
  return `snapshot-${sequence.toString().padStart(12, '0')}.pms`
}

export interface LabelFiles {
  /** Numbers of the segments, ascending. */
  segments: number[]
  /** Sequences of the snapshots, ascending. */
  snapshots: number[]
  /** Bytes of all files. */
  bytes: number
}

/** What lies in the folder; nothing when it does not exist. */
export async function listLabelFiles(folder: string): Promise<LabelFiles> {
  const found: LabelFiles = { segments: [], snapshots: [], bytes: 0 }
  let names
  try {
    names = await readdir(folder)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return found
    throw readError(folder, error)
  }
  for (const name of names) {
    const segment = segmentPattern.exec(name)
    const snapshot = snapshotPattern.exec(name)
    if (segment !== null) found.segments.push(Number(segment[1]))
    else if (snapshot !== null) found.snapshots.push(Number(snapshot[1]))
    else continue
    try {
      found.bytes += (await stat(path.join(folder, name))).size
    } catch (error) {
      // A snapshot may have given way to a newer one in this moment.
      if (systemErrorCode(error) !== 'ENOENT') throw readError(path.join(folder, name), error)
    }
  }
  found.segments.sort((a, b) => a - b)
  found.snapshots.sort((a, b) => a - b)
  return found
}

/** A failure of reading labels, in our words. */
export function readError(file: string, error: unknown): unknown {
  const code = systemErrorCode(error)
  if (code === undefined) return error
  if (code === 'ENOENT')
    return new PhasemarkError('NotFound', `${file}: there is no such file`, { path: file }, { cause: error })
  const found = error instanceof Error ? error.message : code
  return new PhasemarkError(
    'BadInput',
    `${file}: expected labels that can be read, found ${found}`,
    { path: file, expected: 'labels that can be read', found },
    { cause: error },
  )
}

/** A failure of writing labels, in our words: what happened, and what is safe. */
export function journalError(file: string, error: unknown): unknown {
  const code = systemErrorCode(error)
  if (code === undefined) return error
  const options = { cause: error }
  const safe = 'what was answered before is safe, this edit was not made'
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new PhasemarkError(
      'NoSpace',
      `${file}: no space left on the disk; ${safe}. Free some space and repeat it`,
      { path: file },
      options,
    )
  const reason = error instanceof Error ? error.message : code
  return new PhasemarkError(
    'NotWritable',
    `${file}: the labels cannot be written (${reason}); ${safe}`,
    { path: file },
    options,
  )
}

/** Reads single records again, for undo. */
export class RecordReader {
  readonly #folder: string
  readonly #handles = new Map<number, Promise<FileHandle>>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Throws `BadInput` or `NotFound` when the record is not there as it was written. */
  async read(place: RecordPlace): Promise<DecodedRecord> {
    const file = path.join(this.#folder, segmentName(place.segment))
    const bytes = Buffer.allocUnsafe(place.length)
    let bytesRead
    try {
      const handle = await this.#open(place.segment, file)
      ;({ bytesRead } = await handle.read(bytes, 0, place.length, place.offset))
    } catch (error) {
      throw readError(file, error)
    }
    const record = decodeRecord(bytes.subarray(0, bytesRead), 0)
    if (typeof record !== 'string') return record
    const expected = `the record of an edit at byte ${place.offset}`
    const found = record === 'ends' ? 'the end of the file' : 'something else'
    throw new PhasemarkError(
      'BadInput',
      `${file}: expected ${expected}, found ${found}; the labels are as before`,
      { path: file, expected, found },
    )
  }

  async #open(segment: number, file: string): Promise<FileHandle> {
    let opening = this.#handles.get(segment)
    if (opening === undefined) {
      opening = open(file, 'r')
      this.#handles.set(segment, opening)
      opening.catch(() => this.#handles.delete(segment))
    }
    return await opening
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()]
    this.#handles.clear()
    for (const handle of await Promise.allSettled(handles))
      if (handle.status === 'fulfilled') await handle.value.close()
  }
}

/** Part of a journal that cannot be used. */
export interface Damage {
  /** `torn`: a write that did not come to its end. `damaged`: records follow that can no longer be reached. */
  kind: 'torn' | 'damaged'
  segment: number
  offset: number
  /** Bytes from there to the end of the last segment. */
  bytes: number
  laterSegments: number[]
  /** Snapshots of what comes later. */
  snapshots: number[]
  reason: string
}

/**
 * Takes what cannot be used out of the way: copied, flushed, and only then cut off. Nothing is thrown away.
 * Returns the paths under which it is kept. Throws `NoSpace` or `NotWritable`; the damage is still there then.
 */
export async function setAside(folder: string, damage: Damage): Promise<string[]> {
  const file = path.join(folder, segmentName(damage.segment))
  try {
    const taken = (await readdir(folder)).flatMap((name) => {
      const number = /\.damaged-(\d+)$/.exec(name)
      return number === null ? [] : [Number(number[1])]
    })
    const ending = `.damaged-${Math.max(0, ...taken) + 1}`
    const later = [...damage.laterSegments.map(segmentName), ...damage.snapshots.map(snapshotName)]
    const kept = later.map((name) => path.join(folder, name + ending))
    const moveLater = async () => {
      for (const name of later.reverse())
        await rename(path.join(folder, name), path.join(folder, name + ending))
      await syncFolder(folder)
    }
    if (damage.offset === 0) {
      await moveLater()
      await rename(file, file + ending)
      await syncFolder(folder)
      return [file + ending, ...kept]
    }
    const handle = await open(file, 'r+')
    try {
      const { size } = await handle.stat()
      await copyTail(handle, damage.offset, size, file + ending)
      await moveLater()
      await handle.truncate(damage.offset)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return [file + ending, ...kept]
  } catch (error) {
    throw journalError(file, error)
  }
}

async function copyTail(source: FileHandle, from: number, to: number, target: string): Promise<void> {
  const copy = await open(target, 'wx')
  try {
    const buffer = Buffer.allocUnsafe(Math.min(to - from, 1 << 20))
    for (let at = from; at < to;) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, to - at), at)
      if (bytesRead === 0) break
      await copy.writeFile(buffer.subarray(0, bytesRead))
      at += bytesRead
    }
    await copy.sync()
  } finally {
    await copy.close()
  }
}

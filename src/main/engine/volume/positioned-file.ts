import type { Stats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { headerReadBytes } from './limits.ts'

/** One read system call; longer ranges are read in pieces, so that two of them go on side by side. */
const bytesPerRead = 4 * 1024 * 1024
const readsAtOnce = 2

/** A file that is read by position and never as a whole. */
export interface PositionedFile {
  readonly path: string
  readonly sizeBytes: number
  /** When the file was last changed, in milliseconds since 1970. */
  readonly modifiedMs: number
  /**
   * Fills `target` from `position` on.
   * Throws `BadInput` when the file ends before `target` is full, `Cancelled` through the signal.
   */
  readInto(target: Uint8Array, position: number, signal?: AbortSignal): Promise<void>
  /** Up to `length` bytes from `position` on; fewer only at the end of the file. */
  readUpTo(position: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
  close(): Promise<void>
}

export interface OpenFileOptions {
  /** Reads the first few kilobytes together with the size of the file, because they are wanted next; default true. */
  readStart?: boolean
}

/** Opens a file for reading. Throws `NotFound`, or `BadInput` for a folder or a file that may not be read. */
export async function openPositionedFile(
  path: string,
  { readStart = true }: OpenFileOptions = {},
): Promise<PositionedFile> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    throw readError(path, error)
  }
  try {
    const start = Buffer.allocUnsafeSlow(readStart ? headerReadBytes : 0)
    const [status, { bytesRead }] = await Promise.all([
      handle.stat(),
      readStart ? handle.read(start, 0, start.length, 0) : { bytesRead: 0 },
    ])
    if (!status.isFile()) throw badInput(path, 'a file', 'something else (a device or a pipe)')
    return new HandleFile(path, status, start.subarray(0, bytesRead), handle)
  } catch (error) {
    await handle.close()
    throw readError(path, error)
  }
}

/** Opens `path`, hands it to `use` and closes it again. */
export async function withPositionedFile<Result>(
  path: string,
  use: (file: PositionedFile) => Promise<Result>,
  options?: OpenFileOptions,
): Promise<Result> {
  const file = await openPositionedFile(path, options)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

/** Turns a system error of reading `path` into one of ours; anything else is handed back as it is. */
export function readError(path: string, error: unknown): unknown {
  switch (systemErrorCode(error)) {
    case undefined:
      return error
    case 'ENOENT':
    case 'ENOTDIR':
      return new PhasemarkError('NotFound', `${path}: no such file or folder`, { path }, { cause: error })
    case 'EACCES':
    case 'EPERM':
      return badInput(path, 'permission to read it', 'permission denied', { cause: error })
    case 'EISDIR':
      return badInput(path, 'a file', 'a folder', { cause: error })
    default:
      return badInput(
        path,
        'a readable file',
        `the system error ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      )
  }
}

class HandleFile implements PositionedFile {
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly #start: Uint8Array
  readonly #handle: FileHandle

  constructor(path: string, status: Stats, start: Uint8Array, handle: FileHandle) {
    this.path = path
    this.sizeBytes = status.size
    this.modifiedMs = status.mtimeMs
    this.#start = start
    this.#handle = handle
  }

  async readInto(target: Uint8Array, position: number, signal?: AbortSignal): Promise<void> {
    const done = await this.#fill(target, position, signal)
    if (done < target.byteLength) {
      throw badInput(
        this.path,
        `${target.byteLength} bytes at position ${position}`,
        `the end of the file after ${done} (truncated?)`,
      )
    }
  }

  async readUpTo(position: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    throwIfCancelled(signal)
    const end = Math.min(position + length, this.sizeBytes)
    if (end <= this.#start.length) return this.#start.subarray(position, end)
    const target = Buffer.allocUnsafeSlow(Math.max(0, end - position))
    const done = await this.#fill(target, position, signal)
    return target.subarray(0, done)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /** Fills `target` piece by piece; returns how much of it is filled without a hole. */
  async #fill(target: Uint8Array, position: number, signal: AbortSignal | undefined): Promise<number> {
    let next = 0
    let filled = target.byteLength
    const reader = async (): Promise<void> => {
      while (next < filled) {
        throwIfCancelled(signal)
        const from = next
        next += bytesPerRead
        const piece = target.subarray(from, from + bytesPerRead)
        const done = await this.#readPiece(piece, position + from)
        if (done < piece.byteLength) filled = Math.min(filled, from + done)
      }
    }
    await Promise.all(Array.from({ length: readsAtOnce }, reader))
    return filled
  }

  /** Returns fewer bytes than asked for only at the end of the file. */
  async #readPiece(piece: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < piece.byteLength) {
      try {
        const { bytesRead } = await this.#handle.read(piece, done, piece.byteLength - done, position + done)
        if (bytesRead === 0) break
        done += bytesRead
      } catch (error) {
        throw readError(this.path, error)
      }
    }
    return done
  }
}

import { closeSync, constants, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { headerReadBytes } from './limits.ts'

/** One read system call; longer ranges are read in pieces, so that two of them go on side by side. */
const bytesPerRead = 4 * 1024 * 1024
const readsAtOnce = 2

/** Opening a pipe would wait for somebody to write into it (Windows has neither the flag nor such files). */
const openFlags = constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK)

/** A file that is read by position and never as a whole. */
export interface PositionedFile {
  readonly path: string
  readonly sizeBytes: number
  /** What the file was like when it was opened. */
  readonly status: BigIntStats
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
  /** Opens, reads and closes without letting anything else of this thread run: see visit-files.ts. Default false. */
  blocking?: boolean
}

/** An open file, from `node:fs/promises` or blocking. */
interface Handle {
  stat(options: { bigint: true }): Promise<BigIntStats> | BigIntStats
  read(
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> | { bytesRead: number }
  close(): Promise<void> | void
}

/** Opens a file for reading. Throws `NotFound`, or `BadInput` for a folder or a file that may not be read. */
export async function openPositionedFile(
  path: string,
  { readStart = true, blocking = false }: OpenFileOptions = {},
): Promise<PositionedFile> {
  let handle: Handle
  try {
    handle = blocking ? openBlocking(path) : await open(path, openFlags)
  } catch (error) {
    throw readError(path, error)
  }
  try {
    const start = readStart ? takeStartBuffer() : Buffer.alloc(0)
    const [status, { bytesRead }] = await Promise.all([
      handle.stat({ bigint: true }),
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

/** Starts of files that memory is taken for at once: taking it for each costs more than reading them. */
const startsPerSlab = 64
let slab = Buffer.alloc(0)

/** Memory for the start of one file, which nobody else gets. */
function takeStartBuffer(): Buffer {
  if (slab.length === 0) slab = Buffer.allocUnsafeSlow(startsPerSlab * headerReadBytes)
  const start = slab.subarray(0, headerReadBytes)
  slab = slab.subarray(headerReadBytes)
  return start
}

function openBlocking(path: string): Handle {
  const descriptor = openSync(path, openFlags)
  return {
    stat: (options) => fstatSync(descriptor, options),
    read: (target, offset, length, position) => ({
      bytesRead: readSync(descriptor, target, offset, length, position),
    }),
    close: () => {
      closeSync(descriptor)
    },
  }
}

class HandleFile implements PositionedFile {
  readonly path: string
  readonly sizeBytes: number
  readonly status: BigIntStats
  readonly #start: Uint8Array
  readonly #handle: Handle

  constructor(path: string, status: BigIntStats, start: Uint8Array, handle: Handle) {
    this.path = path
    this.sizeBytes = Number(status.size)
    this.status = status
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

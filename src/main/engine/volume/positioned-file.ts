import { open, type FileHandle } from 'node:fs/promises'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'

/** One read system call; longer ranges are read in pieces, so that the signal is looked at in between. */
const bytesPerRead = 64 * 1024 * 1024

/** A file that is read by position and never as a whole. */
export interface PositionedFile {
  readonly path: string
  readonly sizeBytes: number
  /**
   * Fills `target` from `position` on.
   * Throws `BadInput` when the file ends before `target` is full, `Cancelled` through the signal.
   */
  readInto(target: Uint8Array, position: number, signal?: AbortSignal): Promise<void>
  /** Up to `length` bytes from `position` on; fewer only at the end of the file. */
  readUpTo(position: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
  close(): Promise<void>
}

/** Opens a file for reading. Throws `NotFound`, or `BadInput` for a folder or a file that may not be read. */
export async function openPositionedFile(path: string): Promise<PositionedFile> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    throw readError(path, error)
  }
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw badInput(path, 'a file', 'something else (folder or device)')
    return new HandleFile(path, status.size, handle)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Opens `path`, hands it to `use` and closes it again. */
export async function withPositionedFile<Result>(
  path: string,
  use: (file: PositionedFile) => Promise<Result>,
): Promise<Result> {
  const file = await openPositionedFile(path)
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
  readonly #handle: FileHandle

  constructor(path: string, sizeBytes: number, handle: FileHandle) {
    this.path = path
    this.sizeBytes = sizeBytes
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
    const target = new Uint8Array(Math.max(0, Math.min(length, this.sizeBytes - position)))
    const done = await this.#fill(target, position, signal)
    return target.subarray(0, done)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #fill(target: Uint8Array, position: number, signal: AbortSignal | undefined): Promise<number> {
    let done = 0
    while (done < target.byteLength) {
      throwIfCancelled(signal)
      const length = Math.min(bytesPerRead, target.byteLength - done)
      let bytesRead: number
      try {
        ;({ bytesRead } = await this.#handle.read(target, done, length, position + done))
      } catch (error) {
        throw readError(this.path, error)
      }
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }
}

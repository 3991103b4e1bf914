import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { File as Hdf5File } from 'h5wasm'
import { badInput, isPhasemarkError } from '../../../shared/errors.ts'
import { readError } from '../volume/positioned-file.ts'

/** The part of the library's file system, which lives inside its sandbox, that we use. */
interface SandboxFileSystem {
  createFile(
    parent: string,
    name: string,
    properties: object,
    canRead: boolean,
    canWrite: boolean,
  ): SandboxNode
  unlink(path: string): void
}

interface SandboxNode {
  usedBytes: number
  stream_ops: object
}

/** What we use of the library's lower level, whose own description leaves the file system open. */
interface LibraryModule {
  activate_throwing_error_handler(): number
  FS: SandboxFileSystem
}

interface Library {
  File: typeof Hdf5File
  fileSystem: SandboxFileSystem
}

let loading: Promise<Library> | null = null

/**
 * Loads the HDF5 library, which takes some 50 ms and is not needed for our own files. The build for browsers, on purpose: it sees
 * nothing but what is put into its sandbox, so that links inside a hostile file lead nowhere.
 */
function loadLibrary(): Promise<Library> {
  loading ??= import('h5wasm').then(async ({ default: h5wasm }) => {
    const module = (await h5wasm.ready) as unknown as LibraryModule
    // Otherwise failures are printed on standard error and go on with handles that lead nowhere.
    module.activate_throwing_error_handler()
    return { File: h5wasm.File, fileSystem: module.FS }
  })
  return loading
}

let filesOpened = 0

/**
 * Opens an HDF5 file for reading by position, hands it to `use` and closes it again: no more of it is in memory than is asked for.
 * Throws `NotFound` or `BadInput`; what the library throws while `use` runs becomes `BadInput` naming `path`.
 */
export async function withHdf5File<Result>(
  path: string,
  use: (file: Hdf5File) => Promise<Result>,
): Promise<Result> {
  const { File, fileSystem } = await loadLibrary()
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    throw readError(path, error)
  }
  const name = `${++filesOpened}.h5`
  let placed = false
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) throw badInput(path, 'a file', 'something else (a folder, a device or a pipe)')
    const node = fileSystem.createFile('/', name, {}, true, false)
    placed = true
    node.usedBytes = status.size
    node.stream_ops = { ...node.stream_ops, read: positionedRead(descriptor) }
    const file = askHdf5(path, () => new File(`/${name}`, 'r'))
    try {
      return await use(file)
    } finally {
      file.close()
    }
  } finally {
    if (placed) fileSystem.unlink(`/${name}`)
    closeSync(descriptor)
  }
}

/** Reads for the library: into `buffer` at `offset`, up to `length` bytes of the file from `position` on. */
function positionedRead(descriptor: number) {
  return (_stream: unknown, buffer: Uint8Array, offset: number, length: number, position: number): number => {
    let done = 0
    while (done < length) {
      const read = readSync(descriptor, buffer, offset + done, length - done, position + done)
      if (read === 0) break
      done += read
    }
    return done
  }
}

/** Runs one question to the library; what it throws becomes `BadInput` with the innermost reason that it gives. */
export function askHdf5<Answer>(path: string, question: () => Answer): Answer {
  try {
    return question()
  } catch (cause) {
    if (isPhasemarkError(cause)) throw cause
    const text = cause instanceof Error ? cause.message : String(cause)
    // The library prints its call stack, outermost first: "  #006: file line 577 in function(): reason".
    const reasons = [...text.matchAll(/^ *#\d+: .*?\(\): (.*)$/gm)].map((match) => match[1])
    throw badInput(path, 'a whole HDF5 file', reasons.at(-1) ?? text.split('\n', 1)[0], { cause })
  }
}

import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { systemErrorCode } from './system-error.ts'
import { writeError } from './write-error.ts'

/**
 * Writes a whole file so that `filePath` holds either its old content or the new one, whatever happens: a temporary file
 * beside it, fsync, rename, fsync of the folder. The folder must exist.
 * Throws `NoSpace` or `NotWritable`; then nothing has changed and the temporary file is gone.
 */
export async function writeFileAtomic(filePath: string, data: string | Uint8Array): Promise<void> {
  const temporary = temporaryPathFor(filePath)
  try {
    const handle = await open(temporary, 'wx')
    try {
      await handle.writeFile(data)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, filePath)
  } catch (error) {
    await rm(temporary, { force: true })
    throw writeError(filePath, error)
  }
  await syncFolder(path.dirname(filePath))
}

/** A name beside `filePath` that no listing of slices, runs or projects picks up. */
export function temporaryPathFor(filePath: string): string {
  return path.join(path.dirname(filePath), `.${path.basename(filePath)}.${process.pid}-${randomUUID()}.tmp`)
}

/** Makes renames in `folder` last through a power cut, where the system can do that. */
export async function syncFolder(folder: string): Promise<void> {
  let handle
  try {
    handle = await open(folder, 'r')
    await handle.sync()
  } catch (error) {
    // Windows and some network file systems cannot sync a folder; the rename itself has succeeded.
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(systemErrorCode(error) ?? '')) {
      throw writeError(folder, error)
    }
  } finally {
    await handle?.close()
  }
}

/** Creates `folder` and those above it. Throws `NoSpace` or `NotWritable`. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw writeError(folder, error)
  }
}

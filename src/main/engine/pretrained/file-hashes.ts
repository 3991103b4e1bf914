import { createHash } from 'node:crypto'
import { throwIfCancelled } from '../../../shared/errors.ts'
import { withPositionedFile } from '../volume/positioned-file.ts'

const bytesAtOnce = 4 * 1024 * 1024

export interface FileHashes {
  sizeBytes: number
  sha256: string
  md5: string
}

/** Hashes of a whole file, hexadecimal, read piece by piece. Throws `NotFound`, `BadInput`, `Cancelled`. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<FileHashes> {
  return withPositionedFile(
    path,
    async (file) => {
      const sha256 = createHash('sha256')
      const md5 = createHash('md5')
      for (let position = 0; position < file.sizeBytes; position += bytesAtOnce) {
        throwIfCancelled(signal)
        const piece = await file.readUpTo(position, bytesAtOnce, signal)
        sha256.update(piece)
        md5.update(piece)
      }
      return { sizeBytes: file.sizeBytes, sha256: sha256.digest('hex'), md5: md5.digest('hex') }
    },
    { readStart: false },
  )
}

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openPromise } from 'yauzl'
import { badInput, cancelled, throwIfCancelled } from '../../../../shared/errors.ts'
import type { JobOptions } from '../../job-options.ts'
import type { Wheel } from './wheels.ts'

/** A wheel has some 16,000 members; far more than that is no wheel. */
const maxMembers = 200_000

/** SHA-256 of a file as lower-case hexadecimal digits. @throws `Cancelled` */
export async function sha256OfFile(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { signal })
  } catch (error) {
    throw signal?.aborted ? cancelled() : error
  }
  return hash.digest('hex')
}

/**
 * Writes the members that the wheel's rules name below `folder`, each flushed to the disk. No member is ever held in
 * memory, none lands outside of `folder`, and together they stay within the size that the rules announce.
 *
 * @returns paths below `folder`, with forward slashes, in the order of the archive
 * @throws `BadInput` when the archive is damaged or holds other things than the rules announce; `Cancelled`
 */
export async function extractWheel(
  file: string,
  wheel: Wheel,
  folder: string,
  options: JobOptions = {},
): Promise<string[]> {
  const { signal, onProgress } = options
  const written: string[] = []
  let done = 0
  let members = 0
  const archive = await openPromise(file, { autoClose: false, strictFileNames: true }).catch(
    (cause: unknown) => {
      throw badInput(file, 'a wheel', 'a damaged zip archive', { cause })
    },
  )
  try {
    for await (const entry of archive.eachEntry()) {
      throwIfCancelled(signal)
      if (++members > maxMembers) throw badInput(file, `at most ${maxMembers} members`, 'more')
      const rule = wheel.take.find(({ pattern }) => pattern.test(entry.fileName))
      if (rule === undefined) continue
      if (done + entry.uncompressedSize > wheel.unpackedBytes) {
        throw badInput(file, `${wheel.unpackedBytes} bytes to unpack`, `more, with ${entry.fileName}`)
      }
      const name = entry.fileName.replace(rule.pattern, rule.target)
      const target = confined(folder, name, file)
      await mkdir(path.dirname(target), { recursive: true })
      const counter = new Transform({
        transform(chunk: Buffer, _encoding, callback) {
          done += chunk.length
          onProgress?.({ stage: 'unpacking', done, total: wheel.unpackedBytes, unit: 'bytes' })
          callback(null, chunk)
        },
      })
      const sink = createWriteStream(target, {
        flags: 'wx',
        mode: rule.executable === true ? 0o755 : 0o644,
        flush: true,
      })
      await pipeline(await archive.openReadStreamPromise(entry), counter, sink, { signal })
      written.push(name)
    }
  } catch (error) {
    if (signal?.aborted) throw cancelled()
    throw asBadArchive(error, file)
  } finally {
    archive.close()
  }
  if (done !== wheel.unpackedBytes) {
    throw badInput(
      file,
      `${wheel.unpackedBytes} bytes to unpack`,
      `${done} bytes in ${written.length} members`,
    )
  }
  return written
}

/** Absolute path of `name` below `folder`. The zip reader refuses absolute and climbing names; this holds without it. */
function confined(folder: string, name: string, file: string): string {
  const target = path.resolve(folder, name)
  if (!target.startsWith(path.resolve(folder) + path.sep)) {
    throw badInput(file, 'members inside the archive', `${name}, which leads out of it`)
  }
  return target
}

/** The zip reader and zlib report damage as plain errors; those of the file system carry a code of the system and pass. */
function asBadArchive(error: unknown, file: string): unknown {
  const isPlain = error instanceof Error && !('_tag' in error)
  const code = isPlain && 'code' in error ? String(error.code) : ''
  if (!isPlain || /^E[A-Z]+$/.test(code)) return error
  return badInput(file, 'a whole wheel', error.message, { cause: error })
}

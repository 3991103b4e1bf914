import { createHash } from 'node:crypto'
import { readdir, readFile, realpath, rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { hasTag } from '../../../../shared/errors.ts'
import { writeFileAtomic } from '../../files/atomic-file.ts'
import { acquireLock } from '../../files/lock.ts'
import { systemErrorCode } from '../../files/system-error.ts'
import type { RawHeader } from '../../volume/raw-source.ts'
import { readError } from '../../volume/positioned-file.ts'
import { filesBytes, type PyramidLayout } from './layout.ts'

/** Changes with every change of what the files hold; older ones are then built anew. */
const formatVersion = 1
const manifestName = 'pyramid.json'
/** Files of a source that are looked at side by side. */
const filesAtOnce = 64

/** Never filled up by us: other programs need the disk as well. */
export const defaultMarginBytes = 5 * 2 ** 30

const manifestSchema = z.object({
  version: z.literal(formatVersion),
  /** For people who look into the cache. */
  source: z.string(),
  fingerprint: z.string(),
  shape: z.array(z.number()),
  dtype: z.string(),
  coarseLevel: z.number(),
  unitSlices: z.number(),
  bricks: z.array(z.array(z.number())),
  finest: z.number().int().min(0),
})
type Manifest = z.infer<typeof manifestSchema>

/** Where the pyramid of a source lies: one folder per real path and raw header. Throws `NotFound`. */
export async function pyramidFolder(
  cacheFolder: string,
  sourcePath: string,
  raw: RawHeader | undefined,
): Promise<string> {
  let real
  try {
    real = await realpath(sourcePath)
  } catch (error) {
    throw readError(sourcePath, error)
  }
  const identity = JSON.stringify([real, raw ?? null])
  const name = createHash('sha256').update(identity).digest('hex').slice(0, 32)
  return path.join(cacheFolder, 'pyramids', name)
}

/** Changes when a file of the source is changed, added or removed: names, sizes and times of change. */
export async function fingerprintOf(sourcePath: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    const whole = await stat(sourcePath)
    const names = whole.isDirectory() ? (await readdir(sourcePath)).sort() : ['']
    for (let at = 0; at < names.length; at += filesAtOnce) {
      const some = names.slice(at, at + filesAtOnce)
      const files = await Promise.all(some.map((name) => stat(path.join(sourcePath, name))))
      for (const [index, file] of files.entries()) {
        if (file.isFile()) hash.update(`${some[index]}\0${file.size}\0${file.mtimeMs}\n`)
      }
    }
  } catch (error) {
    throw readError(sourcePath, error)
  }
  return hash.digest('hex')
}

export interface PrepareOptions {
  /** Folder of this pyramid; exists and is locked by us. */
  folder: string
  layout: PyramidLayout
  sourcePath: string
  fingerprint: string
  /** Bytes that all pyramids together may take. */
  limitBytes: number
  /** Bytes of the disk that stay free. */
  marginBytes: number
}

export interface Prepared {
  /** Finest level that gets a file; `null` when there is no room for any. */
  finest: number | null
  /** Why it is not level 0, as one sentence. */
  reason: string | null
}

/**
 * Makes `folder` ready for the pyramid of a source: keeps what fits to it, removes what does not, and makes room by removing
 * pyramids that were not used for longest. Throws `NoSpace` or `NotWritable`.
 */
export async function preparePyramid(options: PrepareOptions): Promise<Prepared> {
  const { folder, layout } = options
  const old = await readManifest(folder)
  const usable = old !== null && isSame(old, manifestOf(options, old.finest))
  if (!usable) await emptyFolder(folder)
  const { finest, reason } = await makeRoom(options)
  if (finest === null) {
    await emptyFolder(folder)
    return { finest, reason }
  }
  if (usable && old.finest > finest) await emptyFolder(folder)
  if (usable && old.finest < finest) {
    for (const level of layout.levels.slice(old.finest, finest)) {
      await rm(path.join(folder, `level-${level.level}.bricks`), { force: true })
    }
  }
  await recordFinest(options, finest)
  return { finest, reason }
}

/** Says in the manifest which levels have files. Throws `NoSpace` or `NotWritable`. */
export async function recordFinest(options: PrepareOptions, finest: number): Promise<void> {
  const manifest = JSON.stringify(manifestOf(options, finest))
  await writeFileAtomic(path.join(options.folder, manifestName), `${manifest}\n`)
}

/** The finest level of a pyramid that another process builds, or `null` when it is of something else. */
export async function finestOfOther(options: PrepareOptions): Promise<number | null> {
  const manifest = await readManifest(options.folder)
  return manifest !== null && isSame(manifest, manifestOf(options, manifest.finest)) ? manifest.finest : null
}

function manifestOf(options: PrepareOptions, finest: number): Manifest {
  const { layout, sourcePath, fingerprint } = options
  return {
    version: formatVersion,
    source: sourcePath,
    fingerprint,
    shape: [...layout.shape],
    dtype: layout.dtype,
    coarseLevel: layout.coarseLevel,
    unitSlices: layout.unitSlices,
    bricks: layout.levels.map(({ brick }) => [...brick]),
    finest,
  }
}

function isSame(left: Manifest, right: Manifest): boolean {
  return JSON.stringify({ ...left, source: '' }) === JSON.stringify({ ...right, source: '' })
}

async function readManifest(folder: string): Promise<Manifest | null> {
  let text
  try {
    text = await readFile(path.join(folder, manifestName), 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    return null
  }
  try {
    return manifestSchema.parse(JSON.parse(text))
  } catch {
    // Damaged or of another version: a cache is made anew.
    return null
  }
}

/** Removes everything but the lock. */
async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name === manifestName || name.endsWith('.bricks') || name === 'done.bin') {
      await rm(path.join(folder, name), { force: true })
    }
  }
}

/** The finest level that fits the limit and the disk, after removing others' pyramids as far as that needs. */
async function makeRoom(options: PrepareOptions): Promise<Prepared> {
  const { folder, layout, limitBytes, marginBytes } = options
  const others = await otherPyramids(folder)
  const own = await usageOf(folder)
  const removable = others.reduce((sum, { usage }) => sum + usage.onDisk, 0)
  let reason: string | null = null
  for (let finest = 0; finest <= layout.coarseLevel; finest++) {
    const needed = filesBytes(layout, finest)
    if (needed > limitBytes) {
      reason ??= `Full resolution of XZ and YZ would take ${gigabytes(needed)} of cache, and at most ${gigabytes(limitBytes)} may be used.`
      continue
    }
    const free = async () => (await freeBytes(folder)) + own.onDisk - marginBytes
    if (needed <= (await free()) + removable) {
      await removeOldest(others, async (left) => left + needed <= limitBytes && needed <= (await free()))
      if (needed <= (await free())) return { finest, reason }
    }
    reason ??= `Full resolution of XZ and YZ would take ${gigabytes(needed)} of cache, and the disk of the cache has only ${gigabytes(Math.max(0, await free()))} to spare.`
  }
  return { finest: null, reason }
}

interface OtherPyramid {
  folder: string
  usedAt: number
  usage: Usage
}

interface Usage {
  /** As large as they are to become. */
  planned: number
  onDisk: number
}

/** Removes pyramids, unused longest first, until `enough` is content with the bytes that are left. */
async function removeOldest(
  others: OtherPyramid[],
  enough: (leftBytes: number) => Promise<boolean>,
): Promise<void> {
  others.sort((left, right) => right.usedAt - left.usedAt)
  let left = others.reduce((sum, { usage }) => sum + usage.planned, 0)
  const kept: OtherPyramid[] = []
  while (others.length > 0 && !(await enough(left))) {
    const oldest = others.pop()!
    if (await removePyramid(oldest.folder)) left -= oldest.usage.planned
    else kept.push(oldest)
  }
  others.push(...kept)
}

/** `false` when somebody builds it or the system does not let it go. */
async function removePyramid(folder: string): Promise<boolean> {
  try {
    const lock = await acquireLock(folder, { purpose: 'removing a cache' })
    try {
      await emptyFolder(folder)
    } finally {
      await lock.release()
    }
    await rm(folder, { recursive: true, force: true })
    return true
  } catch (error) {
    if (hasTag(error, 'Locked') || hasTag(error, 'NotWritable') || systemErrorCode(error) !== undefined) {
      return false
    }
    throw error
  }
}

async function otherPyramids(own: string): Promise<OtherPyramid[]> {
  const parent = path.dirname(own)
  const found: OtherPyramid[] = []
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    const folder = path.join(parent, entry.name)
    if (!entry.isDirectory() || folder === own) continue
    const usage = await usageOf(folder)
    found.push({ folder, usage, usedAt: await lastUse(folder) })
  }
  return found
}

/** Opening a pyramid writes its manifest anew. */
async function lastUse(folder: string): Promise<number> {
  try {
    return (await stat(path.join(folder, manifestName))).mtimeMs
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    return 0
  }
}

async function usageOf(folder: string): Promise<Usage> {
  const usage = { planned: 0, onDisk: 0 }
  try {
    for (const name of await readdir(folder)) {
      const file = await stat(path.join(folder, name))
      usage.planned += file.size
      usage.onDisk += Math.min(file.size, file.blocks * 512)
    }
  } catch (error) {
    // Removed by somebody while we looked.
    if (systemErrorCode(error) === undefined) throw error
  }
  return usage
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

function gigabytes(bytes: number): string {
  return bytes >= 1e8 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`
}

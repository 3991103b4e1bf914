import { lstatSync } from 'node:fs'
import { lstat, mkdir, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { PhasemarkError } from '../../../shared/errors.ts'
import { badInput } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'
import { projectEnding } from './project-file.ts'

/** Folders of a project. `cache` may be deleted; the others hold what people made. */
export const projectFolders = ['labels', 'runs', 'segmentations', 'reports', 'cache'] as const

const uuidSchema = z.uuid()

/** Longest file name that common file systems take, in bytes of UTF-8. */
const maxNameBytes = 255

/** Makes the folders that are missing. Throws `NotWritable`, `NoSpace`. */
export async function makeProjectFolders(folder: string): Promise<void> {
  for (const name of projectFolders) {
    try {
      await mkdir(path.join(folder, name), { recursive: true })
    } catch (error) {
      throw writeError(path.join(folder, name), error)
    }
  }
}

/**
 * Makes sure that the folders inside the project are folders and not links to elsewhere: a project that somebody sends must
 * not make the program read or write outside of it. Missing ones are fine. Throws `BadInput`.
 */
export async function requireConfinedFolders(folder: string): Promise<void> {
  for (const name of projectFolders) {
    const place = path.join(folder, name)
    if ((await kindOf(place)) === 'nothing') continue
    await requirePlainFolder(place)
    if (name !== 'labels') continue
    for (const entry of await readdir(place, { withFileTypes: true }))
      if (entry.isSymbolicLink()) throw linkFound(path.join(place, entry.name))
  }
}

/** Folder of the labels of a volume. Throws `BadInput` on an id that is none, or when the place is a link. */
export function labelFolderOf(folder: string, volumeId: string): string {
  if (!uuidSchema.safeParse(volumeId).success)
    throw badInput(folder, 'the id of a volume', JSON.stringify(volumeId))
  const labels = path.join(folder, 'labels')
  const place = path.join(labels, volumeId)
  for (const part of [labels, place]) {
    const status = lstatSync(part, { throwIfNoEntry: false })
    if (status?.isSymbolicLink() === true) throw linkFound(part)
  }
  return place
}

async function requirePlainFolder(place: string): Promise<void> {
  const kind = await kindOf(place)
  if (kind === 'link') throw linkFound(place)
  if (kind !== 'folder') throw badInput(place, 'a folder of the project', 'a file')
}

async function kindOf(place: string): Promise<'folder' | 'link' | 'file' | 'nothing'> {
  try {
    const status = await lstat(place)
    if (status.isSymbolicLink()) return 'link'
    return status.isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'nothing'
    throw badInput(place, 'a readable folder', String(error), { cause: error })
  }
}

function linkFound(place: string): PhasemarkError<'BadInput'> {
  return badInput(place, 'a folder inside the project', 'a link, which may lead out of it')
}

/** `source` as seen from the project, so that both can be moved together; `null` on another drive. */
export function relativeSource(folder: string, source: string): string | null {
  const relative = path.relative(folder, source)
  return relative === '' || path.isAbsolute(relative) ? null : relative.split(path.sep).join('/')
}

/** Where a source is now: at its path, else at the same place as seen from the project. `null`: at neither. */
export async function locateSource(
  folder: string,
  source: { path: string; relativePath: string | null },
): Promise<string | null> {
  if (path.isAbsolute(source.path) && (await exists(source.path))) return source.path
  if (source.relativePath === null) return null
  const moved = path.resolve(folder, source.relativePath)
  return (await exists(moved)) ? moved : null
}

async function exists(place: string): Promise<boolean> {
  return (await stat(place).catch(() => null)) !== null
}

/** The real path of what exists, else the absolute path: for comparing places. */
export async function realPathOrSame(place: string): Promise<string> {
  return await realpath(place).catch(() => path.resolve(place))
}

/**
 * A file name for a project called `name`, without its ending: what no file system takes becomes `-`, and it is cut to what
 * fits with ending and number.
 */
export function fileNameFor(name: string): string {
  const plain = name
    .normalize('NFC')
    // Reserved on Windows or a separator somewhere; control characters nowhere belong.
    .replace(/[\\/:*?"<>|]|\p{Cc}/gu, '-')
    .replace(/^[.\s]+|[.\s]+$/g, '')
  const usable = /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(plain) ? `${plain}-` : plain
  return cutToBytes(usable === '' ? 'Project' : usable, maxNameBytes - projectEnding.length - 8)
}

function cutToBytes(text: string, bytes: number): string {
  let cut = text
  // By code points: half a surrogate pair is no character.
  while (Buffer.byteLength(cut) > bytes) cut = Array.from(cut).slice(0, -1).join('')
  return cut.trimEnd()
}

/** A free `<folder>/<name>.phasemark`, with a number when there is one of that name already. */
export async function freeProjectPath(folder: string, name: string): Promise<string> {
  const stem = fileNameFor(name)
  for (let number = 1; ; number++) {
    const candidate = path.join(folder, `${stem}${number === 1 ? '' : ` ${number}`}${projectEnding}`)
    if ((await kindOf(candidate).catch(() => 'file')) === 'nothing') return candidate
  }
}

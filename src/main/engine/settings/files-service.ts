import { opendir, readdir, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { filesService, FolderEntry } from '../../../shared/contract/files.ts'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { isProjectFolder, projectEnding } from '../project/project-file.ts'
import { compareNaturally } from '../volume/natural-order.ts'
import type { PathGuard } from './path-guard.ts'

/** Names that are read of one folder; more are said to be there. A folder of a long scan has some 20 000. */
const maxNames = 200_000

/** Entries looked at beyond those asked for, in place of such as are left out. */
const spareNames = 16

/** Entries whose size and time are asked for at the same time. */
const concurrentLooks = 32

/** Where systems mount drives. */
const mountFolders = ['/media', '/mnt', '/Volumes', '/run/media']

/** Looking around in the file system, within the roots of `guard`. Hidden files are left out. */
export function createFilesService(options: {
  guard: PathGuard
  homeFolder?: string
}): ServiceImplementation<typeof filesService> {
  const { guard, homeFolder = os.homedir() } = options
  return {
    roots: async () =>
      guard.roots === null
        ? await systemRoots(homeFolder)
        : guard.roots.map((root) => ({ name: path.basename(root) || root, path: root })),
    async list({ path: place, limit }, { signal }) {
      const folder = await guard.check(place)
      const { names, more } = await readNames(folder, signal)
      names.sort(compareNames)
      // A few spare ones: what is neither folder nor file, or vanished meanwhile, is left out.
      const wanted = names.slice(0, limit + spareNames)
      const entries = (await describeAll(folder, wanted, signal)).sort(compareEntries)
      const parent = path.dirname(folder)
      return {
        path: folder,
        parent: parent !== folder && (await guard.allows(parent)) ? parent : null,
        entries: entries.slice(0, limit),
        more: more || names.length > wanted.length || entries.length > limit,
      }
    },
  }
}

async function systemRoots(homeFolder: string): Promise<{ name: string; path: string }[]> {
  const roots = [{ name: 'Home', path: homeFolder }]
  if (process.platform === 'win32') return [...roots, ...(await windowsDrives())]
  roots.push({ name: 'Computer', path: path.parse(homeFolder).root })
  for (const folder of mountFolders) roots.push(...(await drivesIn(folder)))
  return roots
}

/** Drives lie in the folder itself or, on some systems, one folder per user deeper. */
async function drivesIn(folder: string): Promise<{ name: string; path: string }[]> {
  const found: { name: string; path: string }[] = []
  for (const name of await foldersIn(folder)) {
    const place = path.join(folder, name)
    if (name === os.userInfo().username)
      found.push(...(await foldersIn(place)).map((drive) => ({ name: drive, path: path.join(place, drive) })))
    else found.push({ name, path: place })
  }
  return found
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    // Not every system has such a folder, and not every user may look into it.
    if (systemErrorCode(error) !== undefined) return []
    throw error
  }
}

async function windowsDrives(): Promise<{ name: string; path: string }[]> {
  const letters = Array.from({ length: 26 }, (_, position) => String.fromCharCode(65 + position))
  const found = await Promise.all(
    letters.map(async (letter) => ((await statOrNull(`${letter}:\\`)) === null ? null : letter)),
  )
  return found.flatMap((letter) =>
    letter === null ? [] : [{ name: `Drive ${letter}`, path: `${letter}:\\` }],
  )
}

interface FoundName {
  name: string
  /** What the folder itself says, without looking at each: links are followed. */
  isFolder: boolean
}

async function readNames(
  folder: string,
  signal: AbortSignal,
): Promise<{ names: FoundName[]; more: boolean }> {
  const names: FoundName[] = []
  try {
    for await (const entry of await opendir(folder)) {
      throwIfCancelled(signal)
      if (entry.name.startsWith('.')) continue
      if (names.length === maxNames) return { names, more: true }
      const isFolder =
        entry.isDirectory() ||
        (entry.isSymbolicLink() && (await statOrNull(path.join(folder, entry.name)))?.isDirectory() === true)
      names.push({ name: entry.name, isFolder })
    }
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === undefined) throw error
    if (code === 'ENOENT') throw new PhasemarkError('NotFound', `${folder}: no such folder`, { path: folder })
    if (code === 'ENOTDIR') throw badInput(folder, 'a folder', 'a file')
    throw new PhasemarkError('NotWritable', `${folder}: cannot be looked into (${code})`, { path: folder })
  }
  return { names, more: false }
}

async function describeAll(
  folder: string,
  names: readonly FoundName[],
  signal: AbortSignal,
): Promise<FolderEntry[]> {
  const found = new Array<FolderEntry | null>(names.length).fill(null)
  let next = 0
  const looker = async () => {
    while (next < names.length) {
      throwIfCancelled(signal)
      const position = next++
      found[position] = await describe(folder, names[position].name)
    }
  }
  await Promise.all(Array.from({ length: concurrentLooks }, looker))
  return found.filter((entry) => entry !== null)
}

/** `null` for what is neither folder nor file, and for what vanished while the folder was read. */
async function describe(folder: string, name: string): Promise<FolderEntry | null> {
  const place = path.join(folder, name)
  const status = await statOrNull(place)
  if (status === null) return null
  const modifiedAt = new Date(status.mtimeMs).toISOString()
  if (status.isFile()) return { name, path: place, kind: 'file', sizeBytes: status.size, modifiedAt }
  if (!status.isDirectory()) return null
  const isProject = name.endsWith(projectEnding) && (await isProjectFolder(place))
  return { name, path: place, kind: isProject ? 'project' : 'folder', sizeBytes: null, modifiedAt }
}

async function statOrNull(place: string): Promise<Stats | null> {
  return await stat(place).catch(() => null)
}

function compareNames(left: FoundName, right: FoundName): number {
  return Number(right.isFolder) - Number(left.isFolder) || compareNaturally(left.name, right.name)
}

/** Folders and projects first, then files; natural order of names. */
function compareEntries(left: FolderEntry, right: FolderEntry): number {
  const rank = ({ kind }: FolderEntry) => (kind === 'file' ? 1 : 0)
  return rank(left) - rank(right) || compareNaturally(left.name, right.name)
}

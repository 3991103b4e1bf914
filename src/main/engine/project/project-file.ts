import { lstat, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { badInput, hasTag, PhasemarkError } from '../../../shared/errors.ts'
import { writeFileAtomic } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { packageVersion } from '../package-version.ts'
import {
  currentMajor,
  currentMinor,
  isNewerMajor,
  parseProject,
  versionOf,
  type StoredProject,
} from './project-schema.ts'

export const projectFileName = 'project.json'
/** The last good copy, from before the last change. */
export const previousFileName = 'project.json.previous'
/** A damaged file is kept under this name before the good copy replaces it. */
export const damagedFileName = 'project.json.damaged'
export const projectEnding = '.phasemark'

/** A project of a hundred volumes takes some 200 kB; anything far larger is another file. */
const maxProjectBytes = 64 * 1024 * 1024

export interface ReadProject {
  project: StoredProject
  /** The text that `project` was read from; what is kept as the previous copy at the next change. */
  text: string
  /** One sentence when the last good copy had to be used; else `null`. */
  damage: string | null
}

/**
 * Reads the project in `folder`. When `project.json` is missing or damaged, the copy kept beside it is used, and `damage` says so.
 * Throws `NotFound` when there is no such folder, `BadInput` when it is no project, when neither copy can be read, or when a
 * newer major version wrote it.
 */
export async function readProject(folder: string): Promise<ReadProject> {
  await requireFolder(folder)
  const file = path.join(folder, projectFileName)
  const previous = path.join(folder, previousFileName)
  let problem: PhasemarkError<'BadInput'>
  try {
    const text = await readOwnFile(file)
    if (text !== null) return { project: parseProject(file, text), text, damage: null }
    problem = badInput(folder, `a Phasemark project, a folder with ${projectFileName}`, 'none')
  } catch (error) {
    if (!hasTag(error, 'BadInput') || (await isTooNew(file))) throw error
    problem = error
  }
  let text: string | null
  try {
    text = await readOwnFile(previous)
    if (text === null) throw problem
    return {
      project: parseProject(previous, text),
      text,
      damage: `${projectFileName} could not be read (${problem.fields.found}); the copy from before the last change was used.`,
    }
  } catch (error) {
    // The first file is the one to look at; what is wrong with its copy is a detail.
    if (hasTag(error, 'BadInput') && error !== problem && problem.fields.found !== 'none')
      throw badInput(file, problem.fields.expected, `${problem.fields.found}, and no good copy beside it`, {
        cause: error,
      })
    throw error
  }
}

/**
 * Writes `project` and keeps `previousText` as the last good copy. Whatever happens, one of both files is whole.
 * Returns the text written. Throws `NoSpace`, `NotWritable`; then `project.json` is as it was.
 */
export async function writeProject(
  folder: string,
  project: StoredProject,
  previousText: string | null,
): Promise<string> {
  const text = formatProject(project)
  if (previousText !== null) await writeFileAtomic(path.join(folder, previousFileName), previousText)
  await writeFileAtomic(path.join(folder, projectFileName), text)
  return text
}

function formatProject(project: StoredProject): string {
  // A newer minor version stays named, because its fields are still in there.
  const { minor } = versionOf(project.schemaVersion)
  const written: StoredProject = {
    ...project,
    schemaVersion: `${currentMajor}.${Math.max(minor, currentMinor)}`,
    writtenBy: `phasemark ${packageVersion()}`,
  }
  return `${JSON.stringify(written, null, 2)}\n`
}

/** Whether `folder` looks like a project: cheap, for lists of folders. */
export async function isProjectFolder(folder: string): Promise<boolean> {
  for (const name of [projectFileName, previousFileName]) {
    const status = await lstat(path.join(folder, name)).catch(() => null)
    if (status?.isFile() === true)
      return folder.endsWith(projectEnding) || (await statesProject(folder, name))
  }
  return false
}

async function statesProject(folder: string, name: string): Promise<boolean> {
  const text = await readOwnFile(path.join(folder, name)).catch(() => null)
  return text !== null && text.includes('"phasemark-project"')
}

async function isTooNew(file: string): Promise<boolean> {
  const text = await readOwnFile(file).catch(() => null)
  return text !== null && isNewerMajor(text)
}

async function requireFolder(folder: string): Promise<void> {
  let status
  try {
    // The folder itself may be reached through a link; what is inside may not leave it.
    status = await stat(folder)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG')
      throw new PhasemarkError('NotFound', `${folder}: no such project`, { path: folder }, { cause: error })
    throw badInput(folder, 'a readable project folder', String(error), { cause: error })
  }
  if (!status.isDirectory()) throw badInput(folder, 'a Phasemark project, which is a folder', 'a file')
}

/** Text of a plain file in the project, or `null` when there is none. Links are refused: they may lead out of the folder. */
async function readOwnFile(file: string): Promise<string | null> {
  try {
    const status = await lstat(file)
    if (!status.isFile()) throw badInput(file, 'a plain file', status.isDirectory() ? 'a folder' : 'a link')
    if (status.size > maxProjectBytes)
      throw badInput(file, `at most ${maxProjectBytes} bytes`, `${status.size} bytes`)
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === undefined) throw error
    if (code === 'ENOENT') return null
    throw badInput(file, 'a readable file', error instanceof Error ? error.message : code, { cause: error })
  }
}

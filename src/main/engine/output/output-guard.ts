import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'
import { isProjectFolder, previousFileName, projectFileName } from '../project/project-file.ts'

export interface OutputCheck {
  /** Where the result shall go. */
  output: string
  /** Volumes, labels and models that must stay as they are. */
  inputs: readonly string[]
  /** Going on with an interrupted result is wanted. */
  resume: boolean
  /** `streamed` results grow in `PATH.partial` and are renamed; a `run` folder is written in place. */
  kind: 'streamed' | 'run'
}

/** Where a streamed result grows until it is complete. */
export function partialPathOf(output: string): string {
  return `${trimSeparators(output)}.partial`
}

/**
 * Makes sure that writing `output` cannot touch an input or an earlier result. Paths are compared as the file system sees
 * them: symbolic links resolved, also of parents of a path that does not exist yet.
 *
 * Throws `WrongUsage` when the output is, lies in, or contains an input; `OutputExists` when something is there already
 * and resuming was not asked for.
 */
export async function checkOutput({ output, inputs, resume, kind }: OutputCheck): Promise<void> {
  const places = kind === 'streamed' ? [output, partialPathOf(output)] : [output]
  for (const place of places) {
    const realPlace = await realPathOf(place)
    for (const input of (await Promise.all(inputs.map(partsToProtect))).flat()) {
      const relation = relationOf(realPlace, await realPathOf(input))
      if (relation === null) continue
      throw new PhasemarkError(
        'WrongUsage',
        `--out ${output}: expected a place apart from the inputs, found that it ${relation} ${input}`,
        { argument: '--out' },
      )
    }
  }
  if (resume) return
  if (await hasContent(output)) {
    throw new PhasemarkError(
      'OutputExists',
      `${output}: exists already; choose another name${kind === 'run' ? ', or go on with --resume' : ''}`,
      { path: output },
    )
  }
  if (kind === 'streamed' && (await hasContent(partialPathOf(output)))) {
    throw new PhasemarkError(
      'OutputExists',
      `${partialPathOf(output)}: holds an interrupted result; go on with --resume, or remove it`,
      { path: partialPathOf(output) },
    )
  }
}

/** Of a project that labels come from, only what it consists of: its `runs/` and `segmentations/` are there for results. */
async function partsToProtect(input: string): Promise<string[]> {
  if (!(await isProjectFolder(input))) return [input]
  return ['labels', projectFileName, previousFileName].map((name) => path.join(input, name))
}

function relationOf(output: string, input: string): 'is' | 'lies in' | 'contains' | null {
  if (output === input) return 'is'
  if (isInside(output, input)) return 'lies in'
  return isInside(input, output) ? 'contains' : null
}

function isInside(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner)
  return (
    relative !== '' &&
    relative !== '..' &&
    !relative.startsWith(`..${path.sep}`) &&
    !path.isAbsolute(relative)
  )
}

/** Real path of the longest part that exists, with the rest behind it. */
async function realPathOf(place: string): Promise<string> {
  const absolute = path.resolve(place)
  try {
    return await realpath(absolute)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw writeError(place, error)
    const parent = path.dirname(absolute)
    if (parent === absolute) return absolute
    return path.join(await realPathOf(parent), path.basename(absolute))
  }
}

/** Whether there is a file, a link or a folder with anything in it. */
async function hasContent(place: string): Promise<boolean> {
  try {
    let status = await lstat(place)
    if (status.isSymbolicLink()) status = await stat(place).catch(() => status)
    return status.isDirectory() ? (await readdir(place)).length > 0 : true
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return false
    throw writeError(place, error)
  }
}

function trimSeparators(place: string): string {
  const trimmed = place.replace(/[/\\]+$/, '')
  return trimmed === '' ? place : trimmed
}

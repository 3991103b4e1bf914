import { lstat, realpath } from 'node:fs/promises'
import path from 'node:path'
import { isPhasemarkError, PhasemarkError } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'

/**
 * Which part of the file system a window may reach. Electron's window reaches all that its user does; the web host's only
 * the roots it was started with.
 */
export interface PathGuard {
  /** Real paths of the roots; `null`: everything is allowed. */
  readonly roots: readonly string[] | null
  /**
   * The absolute path of a place that may be used, which need not exist yet. Symbolic links are followed before it is judged:
   * a link inside a root that leads out of it does not help.
   * Throws `NotWritable` outside of the roots, `WrongUsage` on a relative path.
   */
  check(place: string): Promise<string>
  /** Whether {@link check} would pass. */
  allows(place: string): Promise<boolean>
}

/** @param roots folders that exist, or `null` for no limit. Throws `NotFound` when one does not exist. */
export async function createPathGuard(roots: readonly string[] | null): Promise<PathGuard> {
  const realRoots = roots === null ? null : await Promise.all(roots.map(realRoot))
  const guard: PathGuard = {
    roots: realRoots,
    async check(place) {
      if (!path.isAbsolute(place) || place.includes('\0'))
        throw new PhasemarkError('WrongUsage', `expected an absolute path, found "${place}"`, {})
      const absolute = path.resolve(place)
      if (realRoots === null) return absolute
      const real = await realPathOfFuture(absolute)
      if (realRoots.some((root) => isWithin(real, root))) return absolute
      throw new PhasemarkError(
        'NotWritable',
        `${place}: expected a place inside the folders that were opened for this window (${realRoots.join(', ')}), ` +
          'found one outside',
        { path: place },
      )
    },
    async allows(place) {
      try {
        await guard.check(place)
        return true
      } catch (error) {
        if (isPhasemarkError(error)) return false
        throw error
      }
    },
  }
  return guard
}

async function realRoot(root: string): Promise<string> {
  try {
    return await realpath(root)
  } catch (error) {
    throw new PhasemarkError('NotFound', `${root}: no such folder`, { path: root }, { cause: error })
  }
}

/** Real path of the longest part that exists, with the rest behind it. */
async function realPathOfFuture(absolute: string): Promise<string> {
  try {
    return await realpath(absolute)
  } catch (error) {
    const code = systemErrorCode(error)
    const parent = path.dirname(absolute)
    // A link whose target is gone reads as missing too, but writing to it would make the target.
    const isLink = (await lstat(absolute).catch(() => null))?.isSymbolicLink() === true
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || isLink || parent === absolute)
      throw new PhasemarkError(
        'NotWritable',
        `${absolute}: expected a place that can be looked at, found ${isLink ? 'a link to nowhere' : String(code)}`,
        { path: absolute },
        { cause: error },
      )
    return path.join(await realPathOfFuture(parent), path.basename(absolute))
  }
}

/** Whether `place` is `root` or lies in it; both absolute and real. */
export function isWithin(place: string, root: string): boolean {
  const relative = path.relative(root, place)
  return (
    relative === '' ||
    (relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative))
  )
}

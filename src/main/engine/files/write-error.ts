import { PhasemarkError } from '../../../shared/errors.ts'
import { systemErrorCode } from './system-error.ts'

/** Turns a system error of writing `path` into one of ours; anything else is handed back as it is. */
export function writeError(path: string, error: unknown): unknown {
  switch (systemErrorCode(error)) {
    case undefined:
      return error
    case 'ENOSPC':
    case 'EDQUOT':
      return new PhasemarkError(
        'NoSpace',
        `${path}: no space left on the disk; free some and go on with --resume`,
        { path },
        { cause: error },
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new PhasemarkError(
        'NotWritable',
        `${path}: cannot be written (${error instanceof Error ? error.message : 'no permission'})`,
        { path },
        { cause: error },
      )
    case 'EEXIST':
    case 'ENOTDIR':
      return new PhasemarkError(
        'NotWritable',
        `${path}: expected a place for a new file or folder, found something else of that name`,
        { path },
        { cause: error },
      )
    case 'ENOENT':
      return new PhasemarkError(
        'NotWritable',
        `${path}: the folder to write into is gone`,
        { path },
        { cause: error },
      )
    default:
      return new PhasemarkError(
        'NotWritable',
        `${path}: writing failed (${error instanceof Error ? error.message : String(error)})`,
        { path },
        { cause: error },
      )
  }
}

import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { systemErrorCode } from '../files/system-error.ts'
import { hasFileState } from './file-state.ts'
import type { SliceHeader } from './slice-header.ts'
import { visitFiles, type VisitOptions } from './visit-files.ts'

/**
 * What reading the headers of all slices of a folder found, and what the files were like then, so that the headers of the same
 * files need not be read again. Plain data, which goes between threads.
 */
export interface KnownSlices {
  /** See `SliceFormat.name`. */
  readonly format: string
  /** Names of the files in the order of the slices. */
  readonly files: readonly string[]
  /** What each file was like: see file-state.ts. */
  readonly states: BigUint64Array
  /** Of the first slice; all others fit to it. */
  readonly header: SliceHeader
  readonly rowAddressable: boolean
}

/**
 * Whether `files`, the slices that a folder has now, are those that are known and have not changed. Costs one look at the state
 * of each; none is opened. Throws `Cancelled` through the signal.
 */
export async function areUnchanged(
  files: readonly string[],
  format: string,
  known: KnownSlices,
  options?: VisitOptions,
): Promise<boolean> {
  if (known.format !== format || known.files.length !== files.length) return false
  if (files.some((file, index) => path.basename(file) !== known.files[index])) return false
  let unchanged = true
  const visit = async (index: number, blocking: boolean): Promise<void> => {
    if (!unchanged) return
    try {
      const file = files[index]
      const status = blocking ? statSync(file, { bigint: true }) : await stat(file, { bigint: true })
      unchanged &&= hasFileState(known.states, index, status)
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error
      // Gone or out of reach: reading it will say so.
      unchanged = false
    }
  }
  await visitFiles(files.length, visit, options)
  return unchanged
}

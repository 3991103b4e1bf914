import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import { makeFolder } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'
import { sidecarName } from '../labels/label-metadata.ts'
import { partialPathOf } from '../output/output-guard.ts'

/**
 * Whose a growing export is: an empty file `.phasemark-export-<id>` in its folder, made before anything else and removed when the
 * folder has its final name. A name is there whole or not at all, whenever the process dies.
 */
export interface ExportClaim {
  /**
   * Clears away what an earlier process has left of this export; what others have put there stays. Returns whether the export was
   * complete. Throws `NotWritable`.
   */
  takeOver(): Promise<boolean>
  /** Makes the folder `PATH.partial` and marks it. Throws `OutputExists` when somebody else was faster, `NoSpace`, `NotWritable`. */
  make(): Promise<void>
  /** Removes everything that was written under the claim. Does nothing when the claim was not made. */
  drop(): Promise<void>
  /** The output has its final name: removes the mark from it. */
  settle(): Promise<void>
}

export function claimExport(output: string, exportId: string): ExportClaim {
  const partial = partialPathOf(output)
  const mark = `.phasemark-export-${exportId}`
  let isOurs = false

  return {
    async takeOver() {
      if (await exists(path.join(output, mark))) {
        await rm(path.join(output, mark), { force: true })
        return true
      }
      if (await exists(path.join(partial, mark))) await rm(partial, { recursive: true, force: true })
      return false
    },
    async make() {
      await makeFolder(path.dirname(partial))
      try {
        await mkdir(partial).catch((error: unknown) => {
          // An empty folder is taken; anything in it is seen below.
          if (systemErrorCode(error) !== 'EEXIST') throw error
        })
        await writeFile(path.join(partial, mark), '', { flag: 'wx' })
        if ((await readdir(partial)).length > 1) {
          await rm(path.join(partial, mark), { force: true })
          throw new PhasemarkError(
            'OutputExists',
            `${partial}: somebody else is writing there; choose another name`,
            {
              path: partial,
            },
          )
        }
      } catch (error) {
        throw writeError(partial, error)
      }
      isOurs = true
    },
    async drop() {
      if (isOurs) await rm(partial, { recursive: true, force: true })
    },
    async settle() {
      await rm(path.join(output, mark), { force: true })
    },
  }
}

/** Whether `output` holds exactly the files that an export writes: the slices of these names, and the same description of them. */
export async function isFinishedExport(
  output: string,
  { sliceNames, sidecar }: { sliceNames: readonly string[]; sidecar: string },
): Promise<boolean> {
  try {
    const found = (await readdir(output)).sort()
    const wanted = [...sliceNames.map((name) => `${name}.tif`), sidecarName].sort()
    if (found.length !== wanted.length || found.some((name, at) => name !== wanted[at])) return false
    return (await readFile(path.join(output, sidecarName), 'utf8')) === sidecar
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemErrorCode(error) ?? '')) return false
    throw writeError(output, error)
  }
}

async function exists(place: string): Promise<boolean> {
  try {
    await access(place)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return false
    throw writeError(place, error)
  }
}

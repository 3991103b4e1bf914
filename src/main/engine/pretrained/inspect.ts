import path from 'node:path'
import { hasTag } from '../../../shared/errors.ts'
import type { WeightSet } from './catalogue.ts'
import { hashFile, type FileHashes } from './file-hashes.ts'
import { verifyTensors, type WeightTensor } from './verify.ts'
import { withWeightsFile } from './open-weights-file.ts'

/** A file after comparison with the catalogue. */
export type Inspection =
  | {
      verified: true
      set: WeightSet
      sha256: string
      md5: string
      exactBiases: boolean | null
      tensors: ReadonlyMap<string, WeightTensor>
    }
  /** `expected` and `found` for a message that names the file itself. */
  | { verified: false; expected: string; found: string }

/**
 * Compares a file with one set: the checksum of the whole file where the catalogue knows it under this name, and every tensor.
 * A file that cannot be read as weights is not verified either. Throws `NotFound` when it is not there, `Cancelled`.
 */
export async function inspectFile(file: string, set: WeightSet, signal?: AbortSignal): Promise<Inspection> {
  try {
    const hashes = await hashFile(file, signal)
    const wrong = compareWhole(file, set, hashes)
    if (wrong !== null) return { verified: false, ...wrong }
    return await inspectTensors(file, [set], hashes, signal)
  } catch (error) {
    if (!hasTag(error, 'BadInput')) throw error
    return { verified: false, expected: error.fields.expected, found: error.fields.found }
  }
}

/**
 * Finds out which set of the catalogue a file holds, by its tensors. When it is none, says what differs from the set that is nearest.
 * Throws `NotFound`, `BadInput` when it is no file of weights at all, `Cancelled`.
 */
export async function identifyFile(
  file: string,
  sets: readonly WeightSet[],
  signal?: AbortSignal,
): Promise<Inspection> {
  return inspectTensors(file, sets, await hashFile(file, signal), signal)
}

async function inspectTensors(
  path: string,
  sets: readonly WeightSet[],
  { sha256, md5 }: FileHashes,
  signal: AbortSignal | undefined,
): Promise<Inspection> {
  return withWeightsFile(
    path,
    async (file) => {
      let nearest: { set: WeightSet; differences: readonly string[] } | null = null
      for (const set of sets) {
        const result = await verifyTensors(file, set, signal)
        if (result.verified) {
          return {
            verified: true,
            set,
            sha256,
            md5,
            exactBiases: result.exactBiases,
            tensors: result.tensors,
          }
        }
        const { differences } = result
        if (nearest === null || differences.length < nearest.differences.length)
          nearest = { set, differences }
      }
      if (nearest === null)
        return { verified: false, expected: 'a set of the catalogue', found: 'an empty catalogue' }
      const [first, ...others] = nearest.differences
      return {
        verified: false,
        expected: `the tensors of ${nearest.set.id}`,
        found: `${nearest.differences.length} of ${Object.keys(nearest.set.tensors).length} to differ (${first}${others.length > 0 ? `; also ${others.map(nameOf).join(', ')}` : ''})`,
      }
    },
    signal,
  )
}

function nameOf(difference: string): string {
  return difference.slice(0, difference.indexOf(':'))
}

/** `null` when the whole file is as the catalogue says, or when it says nothing of a file of this name. */
function compareWhole(
  file: string,
  set: WeightSet,
  hashes: FileHashes,
): { expected: string; found: string } | null {
  const name = path.basename(file)
  const download = set.downloads.find(({ fileName }) => fileName === name)
  if (download !== undefined && download.md5 !== hashes.md5) {
    return {
      expected: `${download.bytes} bytes with md5 ${download.md5}`,
      found: `${hashes.sizeBytes} bytes with md5 ${hashes.md5}`,
    }
  }
  const { name: ownName, bytes, sha256 } = set.file
  if (name === ownName && sha256 !== undefined && sha256 !== hashes.sha256) {
    return {
      expected: `${bytes === undefined ? 'a file' : `${bytes} bytes`} with sha256 ${sha256}`,
      found: `${hashes.sizeBytes} bytes with sha256 ${hashes.sha256}`,
    }
  }
  return null
}

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { systemErrorCode } from '../files/system-error.ts'
import type { WeightSet } from './catalogue.ts'
import type { WeightsPlace } from './places.ts'

interface SetFile {
  set: WeightSet
  place: WeightsPlace
  file: string
}

/** Files with a name that `set` has in the catalogue, in the order of places: our own form first, then the publisher's. */
export async function filesOfSet(set: WeightSet, places: readonly WeightsPlace[]): Promise<SetFile[]> {
  const names = [set.file.name, ...set.downloads.map(({ fileName }) => fileName)]
  const found: SetFile[] = []
  for (const place of places) {
    for (const name of names) {
      const file = path.join(place.folder, name)
      if (await isThere(file)) found.push({ set, place, file })
    }
  }
  return found
}

/** The file that comes first in the order of sets, then of places, whatever it holds. */
export async function firstFile(
  sets: readonly WeightSet[],
  places: readonly WeightsPlace[],
): Promise<SetFile | undefined> {
  for (const set of sets) {
    const first = (await filesOfSet(set, places)).at(0)
    if (first !== undefined) return first
  }
  return undefined
}

/** Anything but a plain "not there" counts as being there, so that reading it says what is wrong. */
export async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === undefined) throw error
    return code !== 'ENOENT' && code !== 'ENOTDIR'
  }
}

import { hasTag } from '../../../shared/errors.ts'
import { bundledFolder, readCatalogue, type WeightSet } from './catalogue.ts'
import { inspectFile } from './inspect.ts'
import { weightsPlaces, type PlaceOptions, type WeightsPlace } from './places.ts'
import { filesOfSet } from './set-files.ts'

/** A file that is there under a name of a set, and what its hashes say. */
export interface ListedFile {
  place: WeightsPlace['kind']
  path: string
  state: 'verified' | 'damaged'
  exactBiases: boolean | null
  sha256: string | null
  /** What is wrong with a damaged file. */
  problem: string | null
}

export interface ListedSet {
  id: string
  title: string
  description: string
  licence: string
  source: string
  citation: string | null
  /** In the order of the search. */
  files: readonly ListedFile[]
}

export interface WeightsListing {
  /** The preferred one first. */
  sets: readonly ListedSet[]
  /** Searched in this order. */
  places: readonly WeightsPlace[]
  /** What would be used when no set is asked for by name; `null` when there is nothing, or when that file is damaged. */
  used: { id: string; place: WeightsPlace['kind']; path: string; exactBiases: boolean | null } | null
}

export interface ListOptions extends PlaceOptions {
  signal?: AbortSignal
}

/**
 * Says which sets the catalogue has, which are found where, in what state, and which one would be used. Damaged files are part of the
 * answer. Throws `WeightsUnavailable` when `PHASEMARK_MODELS` names no folder, `Cancelled`.
 */
export async function listWeights(options: ListOptions = {}): Promise<WeightsListing> {
  const { environment = process.env, signal } = options
  const places = await weightsPlaces(options)
  const sets: ListedSet[] = []
  for (const set of await readCatalogue(bundledFolder(environment))) {
    const { id, title, description, licence, source, citation = null } = set
    const files: ListedFile[] = []
    for (const { place, file } of await filesOfSet(set, places)) {
      files.push({ place: place.kind, path: file, ...(await stateOf(file, set, signal)) })
    }
    sets.push({ id, title, description, licence, source, citation, files })
  }
  const first = sets.find(({ files }) => files.length > 0)
  const file = first?.files.at(0)
  if (first === undefined || file?.state !== 'verified') return { sets, places, used: null }
  const { place, path, exactBiases } = file
  return { sets, places, used: { id: first.id, place, path, exactBiases } }
}

async function stateOf(
  file: string,
  set: WeightSet,
  signal: AbortSignal | undefined,
): Promise<Omit<ListedFile, 'place' | 'path'>> {
  const damaged = { state: 'damaged', exactBiases: null, sha256: null } as const
  try {
    const inspection = await inspectFile(file, set, signal)
    if (!inspection.verified) {
      return { ...damaged, problem: `expected ${inspection.expected}, found ${inspection.found}` }
    }
    const { exactBiases, sha256 } = inspection
    return { state: 'verified', exactBiases, sha256, problem: null }
  } catch (error) {
    // Listed a moment ago, and gone: a link that leads nowhere, or a file that is just being replaced.
    if (hasTag(error, 'NotFound')) return { ...damaged, problem: error.message }
    throw error
  }
}

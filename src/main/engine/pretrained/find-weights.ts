import path from 'node:path'
import { hasTag, PhasemarkError } from '../../../shared/errors.ts'
import { bundledFolder, readCatalogue, type Preprocessing, type WeightSet } from './catalogue.ts'
import { identifyFile, inspectFile, type Inspection } from './inspect.ts'
import { weightsPlaces, type PlaceOptions, type WeightsPlaceKind } from './places.ts'
import { firstFile, isThere } from './set-files.ts'
import type { WeightTensor } from './verify.ts'

/** Verified pretrained weights of VGG16, with all that a result says about them. */
export interface PretrainedWeights {
  /** In the catalogue: `vgg16-imagenet`. */
  id: string
  title: string
  licence: string
  /** Where the weights come from: the publisher's page. */
  source: string
  /** The paper to cite, when there is one. */
  citation: string | null
  place: WeightsPlaceKind
  path: string
  /** Of the file at `path`, hexadecimal. */
  sha256: string
  /** `false` for a copy with rounded biases (see the catalogue); `null` for sets that have no such copy. */
  exactBiases: boolean | null
  preprocessing: Preprocessing
  /** In the order in which they are computed. */
  layers: readonly string[]
  /** By name: `block1_conv1/kernel` [y, x, input, output], `block1_conv1/bias` [output], … `block2_conv2/bias`. */
  tensors: ReadonlyMap<string, WeightTensor>
}

export interface FindWeightsOptions extends PlaceOptions {
  /** A set by its id in the catalogue, or the path of a file with weights; default: the preferred set that is found. */
  set?: string
  signal?: AbortSignal
}

/**
 * Finds pretrained weights and verifies them: the preferred set (ImageNet) wherever it lies, then the next. Places in order: the
 * project, `PHASEMARK_MODELS`, the user's folder, the bundled set. The network is never used.
 *
 * Throws `WeightsUnavailable` when nothing is found, and when the file that is found first differs from the catalogue: a damaged
 * file is never passed over. `Cancelled` through the signal.
 */
export async function findPretrainedWeights(options: FindWeightsOptions = {}): Promise<PretrainedWeights> {
  const { set: wanted, environment = process.env, signal } = options
  const catalogue = await readCatalogue(bundledFolder(environment))
  const sets = wanted === undefined ? catalogue : catalogue.filter(({ id }) => id === wanted)
  if (wanted !== undefined && sets.length === 0) return loadNamedFile(wanted, catalogue, signal)
  const places = await weightsPlaces(options)
  const first = await firstFile(sets, places)
  if (first !== undefined) {
    return load(first.file, first.place.kind, await inspectFile(first.file, first.set, signal))
  }
  throw new PhasemarkError(
    'WeightsUnavailable',
    `pretrained weights: expected ${wanted ?? 'a set of the catalogue'}, found none in ${places.map(({ folder }) => folder).join(', ')}. ${nothingFoundRemedy}`,
    { remedy: nothingFoundRemedy },
  )
}

const nothingFoundRemedy =
  'Run: phasemark weights fetch, or bring the file from another computer with: phasemark weights import FILE'

async function loadNamedFile(
  file: string,
  catalogue: readonly WeightSet[],
  signal: AbortSignal | undefined,
): Promise<PretrainedWeights> {
  if (!(await isThere(file))) {
    const ids = catalogue.map(({ id }) => id).join(', ')
    const remedy = 'phasemark weights list says which sets there are'
    throw new PhasemarkError(
      'WeightsUnavailable',
      `${file}: expected the path of a file with weights or one of ${ids}, found neither; ${remedy}`,
      { remedy },
    )
  }
  let inspection: Inspection
  try {
    inspection = await identifyFile(file, catalogue, signal)
  } catch (error) {
    if (!hasTag(error, 'BadInput')) throw error
    inspection = { verified: false, expected: error.fields.expected, found: error.fields.found }
  }
  return load(path.resolve(file), 'file', inspection)
}

function load(file: string, place: WeightsPlaceKind, inspection: Inspection): PretrainedWeights {
  if (!inspection.verified) {
    const { expected, found } = inspection
    const remedy = remedies[place]
    throw new PhasemarkError(
      'WeightsUnavailable',
      `${file}: expected ${expected}, found ${found}. ${remedy}`,
      {
        remedy,
      },
    )
  }
  const { set, sha256, exactBiases, tensors } = inspection
  return {
    id: set.id,
    title: set.title,
    licence: set.licence,
    source: set.source,
    citation: set.citation ?? null,
    place,
    path: file,
    sha256,
    exactBiases,
    preprocessing: set.preprocessing,
    layers: set.layers,
    tensors,
  }
}

/** What to do about a damaged file. */
const remedies: Record<WeightsPlaceKind, string> = {
  project: 'Replace the file, or remove it to use the weights of another place',
  PHASEMARK_MODELS: 'Replace the file, or remove it to use the weights of another place',
  user: 'Get it anew with: phasemark weights fetch, or phasemark weights import FILE',
  bundled: 'Install Phasemark again',
  file: 'Name a file of a set that phasemark weights list knows',
}

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import { makeFolder, writeFileAtomic } from '../files/atomic-file.ts'
import { acquireLock } from '../files/lock.ts'
import { encodeTensors } from '../learning/model/safetensors.ts'
import { packageVersion } from '../package-version.ts'
import { bundledFolder, readCatalogue } from './catalogue.ts'
import { hashFile } from './file-hashes.ts'
import { identifyFile, inspectFile, type Inspection } from './inspect.ts'
import { userModelsFolder } from './places.ts'
import { runSelfTest, type SelfTestResult } from './self-test.ts'
import { isThere } from './set-files.ts'

export interface ImportOptions {
  environment?: NodeJS.ProcessEnv
  signal?: AbortSignal
}

export interface ImportResult {
  id: string
  title: string
  licence: string
  /** The file that is there now. */
  path: string
  bytes: number
  sha256: string
  exactBiases: boolean | null
  /** `false`: the same weights, or better ones, were there already and stay. */
  changed: boolean
  selfTest: SelfTestResult | null
}

type Verified = Extract<Inspection, { verified: true }>

/**
 * Verifies a file of weights and puts what Phasemark needs of it (blocks 1 and 2 of VGG16, 1 MB) into the user's folder, for all
 * projects. The source is only read. Repeating it changes nothing, and exact weights are never replaced by rounded ones.
 *
 * Throws `NotFound`, `BadInput` when the file is no file of weights, `WeightsUnavailable` when it is but differs from the catalogue,
 * `NotWritable`, `NoSpace`, `Locked`, `Cancelled`.
 */
export async function importWeights(file: string, options: ImportOptions = {}): Promise<ImportResult> {
  const { environment = process.env } = options
  const folder = userModelsFolder(environment)
  await makeFolder(folder)
  const lock = await acquireLock(folder, { purpose: 'importing weights' })
  try {
    return await importInto(folder, file, options)
  } finally {
    await lock.release()
  }
}

/** As {@link importWeights}, into `folder`, which the caller has locked. */
export async function importInto(
  folder: string,
  file: string,
  { environment = process.env, signal }: ImportOptions,
): Promise<ImportResult> {
  const catalogue = await readCatalogue(bundledFolder(environment))
  const source = await identifyFile(file, catalogue, signal)
  if (!source.verified) throw refused(file, source.expected, source.found)
  const { set } = source
  const selfTest = runSelfTest(set, source.tensors)
  if (selfTest?.passed === false) {
    const { largestDifference, tolerance } = selfTest
    throw refused(
      file,
      `features of the self-test within ${tolerance}`,
      `a relative difference of ${largestDifference.toPrecision(3)}`,
    )
  }
  const target = path.join(folder, set.file.name)
  const present = (await isThere(target)) ? await inspectFile(target, set, signal) : null
  const keep = present?.verified === true && (present.exactBiases !== false || source.exactBiases === false)
  if (!keep) {
    await writeFileAtomic(target, await ownForm(file, source))
    await writeFileAtomic(provenancePath(target), provenance(file, source, selfTest))
  }
  const { exactBiases } = keep ? present : source
  const { sha256, sizeBytes } = await hashFile(target, signal)
  return {
    id: set.id,
    title: set.title,
    licence: set.licence,
    path: target,
    bytes: sizeBytes,
    sha256,
    exactBiases,
    changed: !keep,
    selfTest,
  }
}

/** The bytes of the file as we keep it: as it came where the catalogue knows the whole file, else encoded anew, always the same way. */
async function ownForm(file: string, { set, sha256, tensors }: Verified): Promise<Uint8Array> {
  if (set.file.sha256 === sha256) return readFile(file)
  if (set.file.sha256 !== undefined) {
    throw refused(file, `the file ${set.file.name} with sha256 ${set.file.sha256}`, `sha256 ${sha256}`)
  }
  const names = Object.keys(set.tensors)
  return encodeTensors(
    {
      tensors: Object.fromEntries(names.map((name) => [name, tensors.get(name)!.values])),
      metadata: { set: set.id, network: set.network, licence: set.licenceStatement, source: set.source },
    },
    new Map(names.map((name) => [name, tensors.get(name)!.shape])),
  )
}

function provenancePath(target: string): string {
  return target.replace(/\.safetensors$/, '') + '.provenance.json'
}

/** What an archivist wants to know of the file beside it. */
function provenance(file: string, source: Verified, selfTest: SelfTestResult | null): string {
  const { set, sha256, md5, exactBiases } = source
  const content = {
    kind: 'provenance',
    set: set.id,
    title: set.title,
    licence: set.licence,
    licenceStatement: set.licenceStatement,
    citation: set.citation ?? null,
    source: set.source,
    importedFrom: {
      fileName: path.basename(file),
      sha256,
      md5,
      download: set.downloads.find((download) => download.md5 === md5)?.title ?? null,
    },
    exactBiases,
    selfTest,
    importedAt: new Date().toISOString(),
    phasemark: packageVersion(),
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

function refused(file: string, expected: string, found: string): PhasemarkError<'WeightsUnavailable'> {
  const remedy =
    'phasemark weights fetch gets the official file; docs/weights.md names the files that can be imported'
  return new PhasemarkError(
    'WeightsUnavailable',
    `${file}: expected ${expected}, found ${found}. Nothing was imported; ${remedy}`,
    { remedy },
  )
}

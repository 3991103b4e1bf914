import { rm } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import { makeFolder } from '../files/atomic-file.ts'
import { acquireLock } from '../files/lock.ts'
import type { JobOptions } from '../job-options.ts'
import { bundledFolder, readCatalogue, type CatalogueDownload, type WeightSet } from './catalogue.ts'
import { download } from './download.ts'
import { importInto, type ImportResult } from './import-weights.ts'
import { inspectFile } from './inspect.ts'
import { userModelsFolder } from './places.ts'
import { isThere } from './set-files.ts'

export interface FetchOptions extends JobOptions {
  /** Id in the catalogue; default: the preferred set that can be downloaded. */
  set?: string
  environment?: NodeJS.ProcessEnv
  onNote?: (sentence: string) => void
}

export interface FetchResult extends ImportResult {
  /** `null`: exact weights were in the user's folder already, and the network was not used. */
  url: string | null
  downloadedBytes: number
  resumedFromByte: number
}

/**
 * Downloads the official file of a set, checks its md5, and imports it into the user's folder. The one function of Phasemark that uses
 * the network. What was downloaded is kept when it is interrupted, and gone on with by the next call.
 *
 * `PHASEMARK_WEIGHTS_URL` replaces the folder of the publisher's address, for a copy inside a closed network; checksums stay.
 *
 * Throws `WrongUsage` for a set that cannot be downloaded, and as `download` and `importWeights` do.
 */
export async function fetchWeights(options: FetchOptions = {}): Promise<FetchResult> {
  const { environment = process.env, signal, onProgress, onNote } = options
  const { set, offer } = chooseDownload(await readCatalogue(bundledFolder(environment)), options.set)
  const url = addressOf(offer, environment)
  const folder = userModelsFolder(environment)
  await makeFolder(folder)
  const lock = await acquireLock(folder, { purpose: 'fetching weights' })
  try {
    const present = await exactFile(folder, set, signal)
    if (present !== null) {
      const kept = await importInto(folder, present, options)
      return { ...kept, url: null, downloadedBytes: 0, resumedFromByte: 0 }
    }
    const partialFile = path.join(folder, `${offer.fileName}.partial`)
    const loaded = await download({
      url,
      partialFile,
      bytes: offer.bytes,
      md5: offer.md5,
      byHand: `download ${offer.url} on another computer and run: phasemark weights import ${offer.fileName}`,
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(onNote === undefined ? {} : { onNote }),
    })
    const imported = await importInto(folder, partialFile, options)
    await rm(partialFile, { force: true })
    return { ...imported, url: url.href, ...loaded }
  } finally {
    await lock.release()
  }
}

function chooseDownload(
  catalogue: readonly WeightSet[],
  wanted: string | undefined,
): { set: WeightSet; offer: CatalogueDownload } {
  for (const set of catalogue) {
    const offer = set.downloads.at(0)
    if (offer !== undefined && (wanted === undefined || set.id === wanted)) return { set, offer }
  }
  const offered = catalogue.filter(({ downloads }) => downloads.length > 0).map(({ id }) => id)
  throw new PhasemarkError(
    'WrongUsage',
    `expected a set that can be downloaded (${offered.join(', ')}), found ${wanted ?? 'none in the catalogue'}`,
    { argument: 'set' },
  )
}

function addressOf({ url, fileName }: CatalogueDownload, environment: NodeJS.ProcessEnv): URL {
  const base = environment['PHASEMARK_WEIGHTS_URL']
  if (base === undefined || base === '') return new URL(url)
  const address = URL.canParse(base) ? new URL(fileName, base.endsWith('/') ? base : `${base}/`) : null
  if (address === null || !['http:', 'https:'].includes(address.protocol)) {
    throw new PhasemarkError(
      'WrongUsage',
      `PHASEMARK_WEIGHTS_URL: expected an address such as https://mirror.example/vgg16/, found "${base}"`,
      { argument: 'PHASEMARK_WEIGHTS_URL' },
    )
  }
  return address
}

/** The set's file in the user's folder when it is whole and exact; a damaged or rounded one is to be replaced. */
async function exactFile(
  folder: string,
  set: WeightSet,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const file = path.join(folder, set.file.name)
  if (!(await isThere(file))) return null
  const inspection = await inspectFile(file, set, signal)
  return inspection.verified && inspection.exactBiases !== false ? file : null
}

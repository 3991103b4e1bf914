import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Folder with real labelled tomograms (`data/`) and tools, kept outside the repository. */
const sharedFolder = process.env['PHASEMARK_SHARED'] ?? path.join(repository, '..', 'shared')

/** Path of a real data set, or `null` when this machine does not have it: the caller skips by name. */
export function sharedData(name: string): string | null {
  const folder = path.join(sharedFolder, 'data', name)
  return existsSync(folder) ? folder : null
}

/** Path of a tool such as `electron-test-runtime.sh`, or `null`. */
export function sharedTool(name: string): string | null {
  const file = path.join(sharedFolder, 'tools', name)
  return existsSync(file) ? file : null
}

/** Path of a file of pretrained weights, or `null`: the caller skips by name. */
export function sharedModel(name: string): string | null {
  const file = path.join(sharedFolder, 'models', name)
  return existsSync(file) ? file : null
}

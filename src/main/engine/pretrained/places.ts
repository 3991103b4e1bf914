import { stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { bundledFolder } from './catalogue.ts'

/** Where a set of weights was found. `file`: it was named by its path. */
export type WeightsPlaceKind = 'project' | 'PHASEMARK_MODELS' | 'user' | 'bundled' | 'file'

export interface WeightsPlace {
  kind: Exclude<WeightsPlaceKind, 'file'>
  folder: string
}

export interface PlaceOptions {
  /** Folder `name.phasemark` of the project at hand; its `models/` is searched first. */
  project?: string
  /** Default: that of this process. */
  environment?: NodeJS.ProcessEnv
}

/**
 * The folders in which weights are looked for, in that order: the project's, those of `PHASEMARK_MODELS`, the user's, the
 * bundled one. All but those of `PHASEMARK_MODELS` may be missing.
 * Throws `WeightsUnavailable` when `PHASEMARK_MODELS` names something that is no folder: whoever set it relies on it.
 */
export async function weightsPlaces({
  project,
  environment = process.env,
}: PlaceOptions): Promise<WeightsPlace[]> {
  const places: WeightsPlace[] = []
  if (project !== undefined) places.push({ kind: 'project', folder: path.join(project, 'models') })
  for (const part of (environment['PHASEMARK_MODELS'] ?? '').split(path.delimiter)) {
    if (part === '') continue
    const folder = path.resolve(part)
    await requireFolder(folder)
    places.push({ kind: 'PHASEMARK_MODELS', folder })
  }
  places.push({ kind: 'user', folder: userModelsFolder(environment) })
  places.push({ kind: 'bundled', folder: bundledFolder(environment) })
  return places
}

/**
 * Where `weights fetch` and `weights import` put weights for all projects of a user. `PHASEMARK_USER_MODELS` overrides the place that
 * the operating system provides (XDG Base Directory Specification on Linux). Data, not cache: it is not made again by itself.
 */
export function userModelsFolder(
  environment: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
  homeFolder: string = os.homedir(),
): string {
  const override = environment['PHASEMARK_USER_MODELS']
  if (override !== undefined && override !== '') return path.resolve(override)
  return path.join(dataFolder(environment, platform, homeFolder), 'phasemark', 'models')
}

function dataFolder(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform, homeFolder: string): string {
  if (platform === 'win32') return environment['APPDATA'] ?? path.join(homeFolder, 'AppData', 'Roaming')
  if (platform === 'darwin') return path.join(homeFolder, 'Library', 'Application Support')
  const xdg = environment['XDG_DATA_HOME']
  // The specification says that a relative path is to be ignored.
  return xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homeFolder, '.local', 'share')
}

async function requireFolder(folder: string): Promise<void> {
  let found = 'a file'
  try {
    if ((await stat(folder)).isDirectory()) return
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    found = error instanceof Error ? error.message : String(error)
  }
  throw new PhasemarkError(
    'WeightsUnavailable',
    `PHASEMARK_MODELS: expected folders with weights, found for ${folder}: ${found}`,
    { remedy: 'correct the environment variable PHASEMARK_MODELS, or unset it' },
  )
}

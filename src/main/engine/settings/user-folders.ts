import os from 'node:os'
import path from 'node:path'

/** The machine and user whose folders are wanted; tests describe others. */
export interface UserPlace {
  environment: NodeJS.ProcessEnv
  platform: NodeJS.Platform
  homeFolder: string
}

function currentPlace(): UserPlace {
  return { environment: process.env, platform: process.platform, homeFolder: os.homedir() }
}

/**
 * Where settings and the list of recent projects of this user lie. `PHASEMARK_STATE` overrides the place that the operating
 * system provides (XDG Base Directory Specification on Linux).
 */
export function userStateFolder(place: UserPlace = currentPlace()): string {
  const { environment, platform, homeFolder } = place
  const override = environment['PHASEMARK_STATE']
  if (override !== undefined && override !== '') return path.resolve(override)
  if (platform === 'win32')
    return path.join(environment['APPDATA'] ?? path.join(homeFolder, 'AppData', 'Roaming'), 'Phasemark')
  if (platform === 'darwin') return path.join(homeFolder, 'Library', 'Application Support', 'Phasemark')
  const xdg = environment['XDG_STATE_HOME']
  // The specification says that a relative path is to be ignored.
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homeFolder, '.local', 'state')
  return path.join(base, 'phasemark')
}

/**
 * Where new projects go unless their user says otherwise: `PHASEMARK_PROJECTS`, else the first root that a web host may
 * write, else `Phasemark` in the home folder. The folder need not exist.
 */
export function defaultProjectFolder(
  roots: readonly string[] | null = null,
  place: UserPlace = currentPlace(),
): string {
  const override = place.environment['PHASEMARK_PROJECTS']
  if (override !== undefined && override !== '') return path.resolve(override)
  return roots?.at(0) ?? path.join(place.homeFolder, 'Phasemark')
}

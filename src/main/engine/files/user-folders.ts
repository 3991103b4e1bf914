import path from 'node:path'

/** What decides where a user's files lie; `RuntimeHost` has it, and tests describe other machines with it. */
export interface FolderHost {
  platform: NodeJS.Platform
  env: Readonly<Record<string, string | undefined>>
  homeFolder: string
}

/**
 * Folder of what Phasemark remembers for a user on this computer and cannot make again: settings, recent projects, jobs under
 * way, measurements. `PHASEMARK_STATE` overrides the place that the operating system provides (XDG Base Directory Specification
 * on Linux). May not exist yet.
 */
export function stateFolder({ platform, env, homeFolder }: FolderHost): string {
  const override = env['PHASEMARK_STATE']
  if (override !== undefined && override !== '') return path.resolve(override)
  if (platform === 'win32') {
    return path.join(env['APPDATA'] ?? path.join(homeFolder, 'AppData', 'Roaming'), 'phasemark')
  }
  if (platform === 'darwin') return path.join(homeFolder, 'Library', 'Application Support', 'phasemark')
  const xdg = env['XDG_STATE_HOME']
  // The specification says that a relative path is to be ignored.
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homeFolder, '.local', 'state')
  return path.join(base, 'phasemark')
}

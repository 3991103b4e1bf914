import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

/** What the runtime needs to know of the machine it is on. Tests describe other machines with it. */
export interface RuntimeHost {
  platform: NodeJS.Platform
  arch: string
  env: Readonly<Record<string, string | undefined>>
  homeFolder: string
  /** Version of the C library, or `null` where there is no glibc (other systems, musl). Asked only by setup: it costs 5 ms. */
  glibcVersion: () => string | null
  /** Folder of the installed package `@tensorflow/tfjs-node-gpu`. */
  addonPackageFolder: string
  /** Root of the file system that is searched for drivers; `/` except in tests. */
  rootFolder: string
  isRoot: boolean
}

/** The machine that this process runs on. */
export function currentHost(): RuntimeHost {
  const require = createRequire(import.meta.url)
  return {
    platform: process.platform,
    arch: process.arch,
    env: process.env,
    homeFolder: os.homedir(),
    glibcVersion: currentGlibcVersion,
    addonPackageFolder: path.dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')),
    rootFolder: '/',
    isRoot: process.getuid?.() === 0,
  }
}

/**
 * Folder of everything that Phasemark can make again and that all checkouts and projects of a user share. `PHASEMARK_CACHE`
 * overrides the place that the operating system provides (XDG Base Directory Specification on Linux).
 */
export function cacheFolder(host: RuntimeHost): string {
  const { env, homeFolder } = host
  const override = env['PHASEMARK_CACHE']
  if (override !== undefined && override !== '') return path.resolve(override)
  if (host.platform === 'win32') {
    return path.join(env['LOCALAPPDATA'] ?? path.join(homeFolder, 'AppData', 'Local'), 'phasemark')
  }
  if (host.platform === 'darwin') return path.join(homeFolder, 'Library', 'Caches', 'phasemark')
  const xdg = env['XDG_CACHE_HOME']
  // The specification says that a relative path is to be ignored.
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homeFolder, '.cache')
  return path.join(base, 'phasemark')
}

/** Folder that holds one folder per runtime variant. */
export function runtimeFolder(host: RuntimeHost): string {
  return path.join(cacheFolder(host), 'runtime')
}

/** Version of the addon's package, for example `4.22.0`. */
export function addonVersion(host: RuntimeHost): string {
  const manifest: unknown = JSON.parse(
    readFileSync(path.join(host.addonPackageFolder, 'package.json'), 'utf8'),
  )
  if (
    typeof manifest === 'object' &&
    manifest !== null &&
    'version' in manifest &&
    typeof manifest.version === 'string'
  ) {
    return manifest.version
  }
  throw new Error(`${host.addonPackageFolder}/package.json: expected a version, found none`)
}

function currentGlibcVersion(): string | null {
  if (process.platform !== 'linux') return null
  const report: unknown = process.report.getReport()
  if (typeof report !== 'object' || report === null || !('header' in report)) return null
  const { header } = report
  if (typeof header !== 'object' || header === null || !('glibcVersionRuntime' in header)) return null
  return typeof header.glibcVersionRuntime === 'string' ? header.glibcVersionRuntime : null
}

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { stat, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { addonVersion, runtimeFolder } from './host.ts'
import type { RuntimeHost } from './host.ts'
import { quietSource } from './quiet-start.ts'
import { cudaLinks, tensorflowVersion, wheelsFor } from './wheels.ts'
import type { Wheel } from './wheels.ts'

/**
 * A runtime variant is one folder, complete or absent. Everything that decides its content goes into its name, so that
 * checkouts of different ages share a cache without knowing of each other, and a changed recipe makes a new folder.
 */
export interface RuntimeVariant {
  device: 'gpu' | 'cpu'
  /** Name of the folder, for example `tf-2.21.0-cpu-linux-x64-1a2b3c4d5e`. */
  name: string
  folder: string
  wheels: readonly Wheel[]
}

/** Raise it when the way of laying out or compiling changes, so that existing folders are not taken for the new kind. */
const recipeVersion = 1

/** Arguments of the compiler that do not depend on paths. Node-API 8 is what the addon asks for and all our Nodes have. */
export const compilerFlags: readonly string[] = [
  '-O2',
  '-std=c++17',
  '-shared',
  '-fPIC',
  '-DNAPI_VERSION=8',
  '-Wl,-rpath,$ORIGIN/../../deps/lib:$ORIGIN',
]

/** Where the loader looks for the addon; the run path above is relative to this. (`$ORIGIN` alone serves the library in deps/lib.) */
export const addonPath = 'lib/napi-v8/tfjs_binding.node'

const markerName = 'runtime.json'

/** Written last into a variant's folder: its presence, and the sizes it names, say that the folder is whole. */
const markerSchema = z.object({
  schema: z.literal(1),
  variant: z.string(),
  device: z.enum(['gpu', 'cpu']),
  tensorflowVersion: z.string(),
  addonVersion: z.string(),
  compiler: z.string(),
  madeAt: z.string(),
  wheels: z.array(z.object({ file: z.string(), sha256: z.string() })),
  files: z.array(z.object({ path: z.string(), bytes: z.number().int().nonnegative() })).min(1),
})
export type RuntimeMarker = z.infer<typeof markerSchema>

/** How a runtime for a device comes to be on this machine. */
export type RuntimeRoute =
  | { kind: 'wheels'; variant: RuntimeVariant }
  /** By the installer that `@tensorflow/tfjs-node-gpu` brings, into the package itself. */
  | { kind: 'package-installer' }
  | { kind: 'none'; reason: string }

export function runtimeRoute(host: RuntimeHost, device: 'gpu' | 'cpu'): RuntimeRoute {
  const wheels = wheelsFor(device, host.platform, host.arch)
  if (wheels !== null) return { kind: 'wheels', variant: variantOf(host, device, wheels) }
  if (host.platform !== 'linux') return { kind: 'package-installer' }
  return {
    kind: 'none',
    reason: `there is no TensorFlow for ${device === 'gpu' ? 'graphics cards' : 'processors'} on Linux ${host.arch}`,
  }
}

/** The variant that `wheels` and the addon's sources make. */
export function variantOf(
  host: RuntimeHost,
  device: 'gpu' | 'cpu',
  wheels: readonly Wheel[],
): RuntimeVariant {
  const hash = createHash('sha256')
  hash.update(
    JSON.stringify([
      recipeVersion,
      compilerFlags,
      quietSource,
      addonVersion(host),
      wheels.map((wheel) => wheel.sha256),
      ...(device === 'gpu' ? [cudaLinks] : []),
    ]),
  )
  for (const file of addonSources(host)) {
    hash.update(`\0${path.basename(file)}\0`).update(readFileSync(file))
  }
  const name = `tf-${tensorflowVersion}-${device}-${host.platform}-${host.arch}-${hash.digest('hex').slice(0, 10)}`
  return { device, name, folder: path.join(runtimeFolder(host), name), wheels }
}

/** Sources and headers of the addon, in a fixed order. */
export function addonSources(host: RuntimeHost): string[] {
  const folder = path.join(host.addonPackageFolder, 'binding')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cc') || name.endsWith('.h'))
    .sort()
    .map((name) => path.join(folder, name))
}

export function markerFile(folder: string): string {
  return path.join(folder, markerName)
}

/**
 * The marker of a complete variant, or `null` when the folder is absent, unfinished or damaged. Looks at names and sizes
 * only, which takes about a millisecond; contents were verified when the folder was made.
 */
export async function readMarker(folder: string): Promise<RuntimeMarker | null> {
  const text = await readFile(markerFile(folder), 'utf8').catch((error: unknown) => {
    if (isAbsent(error)) return null
    throw error
  })
  if (text === null) return null
  const parsed = markerSchema.safeParse(parseJson(text))
  if (!parsed.success) return null
  const whole = await Promise.all(
    parsed.data.files.map(async ({ path: name, bytes }) => {
      const found = await stat(path.join(folder, name)).catch(() => null)
      return found !== null && found.size === bytes
    }),
  )
  return whole.every(Boolean) ? parsed.data : null
}

/** The addon that the package's own installer put into the package, or `null`. */
export async function packageAddon(host: RuntimeHost): Promise<string | null> {
  const folder = path.join(host.addonPackageFolder, 'lib')
  const found = path.join(folder, `napi-v${packageNapiVersion}`, 'tfjs_binding.node')
  return (await stat(found).catch(() => null)) === null ? null : found
}

/** The newest Node-API version that the package's installer builds for; all our Nodes have it. */
const packageNapiVersion = 8

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A torn marker means an unfinished folder; the caller treats it as absent and setup makes it anew.
    return null
  }
}

function isAbsent(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  )
}

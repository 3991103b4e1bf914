import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * URL of a compiled worker script beside the calling module. Under Vitest the caller runs from src/*.ts, which a plain
 * Node thread cannot load; the compiled twin in dist/ is used then (`npm test` builds first).
 *
 * @param moduleUrl `import.meta.url` of the caller
 * @param name file name without extension, for example `patch-worker`
 */
export function workerUrl(moduleUrl: string, name: string): URL {
  const beside = new URL(`./${name}.js`, moduleUrl)
  if (!moduleUrl.endsWith('.ts')) return beside
  const file = fileURLToPath(beside)
  const marker = `${path.sep}src${path.sep}`
  const cut = file.lastIndexOf(marker)
  return pathToFileURL(`${file.slice(0, cut)}${path.sep}dist${path.sep}${file.slice(cut + marker.length)}`)
}

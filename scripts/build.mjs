// Compiles src/ into dist/ when something changed since the last build. Deciding takes a few milliseconds, so that every
// npm command can call it first.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const stampFile = path.join(root, 'dist', '.build-stamp')

function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(full)
    else yield full
  }
}

function fingerprint() {
  const hash = createHash('sha256')
  const files = [
    ...filesBelow(path.join(root, 'src')),
    'tsconfig.base.json',
    'tsconfig.json',
    'package-lock.json',
  ]
  for (const file of files.map((name) => path.resolve(root, name)).sort()) {
    const { mtimeMs, size } = statSync(file)
    hash.update(`${path.relative(root, file)}\0${mtimeMs}\0${size}\n`)
  }
  return hash.digest('hex')
}

/** Builds when needed; ends the process with tsc's exit status when compilation fails. */
export function build() {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(tsc)) {
    console.error('phasemark: the packages are not installed. Run: npm ci')
    process.exit(4)
  }
  const current = fingerprint()
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === current) return
  // Removed modules must not linger in dist, where they could still be imported.
  const emitted = path.join(root, 'dist')
  if (existsSync(emitted)) {
    for (const file of [...filesBelow(emitted)]) {
      const source = path
        .join(root, 'src', path.relative(emitted, file))
        .replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')
      if (/\.(js|d\.ts|map)$/.test(file) && !existsSync(source)) rmSync(file)
    }
  }
  process.stderr.write('phasemark: building… ')
  const started = Date.now()
  const { status } = spawnSync(process.execPath, [tsc, '-b', root], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
  writeFileSync(stampFile, current)
  process.stderr.write(`done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) build()

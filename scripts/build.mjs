// Builds what changed since the last build: src/main and src/shared with tsc into dist/, the window and the preload script with
// Vite. Deciding takes a few milliseconds, so that every npm command can call it first.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const bin = (...parts) => path.join(root, 'node_modules', ...parts)

/** What is built, from what, and how; in this order. */
const parts = [
  {
    name: 'engine',
    sources: ['src/main', 'src/shared', 'tsconfig.base.json', 'tsconfig.json'],
    before: removeOrphans,
    command: [bin('typescript', 'bin', 'tsc'), '-b', root],
  },
  {
    name: 'preload',
    sources: ['src/main/preload', 'src/shared/contract', 'vite.preload.config.ts'],
    command: [
      bin('vite', 'bin', 'vite.js'),
      'build',
      '--config',
      'vite.preload.config.ts',
      '--logLevel',
      'warn',
    ],
  },
  {
    name: 'window',
    sources: ['src/renderer', 'src/shared', 'vite.config.ts'],
    command: [bin('vite', 'bin', 'vite.js'), 'build', '--logLevel', 'warn'],
  },
]

function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(full)
    else yield full
  }
}

function fingerprint(sources) {
  const hash = createHash('sha256')
  const files = [...sources, 'package-lock.json'].flatMap((source) => {
    const full = path.join(root, source)
    return statSync(full).isDirectory() ? [...filesBelow(full)] : [full]
  })
  for (const file of files.sort()) {
    const { mtimeMs, size } = statSync(file)
    hash.update(`${path.relative(root, file)}\0${mtimeMs}\0${size}\n`)
  }
  return hash.digest('hex')
}

/** Removed modules must not linger in dist, where they could still be imported. */
function removeOrphans() {
  for (const part of ['main', 'shared']) {
    const emitted = path.join(root, 'dist', part)
    if (!existsSync(emitted)) continue
    for (const file of [...filesBelow(emitted)]) {
      const source = path
        .join(root, 'src', path.relative(path.join(root, 'dist'), file))
        .replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')
      if (/\.(js|d\.ts|map)$/.test(file) && !existsSync(source)) rmSync(file)
    }
  }
}

/**
 * Builds what is out of date; ends the process with the compiler's exit status when that fails.
 * @param {{ only?: ('engine' | 'preload' | 'window')[] }} [options] the parts wanted; default all
 */
export function build({ only } = {}) {
  for (const part of parts) {
    if (only !== undefined && !only.includes(part.name)) continue
    if (!existsSync(part.command[0])) {
      console.error('phasemark: the packages are not installed. Run: npm ci')
      process.exit(4)
    }
    const stampFile = path.join(root, 'dist', `.build-stamp-${part.name}`)
    const current = fingerprint(part.sources)
    if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === current) continue
    part.before?.()
    process.stderr.write(`phasemark: building ${part.name}… `)
    const started = Date.now()
    const { status } = spawnSync(process.execPath, part.command, { cwd: root, stdio: ['ignore', 2, 2] })
    if (status !== 0) process.exit(status ?? 1)
    mkdirSync(path.dirname(stampFile), { recursive: true })
    writeFileSync(stampFile, current)
    process.stderr.write(`done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) build()

// `npm run check`: what one runs before every commit. Each step is shown; the first failure ends it.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

const steps = [
  ['format', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['lint', 'eslint', ['.']],
  ['layers', 'depcruise', ['--config', '.dependency-cruiser.cjs', 'src']],
  ['dead code', 'knip', []],
  ['types of the window', 'vue-tsc', ['-p', 'src/renderer']],
  ['types of the preload script', 'tsc', ['-p', 'src/main/preload']],
  ['types of tests', 'tsc', ['-p', 'tests']],
  ['types of the window’s tests', 'vue-tsc', ['-p', 'tests/renderer']],
  ['unit tests', 'vitest', ['run', 'tests/unit', 'tests/renderer']],
]

build()
for (const [title, tool, args] of steps) {
  console.log(`— ${title}`)
  const bin = path.join(root, 'node_modules', '.bin', tool)
  const { status } = spawnSync(bin, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(status ?? 1)
}

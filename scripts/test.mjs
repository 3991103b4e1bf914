// `npm test`: everything that a fresh machine can run. Builds, prepares the compute runtime, checks the house rules,
// then runs all tests. Arguments go to Vitest.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

function run(bin, args) {
  const { status } = spawnSync(process.execPath, [bin, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

build()
run(path.join(root, 'dist/main/hosts/cli/main.js'), ['setup'])
run(path.join(root, 'node_modules/vitest/vitest.mjs'), ['run', ...process.argv.slice(2)])

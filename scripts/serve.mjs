// `npm run serve -- --root FOLDER`: builds what is out of date, prepares the compute runtime, then serves the window to a
// browser. Without --root the folder from which npm was called is taken.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const cli = path.join(root, 'dist/main/hosts/cli/main.js')

build()
const { status } = spawnSync(process.execPath, [cli, 'setup'], { cwd: root, stdio: ['ignore', 2, 2] })
// Looking and labelling need no TensorFlow; the window says what is missing and why.
if (status !== 0) console.error('phasemark: going on without the compute runtime; training is not possible')

const given = process.argv.slice(2)
const named = given.some((argument) => argument === '--root' || argument.startsWith('--root='))
process.argv = [
  ...process.argv.slice(0, 2),
  'serve',
  ...given,
  ...(named ? [] : ['--root', process.env.INIT_CWD ?? process.cwd()]),
]
await import('../dist/main/hosts/cli/main.js')

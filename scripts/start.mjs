// `npm start [-- <folder or project>…]`: builds what changed, gets Electron when it is not there yet, opens the window, and prepares the
// compute runtime beside it when that was never done. Arguments go to the app, its exit code comes back.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const electronPackage = path.join(root, 'node_modules', 'electron')
const args = process.argv.slice(2)

/** As everywhere in Phasemark: 2 wrong usage, 4 something that is needed cannot be had. */
const wrongUsage = 2
const unavailable = 4

const webHost = `Without Electron, the same window opens in a browser: npm run serve -- --root <folder with your data>`

function fail(code, ...lines) {
  for (const line of lines) console.error(`phasemark: ${line}`)
  process.exit(code)
}

/** Where the program lies inside a distribution of Electron. */
function programIn(folder) {
  const names = { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' }
  return path.join(folder, names[process.platform] ?? 'electron')
}

/** The installed Electron, or `null` when there is none or one of another version. */
function installedElectron() {
  const read = (...parts) => {
    const file = path.join(electronPackage, ...parts)
    return existsSync(file) ? readFileSync(file, 'utf8') : null
  }
  const wanted = JSON.parse(read('package.json')).version
  const program = programIn(path.join(electronPackage, 'dist'))
  const complete = read('dist', 'version')?.replace(/^v/, '').trim() === wanted && existsSync(program)
  return complete ? program : null
}

function findElectron() {
  if (!existsSync(path.join(electronPackage, 'package.json'))) {
    fail(unavailable, 'the packages are not installed. Run: npm ci')
  }
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH']
  if (override !== undefined && override !== '') {
    const program = programIn(override)
    if (!existsSync(program)) {
      fail(unavailable, `ELECTRON_OVERRIDE_DIST_PATH: expected Electron at ${program}, found nothing there`)
    }
    return program
  }
  const installed = installedElectron()
  if (installed !== null) return installed
  console.error('phasemark: getting Electron (about 120 MB, once)…')
  const { status } = spawnSync(process.execPath, [path.join(electronPackage, 'install.js')], {
    cwd: electronPackage,
    stdio: ['ignore', 2, 2],
  })
  const program = status === 0 ? installedElectron() : null
  if (program === null) {
    fail(
      unavailable,
      'Electron could not be downloaded; the lines above say why.',
      'A mirror is set with ELECTRON_MIRROR, an Electron that is already unpacked with ELECTRON_OVERRIDE_DIST_PATH.',
      webHost,
    )
  }
  return program
}

/** What would make Electron end with a stack trace instead of a window. */
function checkDesktop() {
  if (process.platform !== 'linux') return
  if (process.getuid() === 0 && !args.includes('--no-sandbox')) {
    fail(
      wrongUsage,
      'Electron does not run as root, because its sandbox cannot protect you there. Start it as an ordinary user.',
      'In a container that you trust, give up the sandbox: npm start -- --no-sandbox',
      webHost,
    )
  }
  if (!process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY']) {
    fail(unavailable, 'there is no desktop here (neither DISPLAY nor WAYLAND_DISPLAY is set).', webHost)
  }
}

/** Linux systems that forbid unprivileged namespaces need the helper beside Electron to belong to root. */
function explainSandbox(electron) {
  const helper = path.join(path.dirname(electron), 'chrome-sandbox')
  if (process.platform !== 'linux' || args.includes('--no-sandbox') || !existsSync(helper)) return
  const { mode, uid } = statSync(helper)
  if (uid === 0 && (mode & 0o4000) !== 0) return
  console.error(
    `phasemark: if the lines above speak of the sandbox: sudo chown root ${helper} && sudo chmod 4755 ${helper}`,
  )
}

/** Downloads and builds TensorFlow while the window is open already; everything but learning works without it. */
async function prepareCompute() {
  const { planSetup } = await import('../dist/main/engine/compute/runtime/setup.js')
  const plan = await planSetup({ device: 'auto' })
  if (plan.ready || plan.route.kind === 'none' || appHasEnded) return null
  console.error(
    'phasemark: preparing the compute runtime in the background (once; the window is usable meanwhile)',
  )
  const setup = spawn(process.execPath, [path.join(root, 'dist/main/hosts/cli/main.js'), 'setup'], {
    stdio: ['ignore', 2, 2],
  })
  setup.on('exit', (code, signal) => {
    if (code === 0) console.error('phasemark: the compute runtime is ready')
    else if (signal === null && code !== 5) {
      console.error('phasemark: the compute runtime is not ready; try again with: npm run setup')
    }
  })
  return setup
}

let appHasEnded = false
checkDesktop()
const electron = findElectron()
build()
const environment = { ...process.env }
// Its presence would turn Electron into plain Node.
delete environment['ELECTRON_RUN_AS_NODE']
const child = spawn(electron, [root, ...args], {
  stdio: 'inherit',
  env: environment,
  // npm changes to the package's folder; paths are meant from where the user is.
  cwd: process.cwd() === root ? (process.env['INIT_CWD'] ?? root) : process.cwd(),
})
child.on('error', (error) => fail(unavailable, `Electron does not start: ${error.message}`, webHost))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))

const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })))
let setup = null
prepareCompute().then(
  (started) => (setup = started),
  (error) => console.error(`phasemark: the compute runtime could not be prepared: ${error.message}`),
)
const { code, signal } = await ended
appHasEnded = true
// Interrupted, it continues at the next start.
setup?.kill('SIGTERM')
if (signal === 'SIGTRAP' || signal === 'SIGABRT') explainSandbox(electron)
process.exitCode = code ?? (signal === 'SIGINT' || signal === 'SIGTERM' ? 5 : 1)

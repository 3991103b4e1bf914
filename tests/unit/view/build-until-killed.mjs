// Builds the pyramid of a volume as the service does, slowly, and says `unit` when the first unit is on the disk. For tests that
// kill it: node build-until-killed.mjs VOLUME FOLDER LIMITS
/* global AbortController, URL, console, process */
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const engine = new URL('../../../dist/main/engine/', import.meta.url)
const load = (file) => import(new URL(file, engine).href)
const { openVolume } = await load('volume/open-volume.js')
const { acquireLock } = await load('files/lock.js')
const { buildPyramid } = await load('view/pyramid/build.js')
const { fingerprintOf, preparePyramid } = await load('view/pyramid/cache-folder.js')
const { CoarseLevel } = await load('view/pyramid/coarse-level.js')
const { planPyramid } = await load('view/pyramid/layout.js')
const { PyramidStore } = await load('view/pyramid/store.js')

const [sourcePath, folder, limits] = process.argv.slice(2)
const source = await openVolume(sourcePath)
const layout = planPyramid(source.meta.shape, source.meta.dtype, JSON.parse(limits))
await mkdir(folder, { recursive: true })
await acquireLock(folder, { purpose: 'preparing XZ and YZ' })
const fingerprint = await fingerprintOf(sourcePath)
await preparePyramid({ folder, layout, sourcePath, fingerprint, limitBytes: 1e9, marginBytes: 0 })
const unitsDone = new Uint8Array(new SharedArrayBuffer(layout.units))
await buildPyramid({
  source,
  layout,
  coarse: new CoarseLevel(layout),
  unitsDone,
  store: new PyramidStore(folder, layout, 0, true),
  whenQuiet: () => sleep(unitsDone[0] === 1 ? 200 : 0),
  onProgress: () => unitsDone[0] === 1 && console.log('unit'),
  onFinestChanged: () => Promise.resolve(),
  signal: new AbortController().signal,
})

import '../../../../src/renderer/api/zod-without-eval.ts'
import '../../../../src/renderer/styles/index.css'
import { createWindowRouter } from '../../../../src/renderer/router.ts'
import { createWindowApp } from '../../../../src/renderer/start-app.ts'
import { createFakeApi, type FakeApi } from '../fake-api.ts'
import { createFakeServices, entryOf, projectOf, summaryOf, type World } from '../fake-services.ts'

/** The window over fake services, to be looked at: `?state=start|data|…#/data`. */
const state = new URLSearchParams(location.search).get('state') ?? 'start'

const volumes = [
  entryOf({
    name: 'NMC811_calendered',
    path: '/data/2026-09_id16b/NMC811_cal/recon_16bit',
    summary: summaryOf({
      path: '/data/2026-09_id16b/NMC811_cal/recon_16bit',
      shape: [768, 1536, 1536],
      voxelSize: { z: 65, y: 65, x: 65, unit: 'nm' },
    }),
  }),
  entryOf({
    name: 'NMC811_uncalendered',
    role: 'unseen',
    path: '/data/NMC811_uncal',
    labelledSlices: 4,
    summary: summaryOf({ path: '/data/NMC811_uncal', shape: [224, 1536, 1536], gaps: [112] }),
  }),
  entryOf({
    name: 'Ni-YSZ_anode_FIBSEM',
    role: 'none',
    labelledSlices: 0,
    path: '/data/ni.tif',
    voxelSize: { z: 20, y: 10, x: 10, unit: 'nm' },
    voxelSizeEntered: ['z'],
    summary: summaryOf({
      path: '/data/ni.tif',
      format: 'multi-page TIFF',
      shape: [512, 1200, 1600],
      dtype: 'uint8',
    }),
  }),
  entryOf({
    name: 'Graphite-Si_pristine',
    role: 'none',
    labelledSlices: 2,
    path: '/mnt/beamtime/graphite',
    source: {
      state: 'missing',
      message: '/mnt/beamtime/graphite: not found; the drive may not be connected',
    },
    summary: summaryOf({ path: '/mnt/beamtime/graphite', shape: [2160, 2560, 2560], dtype: 'float32' }),
  }),
]
const world: World = {
  project:
    state === 'start' || state === 'import-first'
      ? null
      : projectOf({ name: 'NMC811 calendering study', volumes: state === 'empty' ? [] : volumes }),
  settings: {},
  sources: new Map([
    ...volumes.slice(0, 3).map((volume) => [volume.path, volume.summary] as const),
    ['/data/2026-10_fibsem/Ni-YSZ_anode_B/raw', summaryOf({ shape: [512, 1200, 1600], dtype: 'uint8' })],
  ]),
}
// eslint-disable-next-line prefer-const -- the services announce changes through the fake that is made of them
let fake: FakeApi
const services = createFakeServices(world, (project) => fake.emit('data', 'projects', 'changed', project))
fake = createFakeApi(services)
Object.assign(window, { fake })
createWindowApp(fake.api, createWindowRouter()).mount('#app')

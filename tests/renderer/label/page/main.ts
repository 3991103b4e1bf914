import '../../../../src/renderer/api/zod-without-eval.ts'
import '../../../../src/renderer/styles/index.css'
import { PhasemarkError } from '../../../../src/shared/errors.ts'
import { createWindowRouter } from '../../../../src/renderer/router.ts'
import { createWindowApp } from '../../../../src/renderer/start-app.ts'
import { createFakeApi, type FakeApi } from '../../support/fake-api.ts'
import { createFakeServices, entryOf, projectOf, summaryOf, type World } from '../../support/fake-services.ts'
import { FakeLabels } from '../support/fake-labels.ts'
import { randomOf } from '../support/model.ts'

/** Label over fake services, to be looked at: `?state=working|empty|read-only|full|slow|error&theme=light#/label`. */
const parameters = new URLSearchParams(location.search)
const state = parameters.get('state') ?? 'working'
const shape: [number, number, number] = [256, 512, 512]

const volume = entryOf({
  name: 'NMC811_calendered',
  path: '/data/NMC811_cal/recon_16bit',
  source:
    state === 'error'
      ? {
          state: 'missing',
          message: '/data/NMC811_cal/recon_16bit: not found; the drive may not be connected',
        }
      : { state: 'ok', message: null },
  summary: summaryOf({
    path: '/data/NMC811_cal/recon_16bit',
    shape,
    voxelSize: { z: 65, y: 65, x: 65, unit: 'nm' },
  }),
})
const world: World = {
  project: projectOf({
    name: 'NMC811 calendering study',
    volumes: [volume],
    ...(state === 'empty' ? { materials: [] } : {}),
    readOnly: state === 'read-only' ? 'It is open in another window (host nanolab-3, since 09:12).' : null,
  }),
  settings: {},
  sources: new Map([[volume.path, volume.summary]]),
}

// eslint-disable-next-line prefer-const -- the services announce changes through the fake that is made of them
let fake: FakeApi
const services = createFakeServices(world, (project) => fake.emit('data', 'projects', 'changed', project))
const labels = new FakeLabels(
  volume.id,
  shape,
  () => world.project?.materials ?? [],
  (change) => fake.emit('data', 'labels', 'changed', change),
)
services.data.labels = labels.service
fake = createFakeApi(services)

await fake.api.data.settings.write({ key: 'theme', value: parameters.get('theme') ?? 'dark' })

const random = randomOf(5)
const strokes = state === 'empty' ? 0 : Number(parameters.get('strokes') ?? 40)
const start = Date.now()
for (let stroke = 0; stroke < strokes; stroke++) {
  const slice = [128, 128, 128, 40, 70, 90, 150, 200, 230, 128][stroke % 10]
  const material = 1 + Math.floor(random() * (stroke % 4 === 0 ? 3 : 2))
  let [row, column] = [60 + random() * 400, 60 + random() * 400]
  const points = [row, column]
  for (let step = 0; step < 4; step++)
    points.push((row += random() * 60 - 30), (column += random() * 60 - 30))
  labels.now = () => new Date(start - (strokes - stroke - 1) ** 2 * 700)
  await fake.api.data.labels.apply({
    volumeId: volume.id,
    editId: crypto.randomUUID(),
    edit: {
      kind: stroke % 9 === 8 ? 'polygon' : 'brush',
      plane: { axis: 'z', index: slice },
      points: Float32Array.from(points),
      radius: 4.5,
      shape: 'round',
      volumetric: stroke % 5 === 0,
      material,
      greyRange: null,
    },
  })
}
labels.now = () => new Date()
if (strokes > 0) {
  await fake.api.data.labels.undo({ volumeId: volume.id })
  await fake.api.data.labels.saveVersion({ volumeId: volume.id, name: 'before the second pass' })
  await fake.api.data.labels.saveVersion({ volumeId: volume.id, name: 'for the first training' })
}
if (state === 'full')
  labels.refusal = new PhasemarkError(
    'NoSpace',
    '/home/user/calendering.phasemark/labels: expected room for 4 KB, found 0 bytes free. Free some space on that drive.',
    { path: '/home/user/calendering.phasemark/labels' },
  )
if (state === 'slow') labels.latencyMs = 60_000
Object.assign(window, { fake, labels })
createWindowApp(fake.api, createWindowRouter()).mount('#app')

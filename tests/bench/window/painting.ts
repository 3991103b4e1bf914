import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright'
import { LabelStore } from '../../../src/main/engine/annotation/label-store.ts'
import { createRandom } from '../../../src/shared/random.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { waitFor, windowSizes } from '../../e2e/support/app-under-test.ts'
import { launchElectron, type ElectronUnderTest } from '../../e2e/support/launch-electron.ts'
import { addMaterials, clickAt, largePlane, stroke, strokeCount } from '../../e2e/support/painting.ts'
import { createLabelledProject } from '../../support/labelled-project.ts'
import type { BenchmarkOptions } from '../benchmark.ts'
import type { Measurement } from '../report.ts'
import { plainLayout, writeSampleVolume } from '../sample-volume.ts'
import { median, percentile } from '../statistics.ts'
import { randomStroke } from '../strokes.ts'
import { clearTap, inPage, tapPage, tappedCalls, tappedUploads } from './page-tap.ts'

/** A frame. */
const drawBar = { relation: '≤', limit: 16 } as const
const noneBar = { relation: '≤', limit: 0 } as const
const undoBar = { relation: '<', limit: 50 } as const
const openingBar = { relation: '<', limit: 2 } as const
/** A list of ten thousand entries is at its end long before. */
const scrollLimitMs = 30_000
const frameBar = { relation: '≤', limit: 34 } as const

/** Painting on slices of 4096², with an empty history and with ten thousand strokes in it. */
export async function benchmarkPainting(
  program: string,
  options: BenchmarkOptions,
): Promise<{ measurements: Measurement[]; details: Record<string, unknown> }> {
  const { folder, smoke, onProgress } = options
  const shape: Shape3 = smoke ? [10, 256, 256] : [100, 4096, 4096]
  const strokes = smoke ? 60 : 10_000
  onProgress('generating large slices')
  const volume = path.join(folder, 'large')
  const [slices, height, width] = shape
  writeSampleVolume(volume, { slices, height, width, distinctSlices: 1, layout: plainLayout })
  const project = await createLabelledProject(path.join(folder, 'large.phasemark'))
  const { id } = await project.addVolume(volume, 'large')
  const labels = project.session.labelFolder(id)
  await project.close()
  const launch = async (args: string[]): Promise<ElectronUnderTest> => {
    const app = await launchElectron(program, {
      args,
      userFolder: path.join(folder, 'painting'),
      env: { PHASEMARK_PROJECTS: folder },
    })
    await app.resize(windowSizes.usual)
    return app
  }

  const app = await launch([project.folder])
  const measurements: Measurement[] = []
  const details: Record<string, unknown> = { shape, strokes }
  try {
    onProgress('painting')
    await largePlane(app.page).waitFor()
    await addMaterials(app.page, ['Pore', 'Solid'])
    await takeBrush(app.page)
    const painted = await measurePainting(app.page, smoke)
    measurements.push(...painted.measurements)
    details['pointerToDraw'] = painted.times
  } finally {
    await app.close()
  }

  onProgress(`writing ${strokes} strokes`)
  const inHistory = await writeStrokes({ labels, shape, volumeId: id, strokes })
  const later = await launch([])
  try {
    onProgress('painting with a long history')
    const long = await measureLongHistory(later.page, inHistory, smoke)
    measurements.push(...long.measurements)
    Object.assign(details, long.details)
  } finally {
    await later.close()
  }
  return { measurements, details }
}

async function takeBrush(page: Page): Promise<void> {
  await largePlane(page).focus()
  await page.keyboard.press('b')
  await page.keyboard.press('1')
}

/** Strokes that never meet, so that every one changes what it passes over. */
async function lanes(
  page: Page,
  count: number,
  from: number,
  paint: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (let lane = 0; lane < count; lane++) {
    const y = from + 0.03 * lane
    await stroke(
      page,
      [
        [0.35, y],
        [0.45, y + 0.008],
        [0.55, y],
        [0.65, y + 0.008],
      ],
      7,
    )
    await paint()
  }
}

const movesPerLane = 21
/** Where lanes begin, as a share of the height: below the upper edge of the slice, and between those of the first session. */
const firstLane = 0.16
const laneBetween = firstLane + 0.015

async function measurePainting(
  page: Page,
  smoke: boolean,
): Promise<{ measurements: Measurement[]; times: number[] }> {
  const timed = smoke ? 2 : 15
  const watched = smoke ? 1 : 3
  const times: number[] = []
  // The first stroke compiles and allocates what all others use; it counts as one of them.
  await lanes(page, timed, firstLane, async () => {
    times.push(...(await takeTraces(page)))
  })
  await settled(page, timed)
  // Looking at every upload takes time, so it is not done while times are taken.
  await tapPage(page)
  await page.evaluate('tap.compare = true')
  // The width of the brush, at places that no border of textures can cut both.
  const clicks = [0.46, 0.53]
  for (const x of clicks) await clickAt(page, [x, 0.74])
  await settled(page, timed + clicks.length)
  const dabs = (await tappedUploads(page)).filter(isLabelUpload)
  await lanes(page, watched, 0.78)
  const drawn = timed + clicks.length + watched
  const found = await settled(page, drawn)
  const uploads = (await tappedUploads(page)).filter(isLabelUpload)
  await page.evaluate('tap.compare = false')
  const brush = Math.max(...dabs.map(({ width }) => width))
  const largest = uploads.reduce((a, b) => (a.width * a.height >= b.width * b.height ? a : b))
  const beyond = uploads.map(({ width, height, changed }) =>
    changed === null ? 0 : Math.max(width - changed.width, height - changed.height) - brush,
  )
  const moves = timed * movesPerLane
  return {
    times,
    measurements: [
      {
        what: 'pointer event to draw, median',
        value: median(times),
        unit: 'ms',
        bar: drawBar,
        note: `${moves} moves in ${timed} strokes, ${times.length} draws`,
      },
      { what: 'pointer event to draw, 95 %', value: percentile(times, 0.95), unit: 'ms', bar: drawBar },
      { what: 'pointer event to draw, 99 %', value: percentile(times, 0.99), unit: 'ms', bar: drawBar },
      { what: 'pointer event to draw, longest', value: Math.max(...times), unit: 'ms' },
      {
        what: 'largest upload of a draw',
        value: largest.width * largest.height,
        unit: 'bytes',
        note: `${largest.height} × ${largest.width}, of which ${largest.changed?.height} × ${largest.changed?.width} changed; brush ${brush} wide`,
      },
      {
        what: 'uploads beyond what changed and where the brush was before',
        value: Math.max(0, ...beyond),
        unit: 'voxels',
        bar: noneBar,
        note: `${uploads.length} uploads`,
      },
      { what: 'strokes lost', value: drawn - found, unit: '', bar: noneBar, note: `${drawn} drawn` },
    ],
  }
}

/** Times from pointer event to draw that the viewer has noted since it was last asked, in ms. */
async function takeTraces(page: Page): Promise<number[]> {
  return await page.evaluate<number[]>(`(() => {
    const entries = performance.getEntriesByType('measure').filter(({ name }) => name.startsWith('phasemark:pointer-to-draw:'))
    for (const { name } of entries) performance.clearMeasures(name)
    return entries.map(({ duration }) => duration)
  })()`)
}

/** Waits until the history has that many strokes and tells how many it has, which may be fewer after all. */
async function settled(page: Page, strokes: number): Promise<number> {
  await waitFor('strokes', async () => (await strokeCount(page)) >= strokes, 10_000).catch(() => undefined)
  return await strokeCount(page)
}

function isLabelUpload({ axis, kind }: { axis: string; kind: string }): boolean {
  return axis === 'z' && kind === 'labels'
}

/** Strokes as many as people paint in weeks, through the journal, while the app is closed. Returns how many there are now. */
async function writeStrokes({
  labels,
  shape,
  volumeId,
  strokes,
}: {
  labels: string
  shape: Shape3
  volumeId: string
  strokes: number
}): Promise<number> {
  const store = await LabelStore.open(labels, shape, {
    volumeId,
    readOnly: null,
    allowed: () => new Uint8Array(256).fill(1),
    source: () => Promise.reject(new Error('strokes need no grey values')),
  })
  const random = createRandom(1)
  const together = 100
  for (let at = 0; at < strokes; at += together) {
    const some = Array.from({ length: Math.min(together, strokes - at) }, () =>
      randomStroke(random, shape, 3),
    )
    await Promise.all(some.map((edit) => store.apply(randomUUID(), edit)))
  }
  const { historyLength } = store.state
  await store.close()
  return historyLength
}

async function measureLongHistory(
  page: Page,
  strokes: number,
  smoke: boolean,
): Promise<{ measurements: Measurement[]; details: Record<string, unknown> }> {
  const recent = page.getByRole('button', { name: /large/ }).first()
  await recent.waitFor()
  await tapPage(page)
  const opened = performance.now()
  await recent.click()
  await largePlane(page).waitFor()
  const shownSeconds = (performance.now() - opened) / 1000
  const labelsAsked = performance.now()
  await page.keyboard.press('Control+2')
  await waitFor(`a history of ${strokes}`, async () => (await strokeCount(page)) === strokes, 60_000)
  const labelSeconds = (performance.now() - labelsAsked) / 1000
  await takeBrush(page)
  await takeTraces(page)
  await clearTap(page)
  const more = smoke ? 2 : 8
  const times: number[] = []
  await lanes(page, more, laneBetween, async () => {
    times.push(...(await takeTraces(page)))
  })
  const found = await settled(page, strokes + more)
  const answers = (await tappedCalls(page, 'labels.apply')).flatMap(({ started, ended }) =>
    ended === null ? [] : [ended - started],
  )
  const undo = await measureKey(page, 'z', 'labels.undo', more, true)
  const redo = await measureKey(page, 'Z', 'labels.redo', more, true)
  const old = await measureKey(page, 'z', 'labels.undo', 3 * more, false)
  const scrolled = await inPage<{ intervals: number[]; rows: number }>(
    page,
    'scroll',
    '.history .rows',
    smoke ? 100 : 500,
    scrollLimitMs,
  )
  return {
    details: { longPointerToDraw: times, answers, undo, redo, old, scrolled },
    measurements: [
      {
        what: 'project opened, plane in sight',
        value: shownSeconds,
        unit: 's',
        bar: openingBar,
        note: `${strokes} strokes in the history`,
      },
      { what: 'Label opened, history in sight', value: labelSeconds, unit: 's', bar: openingBar },
      { what: 'one further stroke, event to draw, median', value: median(times), unit: 'ms', bar: drawBar },
      {
        what: 'one further stroke, event to draw, 99 %',
        value: percentile(times, 0.99),
        unit: 'ms',
        bar: drawBar,
      },
      {
        what: 'one further stroke, sent until it is on disk, median',
        value: median(answers),
        unit: 'ms',
        bar: drawBar,
      },
      {
        what: 'strokes lost with a long history',
        value: strokes + more - found,
        unit: '',
        bar: noneBar,
        note: `${more} drawn`,
      },
      {
        what: 'undo, key to draw, median',
        value: median(undo.drawn),
        unit: 'ms',
        bar: undoBar,
        note: `longest ${Math.max(...undo.drawn).toFixed(0)} ms`,
      },
      {
        what: 'redo, key to draw, median',
        value: median(redo.drawn),
        unit: 'ms',
        bar: undoBar,
        note: `longest ${Math.max(...redo.drawn).toFixed(0)} ms`,
      },
      {
        what: 'undo of older strokes, key to answer, median',
        value: median(old.answered),
        unit: 'ms',
        bar: undoBar,
        note: `longest ${Math.max(...old.answered).toFixed(0)} ms`,
      },
      {
        what: 'history scrolled, frame, median',
        value: median(scrolled.intervals),
        unit: 'ms',
        bar: frameBar,
        note: `down to entry ${scrolled.rows}`,
      },
      { what: 'history scrolled, frame, 99 %', value: percentile(scrolled.intervals, 0.99), unit: 'ms' },
    ],
  }
}

/** Presses a key again and again: times from the press to the answer and to the upload of what it changed on the slice in sight. */
async function measureKey(
  page: Page,
  key: string,
  call: string,
  times: number,
  inSight: boolean,
): Promise<{ answered: number[]; drawn: number[] }> {
  const answered: number[] = []
  const drawn: number[] = []
  await largePlane(page).focus()
  for (let press = 0; press < times; press++) {
    await clearTap(page)
    await page.keyboard.press(key === 'Z' ? 'Shift+Z' : key)
    await waitFor(call, async () => (await tappedCalls(page, call)).at(0)?.ended != null, 10_000)
    // What is drawn follows the answer; strokes on other slices are not seen.
    for (let wait = 0; wait < (inSight ? 100 : 1); wait++) {
      if ((await tappedUploads(page)).some(isLabelUpload)) break
      await sleep(20)
    }
    const pressed = await page.evaluate<number>(
      `tap.keys.find((one) => one.key === ${JSON.stringify(key)}).at`,
    )
    answered.push((await tappedCalls(page, call))[0].ended! - pressed)
    const upload = (await tappedUploads(page)).find(isLabelUpload)
    if (upload !== undefined) drawn.push(upload.at - pressed)
  }
  if (inSight && drawn.length === 0) throw new Error(`${call}: nothing was drawn`)
  return { answered, drawn }
}

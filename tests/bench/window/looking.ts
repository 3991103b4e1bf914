import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright'
import type { PlaneAxis } from '../../../src/shared/annotation/edit.ts'
import type { PyramidState } from '../../../src/shared/contract/volumes.ts'
import { windowSizes } from '../../e2e/support/app-under-test.ts'
import { launchElectron, type ElectronUnderTest } from '../../e2e/support/launch-electron.ts'
import { largePlane } from '../../e2e/support/painting.ts'
import type { BenchmarkOptions } from '../benchmark.ts'
import { readPlainly } from '../plain-read.ts'
import type { Measurement } from '../report.ts'
import { plainLayout, writeSampleVolume } from '../sample-volume.ts'
import { median } from '../statistics.ts'
import { watchAppMemory } from './app-memory.ts'
import { inPage, tapPage, tappedCalls, tappedUploads } from './page-tap.ts'

const firstSliceBar = { relation: '<', limit: 0.5 } as const
const cachedBar = { relation: '≥', limit: 30 } as const
/** GB of 10⁹ bytes. */
const memoryBar = { relation: '<', limit: 3 } as const

interface Scrubbed {
  steps: number
  seconds: number
  draws: number
  uploads: number
}

/** A folder as long as a whole scan, from the import to a minute of looking through it along all axes. */
export async function benchmarkLooking(
  program: string,
  { folder, smoke, onProgress }: BenchmarkOptions,
): Promise<{ measurements: Measurement[]; details: Record<string, unknown> }> {
  const slices = smoke ? 100 : 2000
  const size = smoke ? 64 : 2048
  const volume = path.join(folder, 'scan')
  onProgress('generating a long scan')
  const files = writeSampleVolume(volume, {
    slices,
    height: size,
    width: size,
    distinctSlices: 4,
    layout: plainLayout,
  })
  const app = await launchElectron(program, {
    args: [volume],
    userFolder: path.join(folder, 'looking'),
    env: { PHASEMARK_PROJECTS: folder },
  })
  try {
    await app.resize(windowSizes.usual)
    onProgress('first slice')
    const first = await importVolume(app.page)
    onProgress('slices from files and from memory')
    const delivered = await measureDelivery(app.page, files, smoke)
    onProgress('scrubbing on screen')
    await largePlane(app.page).waitFor()
    const range = smoke ? 5 : 40
    const unread = await scrub(app.page, { axis: 'z', range, steps: range })
    const kept = await scrub(app.page, { axis: 'z', range, steps: smoke ? 10 : 4 * range })
    onProgress('a minute along all axes')
    const watch = watchAppMemory(app.electron.process().pid!)
    const before = await inPage<PyramidState>(app.page, 'progress')
    const scrubbed = await scrubAllAxes(app, smoke ? 3000 : 60_000)
    const after = await inPage<PyramidState>(app.page, 'progress')
    const memory = watch.stop()
    const pyramid = `pyramid ${after.state}, blocks ${before.blocksDone} to ${after.blocksDone} of ${after.blocksTotal} meanwhile`
    const measurements: Measurement[] = [
      ...first,
      ...delivered,
      {
        what: 'slices drawn, scrubbing what the window keeps',
        value: kept.draws / kept.seconds,
        unit: 'draws/s',
        note: `${kept.uploads} slices given to the driver in ${kept.steps} steps, one per frame`,
      },
      {
        what: 'slices drawn, scrubbing what was never read',
        value: unread.draws / unread.seconds,
        unit: 'draws/s',
        note: `${unread.uploads} slices given to the driver in ${unread.steps} steps, one per frame`,
      },
    ]
    if (memory.measure !== null) {
      measurements.push({
        what: 'peak memory of all processes',
        value: memory.peakBytes / 1e9,
        unit: 'GB',
        bar: memoryBar,
        note: `${memory.measure}; ${pyramid}`,
      })
    }
    return { measurements, details: { shape: [slices, size, size], memory, scrubbed, unread, kept, after } }
  } finally {
    await app.close()
  }
}

/** Imports the folder that the app was started with, and follows the first slice into the window. */
async function importVolume(page: Page): Promise<Measurement[]> {
  const dialog = page.getByRole('dialog', { name: 'Import volume' })
  await dialog.getByRole('textbox', { name: 'Name' }).fill('scan')
  for (const axis of ['z', 'y', 'x'])
    await dialog.getByRole('textbox', { name: `Voxel size ${axis}` }).fill('1')
  await tapPage(page)
  const clicked = await page.evaluate<number>('performance.now()')
  await dialog.getByRole('button', { name: 'Import', exact: true }).click()
  await dialog.waitFor({ state: 'hidden' })
  await largePlane(page).waitFor()
  const isFirst = async () =>
    (await tappedUploads(page)).some(({ axis, kind }) => axis === 'z' && kind === 'grey')
  while (!(await isFirst())) await sleep(20)
  await sleep(1000)
  const opened = (await tappedCalls(page, 'volumes.open')).find(({ ended }) => ended !== null)
  const planes = (await tappedCalls(page, 'volumes.readPlane')).filter(
    ({ axis, bytes }) => axis === 'z' && bytes > 0,
  )
  const uploads = (await tappedUploads(page)).filter(({ axis, kind }) => axis === 'z' && kind === 'grey')
  const first = planes.find(({ coverage }) => coverage > 0)
  const last = planes.at(-1)
  if (opened?.ended == null || first?.ended == null || last?.ended == null)
    throw new Error('the volume was not opened, or no slice of it came')
  const since = (end: number, start: number): number => (end - start) / 1000
  const inFull = since(last.ended, opened.ended)
  return [
    {
      what: 'first slice in the window, after the volume was opened',
      value: since(first.ended, opened.ended),
      unit: 's',
      bar: firstSliceBar,
      note: `level ${first.answeredLevel}; all that the plane needs, level ${last.answeredLevel}, after ${inFull.toFixed(3)} s`,
    },
    {
      what: 'first slice drawn, after Import was clicked',
      value: since(uploads[0].at, clicked),
      unit: 's',
      note: 'makes the project, adds the volume, opens it',
    },
  ]
}

/**
 * XY slices through a port as the window has it, beside reading the same files plainly: at the level that the window shows and at full
 * resolution, one after the other and two at a time (the window has up to three under way).
 */
async function measureDelivery(page: Page, files: readonly string[], smoke: boolean): Promise<Measurement[]> {
  const count = smoke ? 8 : 40
  const rounds = smoke ? 1 : 5
  const kinds = {
    shown: { level: await shownLevel(page), atOnce: 1 },
    full: { level: 0, atOnce: 1 },
    fullInTwos: { level: 0, atOnce: 2 },
  }
  const plain: number[] = []
  const fromFiles: number[] = []
  const fromMemory: Record<keyof typeof kinds, number[]> = { shown: [], full: [], fullInTwos: [] }
  const megabytes: Record<string, string> = {}
  for (let round = 0; round < rounds; round++) {
    const from = (round * count) % (files.length - count + 1)
    const started = performance.now()
    for (const file of files.slice(from, from + count)) readPlainly(file)
    plain.push((performance.now() - started) / 1000)
    const read = (kind: { level: number; atOnce: number }) =>
      inPage<{ seconds: number; bytes: number }>(page, 'readSlices', { from, count, ...kind })
    fromFiles.push((await read(kinds.full)).seconds)
    await read(kinds.shown)
    for (const name of ['shown', 'full', 'fullInTwos'] as const) {
      const { seconds, bytes } = await read(kinds[name])
      fromMemory[name].push(seconds)
      megabytes[name] = `level ${kinds[name].level}, ${(bytes / count / 1e6).toFixed(1)} MB each`
    }
  }
  const rate = (seconds: readonly number[]) => count / median(seconds)
  const measured = (what: string, name: keyof typeof kinds): Measurement => ({
    what,
    value: rate(fromMemory[name]),
    unit: 'slices/s',
    bar: cachedBar,
    note: megabytes[name],
  })
  return [
    measured('slices delivered from cache as the window shows them', 'shown'),
    measured('slices delivered from cache in full, one by one', 'full'),
    measured('slices delivered from cache in full, two at a time', 'fullInTwos'),
    { what: 'slices delivered from files in full', value: rate(fromFiles), unit: 'slices/s' },
    { what: 'plain read of the same files', value: rate(plain), unit: 'slices/s' },
    {
      what: 'delivered from files / plain read',
      value: median(fromFiles) / median(plain),
      unit: '× the time',
    },
  ]
}

/** The level that the large plane was last asked for. */
async function shownLevel(page: Page): Promise<number> {
  const planes = (await tappedCalls(page, 'volumes.readPlane')).filter(
    ({ axis, quick }) => axis === 'z' && !quick,
  )
  return planes.at(-1)?.level ?? 0
}

async function scrub(
  page: Page,
  options: { axis: PlaneAxis; range: number; steps: number; limitMs?: number; coarse?: boolean },
): Promise<Scrubbed> {
  return await inPage(page, 'scrub', { limitMs: 600_000, coarse: false, ...options })
}

/** Each axis in the large plane for a third of the time: slowly, and in steps of ten. */
async function scrubAllAxes({ page }: ElectronUnderTest, ms: number): Promise<Scrubbed[]> {
  const all: Scrubbed[] = []
  for (const axis of ['z', 'y', 'x'] as const) {
    for (const coarse of [false, true])
      all.push(await scrub(page, { axis, range: 100, steps: 1e6, limitMs: ms / 6, coarse }))
    // The next plane becomes the large one.
    await page.locator('.linked-planes > .active').focus()
    await page.keyboard.press('x')
  }
  return all
}

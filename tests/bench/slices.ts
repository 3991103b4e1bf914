import { randomUUID } from 'node:crypto'
import { statfsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PlaneAxis } from '../../src/shared/annotation/edit.ts'
import type { PlaneData, PyramidState } from '../../src/shared/contract/volumes.ts'
import type { OpenProject } from '../../src/main/engine/project/project-holder.ts'
import { inspectVolume } from '../../src/main/engine/view/inspect-volume.ts'
import { createVolumesService } from '../../src/main/engine/view/volumes-service.ts'
import type { VolumesEngine } from '../../src/main/engine/view/volumes-engine.ts'
import { createRandom } from '../../src/shared/random.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { timed } from './interleave.ts'
import { readPlainly } from './plain-read.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { plainLayout, writeSampleVolume } from './sample-volume.ts'
import { median } from './statistics.ts'

/** DESIGN §7 and the order of the viewer. */
const firstSliceBar = { relation: '<', limit: 0.5 } as const
const cachedBar = { relation: '≥', limit: 30 } as const
/** GB of 10⁹ bytes; the window and the other processes have the rest of the 3 GB that all may take. */
const memoryBar = { relation: '<', limit: 1 } as const

/** Enough for level 0 of the volume; on a small disk the pyramid has to begin at level 1 or 2. */
const cacheLimitBytes = 24e9
const marginBytes = 15e9
const never = new AbortController().signal

/**
 * Looking through a folder as long as a whole scan, as the window does: the wait for the first slice, slices per second, XZ and
 * YZ before and after their pyramid is built, and the memory that all of it takes in this process. Slices are links to a few files,
 * which are in the page cache; the pyramid's files are in it as far as it has room.
 */
export async function benchmarkSlices(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { folder, smoke, onProgress } = options
  const size = smoke ? 64 : 2048
  const slices = smoke ? 40 : 2000
  const volumePath = path.join(folder, 'volume')
  onProgress('generating')
  const files = writeSampleVolume(volumePath, {
    slices,
    height: size,
    width: size,
    distinctSlices: 4,
    layout: plainLayout,
  })
  const memory = watchMemory()
  const states: PyramidState[] = []
  const measurements: Measurement[] = []
  const listing = await timed(async () => await inspectVolume(volumePath, null))
  const { engine, volumeId } = await startEngine(options, volumePath, (state) => states.push(state))
  const read = async (axis: PlaneAxis, index: number, level: number, quick = false): Promise<PlaneData> =>
    await engine.implementation.readPlane({ volumeId, axis, index, level, quick }, { signal: never })
  try {
    const opening = await timed(async () => await engine.implementation.open({ volumeId }, { signal: never }))
    const opened = performance.now()
    const middle = slices >> 1
    const first = await timed(() => read('z', middle, 0))
    measurements.push(
      { what: 'folder inspected (all headers read)', value: listing, unit: 's' },
      { what: 'volume opened', value: opening, unit: 's' },
      { what: 'first slice after that', value: first, unit: 's', bar: firstSliceBar },
    )
    onProgress('overview')
    const overview = await secondsUntil(opened, async () => {
      const { coverage } = await read('x', size >> 1, 3, true)
      return coverage > 0
    })
    measurements.push({ what: 'YZ shows something, after opening', value: overview, unit: 's' })
    onProgress('scrubbing')
    measurements.push(...(await measureScrubbing(files, read, smoke)))
    measurements.push(...(await measureStanding('before the pyramid', read, size, smoke, onProgress)))
    const building = performance.now()
    for (;;) {
      const state = states.at(-1)
      if (state?.state === 'ready' || state?.state === 'stopped') break
      onProgress(`pyramid ${state?.blocksDone ?? 0} of ${state?.blocksTotal ?? 0}`)
      await sleep(200)
    }
    const end = states.at(-1)!
    measurements.push({
      what: 'pyramid, time after the measurements above',
      value: (performance.now() - building) / 1000,
      unit: 's',
      note: `finest level ${end.finestLevel}, ${end.state}${end.reason === null ? '' : `: ${end.reason}`}`,
    })
    measurements.push(...(await measureStanding('with the pyramid', read, size, smoke, onProgress)))
    onProgress('scrubbing all axes')
    await scrubAllAxes(read, slices, size, smoke)
    measurements.push({
      what: 'peak memory of the process',
      value: memory.stop() / 1e9,
      unit: 'GB',
      bar: memoryBar,
    })
  } finally {
    memory.stop()
    await engine.close()
  }
  return {
    benchmark: 'slices',
    measurements,
    skipped: {},
    details: { shape: [slices, size, size], dtype: 'uint16', last: states.at(-1) },
  }
}

type Read = (axis: PlaneAxis, index: number, level: number, quick?: boolean) => Promise<PlaneData>

/** Slices one after the other as fast as they come, from files and from memory, beside a plain read of the same bytes. */
async function measureScrubbing(
  files: readonly string[],
  read: Read,
  smoke: boolean,
): Promise<Measurement[]> {
  const count = smoke ? 8 : 40
  const rounds = smoke ? 1 : 5
  const plain: number[] = []
  const fromFiles: number[] = []
  const fromMemory: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = (round * count) % (files.length - count + 1)
    const range = Array.from({ length: count }, (_, index) => start + index)
    plain.push(
      await timed(() => {
        for (const z of range) readPlainly(files[z])
        return Promise.resolve()
      }),
    )
    fromFiles.push(
      await timed(async () => {
        for (const z of range) await read('z', z, 0)
      }),
    )
    fromMemory.push(
      await timed(async () => {
        for (const z of range) await read('z', z, 0)
      }),
    )
  }
  const rate = (seconds: readonly number[]) => count / median(seconds)
  return [
    { what: 'slices from memory', value: rate(fromMemory), unit: 'slices/s', bar: cachedBar },
    { what: 'slices from files', value: rate(fromFiles), unit: 'slices/s' },
    { what: 'plain read of the same files', value: rate(plain), unit: 'slices/s' },
    { what: 'slices from files / plain read', value: median(fromFiles) / median(plain), unit: '× the time' },
  ]
}

/** XZ and YZ at random places, each level; what `level` was really answered with is in the note. */
async function measureStanding(
  when: string,
  read: Read,
  size: number,
  smoke: boolean,
  onProgress: (text: string) => void,
): Promise<Measurement[]> {
  // Other places each time, or they would come from memory.
  const random = createRandom(when.length)
  const measurements: Measurement[] = []
  for (const [axis, name] of [
    ['y', 'XZ'],
    ['x', 'YZ'],
  ] as const) {
    for (const level of smoke ? [0] : [0, 1, 2, 3]) {
      onProgress(`${name} level ${level} ${when}`)
      const seconds: number[] = []
      let plane: PlaneData | undefined
      for (let round = 0; round < (smoke ? 2 : 7); round++) {
        const index = Math.floor(random.next() * size)
        seconds.push(await timed(async () => (plane = await read(axis, index, level))))
      }
      measurements.push({
        what: `${name} level ${level} ${when}`,
        value: median(seconds) * 1000,
        unit: 'ms',
        note: `answered at level ${plane?.level}, ${Math.round((plane?.coverage ?? 0) * 100)} % known`,
      })
    }
  }
  return measurements
}

async function scrubAllAxes(read: Read, slices: number, size: number, smoke: boolean): Promise<void> {
  for (let step = 0; step < (smoke ? 5 : 150); step++) {
    await Promise.all([
      read('z', (step * 3) % slices, 0),
      read('y', (step * 5) % size, 1),
      read('x', (step * 7) % size, 1),
    ])
  }
}

/** The service on a project of one volume. */
async function startEngine(
  { folder, smoke }: BenchmarkOptions,
  volumePath: string,
  onState: (state: PyramidState) => void,
): Promise<{ engine: VolumesEngine; volumeId: string }> {
  const volumeId = randomUUID()
  const volume = {
    id: volumeId,
    name: 'volume',
    path: volumePath,
    raw: null,
    voxelSize: null,
    voxelSizeEntered: [],
    role: 'none' as const,
    addedAt: new Date(0).toISOString(),
    summary: await inspectVolume(volumePath, null),
  }
  const project: OpenProject = {
    folder,
    readOnly: null,
    volume: () => volume,
    volumes: [volume],
    materials: [],
    addMaterials: () => Promise.resolve([]),
    labelFolder: () => path.join(folder, 'labels'),
  }
  const { bavail, bsize } = statfsSync(folder)
  const engine = createVolumesService({
    project: { current: () => project, onClosing: () => () => undefined, onOpened: () => () => undefined },
    emit: (_event, state) => {
      onState(state)
    },
    jobs: {
      start(_job, run) {
        run({ signal: never, onProgress: () => undefined }).catch(() => undefined)
        return randomUUID()
      },
    },
    cacheFolder: path.join(folder, 'cache'),
    cacheLimitBytes: Math.min(cacheLimitBytes, bavail * bsize - marginBytes),
    ...(smoke ? { pyramidLimits: { coarseBytes: 10_000, slabBytes: 100_000 }, cacheMarginBytes: 0 } : {}),
  })
  return { engine, volumeId }
}

/** Looks at the resident memory of this process often enough to see what stays for a frame or two. */
function watchMemory(): { stop: () => number } {
  let peak = process.memoryUsage().rss
  const look = () => (peak = Math.max(peak, process.memoryUsage().rss))
  const timer = setInterval(look, 20)
  return {
    stop() {
      clearInterval(timer)
      return look()
    },
  }
}

async function secondsUntil(since: number, holds: () => Promise<boolean>): Promise<number> {
  while (!(await holds())) await sleep(10)
  return (performance.now() - since) / 1000
}

import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { LabelStore, type LabelStoreOptions } from '../../src/main/engine/annotation/label-store.ts'
import { createRandom, type Random } from '../../src/shared/random.ts'
import type { Shape3 } from '../../src/shared/volume.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { timed } from './interleave.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { sampleSlice } from './sample-volume.ts'
import { randomStroke } from './strokes.ts'

/** Slices that are really generated; the others are the same again. */
const distinctSlices = 8

const storeOptions: LabelStoreOptions = {
  volumeId: randomUUID(),
  readOnly: null,
  allowed: () => new Uint8Array(256).fill(1),
  source: () => Promise.reject(new Error('whole slices need no grey values')),
  warn: (message) => {
    throw new Error(message)
  },
}

/**
 * Steps that change very many voxels: imports of dense slices, taken back, made again, jumped across and read from the journal,
 * while planes are read as a window does. How often the labels change along a row decides how long that takes: here some 290 times
 * in 2048 voxels.
 */
export async function benchmarkBulkSteps({
  folder,
  smoke,
  onProgress,
}: BenchmarkOptions): Promise<BenchmarkResult> {
  const shape: Shape3 = smoke ? [6, 200, 300] : [100, 2048, 2048]
  const [depth, height, width] = shape
  onProgress('generating')
  const materials = Array.from({ length: Math.min(distinctSlices, depth) }, (_, z) => {
    return roughened(sampleSlice(z, height, width).materials, width, createRandom(z))
  })
  async function* stack(first: number) {
    for (let z = 0; z < depth; z++)
      yield await Promise.resolve({ z, labels: materials[(z + first) % materials.length] })
  }
  const labels = path.join(folder, 'labels')
  let store = await LabelStore.open(labels, shape, storeOptions)
  const measurements: Measurement[] = []
  const measure = async (what: string, step: () => Promise<unknown>) => {
    onProgress(what)
    const { seconds, blockedMs, readMs } = await watched(step, () => store, shape)
    measurements.push(
      { what, value: seconds, unit: 's', note: `${Math.round((1000 * seconds) / depth)} ms per slice` },
      { what: `${what}, longest time in which nothing else ran`, value: blockedMs, unit: 'ms' },
      { what: `${what}, longest wait for a plane meanwhile`, value: readMs, unit: 'ms' },
    )
  }
  const importStack = async (first: number) => {
    await store.replaceSlices('import', stack(first), { mode: 'replace', allowed: storeOptions.allowed() })
  }
  await measure('import', () => importStack(0))
  const imported = [...store.counts]
  await measure('undo of the import', () => store.undo())
  if (store.labelledSlices.length > 0) throw new Error('labels are left when the import is undone')
  await measure('redo of the import', () => store.redo())
  requireCounts(store, imported)
  await measure('import over it', () => importStack(1))
  await measure('undo of the import over it', () => store.undo())
  requireCounts(store, imported)
  const random = createRandom(1)
  for (let i = 0; i < 20; i++) await store.apply(randomUUID(), randomStroke(random, shape, 3))
  await measure('jump to the beginning', () => store.goTo(0))
  await measure('jump to the import', () => store.goTo(store.history(null, 100).entries.at(-1)!.sequence))
  requireCounts(store, imported)
  await store.close()
  // Without snapshots all of it is read from the journal again.
  for (const name of readdirSync(labels)) if (name.endsWith('.pms')) rmSync(path.join(labels, name))
  await measure('opening without a snapshot', async () => {
    store = await LabelStore.open(labels, shape, storeOptions)
  })
  requireCounts(store, imported)
  await store.close()
  return {
    benchmark: 'bulk',
    measurements,
    skipped: {},
    details: { shape, peakBytes: process.resourceUsage().maxRSS * 1024 },
  }
}

/** Borders as a classifier of voxels leaves them, ragged by up to two voxels; one of the three materials is unlabelled. */
function roughened(materials: Uint8Array, width: number, random: Random): Uint8Array {
  return materials.map((_, i) => {
    const from = i + (random.integer(5) - 2) * width + random.integer(5) - 2
    return materials[Math.min(Math.max(from, 0), materials.length - 1)] - 1
  })
}

function requireCounts(store: LabelStore, expected: readonly number[]): void {
  if (store.counts.some((count, material) => count !== expected[material]))
    throw new Error('the labels are not what they were')
}

/** Does `step` while planes are read now and then, as a window does. */
async function watched(
  step: () => Promise<unknown>,
  store: () => LabelStore,
  [depth]: Shape3,
): Promise<{ seconds: number; blockedMs: number; readMs: number }> {
  const resolution = 5
  const delay = monitorEventLoopDelay({ resolution })
  const progress = { isDone: false }
  let readMs = 0
  const reading = (async () => {
    for (let z = 0; !progress.isDone; z = (z + 7) % depth) {
      await sleep(250)
      const before = performance.now()
      await store().readPlane('z', z, null)
      readMs = Math.max(readMs, performance.now() - before)
    }
  })()
  await sleep(50)
  delay.enable()
  const seconds = await timed(step)
  delay.disable()
  progress.isDone = true
  await reading
  return { seconds, blockedMs: Math.max(0, delay.max / 1e6 - resolution), readMs }
}

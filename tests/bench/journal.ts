import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { LabelStore } from '../../src/main/engine/annotation/label-store.ts'
import type { LabelStoreOptions } from '../../src/main/engine/annotation/label-store.ts'
import { createRandom } from '../../src/shared/random.ts'
import type { Shape3 } from '../../src/shared/volume.ts'
import { killWhilePainting } from '../support/painting-process.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { timed } from './interleave.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { median, percentile } from './statistics.ts'
import { randomStroke } from './strokes.ts'

/** "Undo of any of them is immediate", and what a person does not notice at the start. */
const undoBar = { relation: '<', limit: 50 } as const
const openingBar = { relation: '<', limit: 2 } as const
/** A frame. */
const applyBar = { relation: '≤', limit: 16 } as const
const lostBar = { relation: '≤', limit: 0 } as const

const storeOptions: LabelStoreOptions = {
  volumeId: randomUUID(),
  readOnly: null,
  allowed: () => new Uint8Array(256).fill(1),
  source: () => Promise.reject(new Error('strokes need no grey values')),
  warn: (message) => {
    throw new Error(message)
  },
}

/**
 * A long day of painting on slices of 4096²: the time from an edit to its answer, which is on disk then, beside that of flushing
 * alone; opening, undo and jumps with a history of that length; and painting processes that are killed again and again.
 */
export async function benchmarkJournal({
  folder,
  smoke,
  onProgress,
}: BenchmarkOptions): Promise<BenchmarkResult> {
  const strokes = smoke ? 60 : 10_000
  const kills = smoke ? 1 : 50
  const shape: Shape3 = smoke ? [10, 256, 256] : [200, 4096, 4096]
  const labels = path.join(folder, 'labels')
  const random = createRandom(1)
  let store = await LabelStore.open(labels, shape, storeOptions)
  const applied: number[] = []
  const flushes: number[] = []
  const flushed = await open(path.join(folder, 'flushed'), 'w')
  try {
    for (let i = 0; i < strokes; i++) {
      const edit = randomStroke(random, shape, 5)
      applied.push(1000 * (await timed(() => store.apply(randomUUID(), edit))))
      if (i % 20 === 0) {
        const time = await timed(async () => {
          await flushed.write(Buffer.alloc(400, i))
          await flushed.datasync()
        })
        flushes.push(1000 * time)
      }
      if (i % 100 === 0) onProgress(`stroke ${i} of ${strokes}`)
    }
  } finally {
    await flushed.close()
  }
  const voxels = store.counts.reduce((sum, count) => sum + count, 0)
  await store.close()
  const reopen = async (): Promise<number> => {
    const seconds = await timed(async () => {
      store = await LabelStore.open(labels, shape, storeOptions)
    })
    if (store.counts.reduce((sum, count) => sum + count, 0) !== voxels)
      throw new Error('labels differ after opening')
    return seconds
  }
  const opening = await reopen()
  await store.close()
  const openingAgain = await reopen()
  const undos: number[] = []
  for (let i = 0; i < Math.min(strokes, 500); i++) undos.push(1000 * (await timed(() => store.undo())))
  const jump = await timed(() => store.goTo(0))
  if (store.labelledSlices.length > 0) throw new Error('labels are left when everything is undone')
  await store.close()

  const found = await killWhilePainting(
    path.join(folder, 'kills'),
    kills,
    1,
    () => random.next(),
    ({ answered }) => onProgress(`killed after step ${answered}`),
  )
  const measurements: Measurement[] = [
    { what: 'strokes', value: strokes, unit: '', note: `${shape.join(' × ')} voxels, ${voxels} labelled` },
    { what: 'stroke, from edit to answer, median', value: median(applied), unit: 'ms', bar: applyBar },
    { what: 'stroke, from edit to answer, 99 %', value: percentile(applied, 0.99), unit: 'ms' },
    { what: 'stroke, from edit to answer, longest', value: Math.max(...applied), unit: 'ms' },
    { what: 'flush of 400 bytes alone, median', value: median(flushes), unit: 'ms' },
    { what: 'flush of 400 bytes alone, 99 %', value: percentile(flushes, 0.99), unit: 'ms' },
    { what: 'last thousand strokes / first thousand', value: growth(applied), unit: '', note: 'medians' },
    { what: 'opening', value: opening, unit: 's', bar: openingBar },
    { what: 'opening again', value: openingAgain, unit: 's', bar: openingBar },
    { what: 'undo, median', value: median(undos), unit: 'ms', bar: undoBar },
    { what: 'undo, 99 %', value: percentile(undos, 0.99), unit: 'ms', bar: undoBar },
    { what: 'undo of everything at once', value: jump, unit: 's' },
    { what: 'painting processes killed', value: kills, unit: '' },
    { what: 'answered edits lost', value: 0, unit: '', bar: lostBar, note: 'one lost ends the benchmark' },
    {
      what: 'edits under way that were carried out',
      value: found.filter(({ oneMore }) => oneMore).length,
      unit: '',
    },
    {
      what: 'opening after a kill, longest',
      value: Math.max(...found.map((kill) => kill.openedInMs)),
      unit: 'ms',
    },
  ]
  return {
    benchmark: 'journal',
    measurements,
    skipped: {},
    details: { applied, flushes, undos, kills: found },
  }
}

function growth(values: readonly number[]): number {
  const count = Math.min(1000, values.length >> 1)
  return median(values.slice(-count)) / median(values.slice(0, count))
}

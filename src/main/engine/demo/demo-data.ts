import path from 'node:path'
import type { SliceRange } from '../../../shared/slice-ranges.ts'
import type { JobOptions } from '../job-options.ts'
import { openLabels } from '../labels/open-labels.ts'
import { scribble } from '../labels/scribble/scribble.ts'
import { removeUnfinished } from '../output/remove-unfinished.ts'
import { generateSample } from '../sample/generate-sample.ts'
import { openVolume } from '../volume/open-volume.ts'
import type { StageRecord } from './stage-record.ts'

/** What the demo works on: where labels to learn from are, and truth that no model may learn from. */
export interface DemoData {
  volume: string
  /** Labels to learn from. */
  labels: string
  /** Labels to score with. */
  truth: string
  /** Positions whose truth is not learned from; `null` when there are too few labelled slices to spare any. */
  heldOut: SliceRange[] | null
  /** Positions to learn from. */
  training: SliceRange[]
  unseen: { volume: string; labels: string; materialMap: Record<string, string> } | null
  synthetic: boolean
}

/** Large enough for a UNet to learn what an electrode looks like, small enough for two cores to segment in seconds. */
const seenShape = [48, 320, 320] as const
const unseenShape = [12, 320, 320] as const
const sampleSeed = 1
/** Slices that get scribbles: every fourth of the first three quarters. */
const scribbledSlices = { first: 0, last: 35 }
const scribbleEvery = 4
/** With a gap to the scribbles, since neighbouring slices show nearly the same. */
const sampleHeldOut = { first: 40, last: 47 }
/** The data sets have other materials; the brightest is compared with the brightest, and so on. */
const sampleMap = { pore: 'pore', 'carbon-binder domain': 'YSZ', 'active material': 'Ni' }

/** Makes the sample volumes and scribbles on one of them, as a user would label a little. */
export async function sampleData(out: string, stages: StageRecord, job: JobOptions): Promise<DemoData> {
  const folder = path.join(out, 'sample')
  const seen = path.join(folder, 'ni-ysz')
  const unseen = path.join(folder, 'battery')
  const labels = path.join(folder, 'scribbles')
  await stages.run('sample volume', async () => {
    await generateSample({
      kind: 'ni-ysz',
      shape: seenShape,
      seed: sampleSeed,
      out: seen,
      resume: true,
      ...job,
    })
  })
  await stages.run('unseen sample volume', async () => {
    await generateSample({
      kind: 'battery',
      shape: unseenShape,
      seed: sampleSeed,
      out: unseen,
      resume: true,
      ...job,
    })
  })
  await stages.run('scribbles', async () => {
    await removeUnfinished(labels)
    await scribble({
      labels: path.join(seen, 'labels'),
      volume: path.join(seen, 'images'),
      out: labels,
      amount: { kind: 'strokes', strokes: 3 },
      brush: 5,
      slices: [scribbledSlices],
      every: scribbleEvery,
      seed: sampleSeed,
      ...job,
    })
  })
  return {
    volume: path.join(seen, 'images'),
    labels,
    truth: path.join(seen, 'labels'),
    heldOut: [sampleHeldOut],
    training: [scribbledSlices],
    unseen: {
      volume: path.join(unseen, 'images'),
      labels: path.join(unseen, 'labels'),
      materialMap: sampleMap,
    },
    synthetic: true,
  }
}

/** Share of labelled slices that are kept for scoring. */
const heldOutShare = 0.25
const minSlicesToSpare = 3

/**
 * Splits the user's labelled slices: the last quarter scores, the rest teaches. A slab at the end rather than slices in between,
 * because neighbours show nearly the same.
 */
export async function ownData(
  given: { volume: string; labels: string; unlabelled?: number | 'none' },
  job: JobOptions,
): Promise<DemoData> {
  const options = job.signal === undefined ? {} : { signal: job.signal }
  const volume = await openVolume(given.volume, options)
  try {
    const { meta } = volume
    const unlabelled = given.unlabelled === undefined ? {} : { unlabelled: given.unlabelled }
    const { sources } = await openLabels([{ path: given.labels, volume: meta }], { ...unlabelled, ...job })
    try {
      const slices = sources[0].labelledSlices
      const spared =
        slices.length < minSlicesToSpare ? 0 : Math.max(1, Math.round(slices.length * heldOutShare))
      const common = {
        volume: given.volume,
        labels: given.labels,
        truth: given.labels,
        unseen: null,
        synthetic: false,
      }
      const ranges = (list: readonly number[]) => list.map((z) => ({ first: z, last: z }))
      return {
        ...common,
        heldOut: spared === 0 ? null : ranges(slices.slice(-spared)),
        training: ranges(spared === 0 ? slices : slices.slice(0, -spared)),
      }
    } finally {
      await Promise.all(sources.map((source) => source.close()))
    }
  } finally {
    await volume.close()
  }
}

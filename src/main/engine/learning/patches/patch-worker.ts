import { parentPort, workerData } from 'node:worker_threads'
import { toErrorData, type ErrorData } from '../../../../shared/errors.ts'
import { withCache } from '../../volume/cached-source.ts'
import { sliceNeighbours } from '../../volume/slice-neighbours.ts'
import type { VolumeNormalisation } from '../normalisation.ts'
import { openTrainingData, type TrainingDataOptions, type TrainingInput } from '../training/training-data.ts'
import { LabelCache } from './label-cache.ts'
import type { LabelledSlice } from './patch-plan.ts'
import { createPatchSampler, type Batch, type PatchOptions, type PatchSampler } from './patch-sampler.ts'

/** What the worker is started with. */
export interface PatchWorkerData {
  inputs: readonly TrainingInput[]
  options: TrainingDataOptions
  normalisations: readonly VolumeNormalisation[]
  slices: readonly LabelledSlice[]
  patches: PatchOptions
  /** Decoded slices kept, grey and labels together. */
  cacheBytes: number
}

export interface PatchRequest {
  step: number
}

export type PatchReply = { step: number; batch: Batch } | { step: number; error: ErrorData }

async function open(data: PatchWorkerData): Promise<PatchSampler> {
  const { volumes, labels } = await openTrainingData(data.inputs, data.options, {})
  const share = data.cacheBytes / (volumes.length + 1)
  const cached = volumes.map((volume) => withCache(volume, { cacheBytes: share }))
  const labelCache = new LabelCache(share)
  return createPatchSampler(
    {
      volumes: cached.map((volume, index) => ({
        shape: [volume.meta.shape[1], volume.meta.shape[2]],
        normalisation: data.normalisations[index],
        neighbours: (z, count) => sliceNeighbours(volume.meta, z, count),
      })),
      labelledSlices: data.slices,
      materialCount: labels.materials.length,
      readImage: (volume, z) => cached[volume].readSlice(z),
      readLabels: (volume, z) => labelCache.get(`${volume} ${z}`, () => labels.sources[volume].readSlice(z)),
    },
    data.patches,
  )
}

/** Prepares batches in a thread of its own: TensorFlow blocks the main thread while it computes. */
function serve(port: NonNullable<typeof parentPort>, data: PatchWorkerData): void {
  const sampler = open(data)
  sampler.catch(() => undefined)
  let queue = Promise.resolve()
  port.on('message', ({ step }: PatchRequest) => {
    // One after the other: batches share scratch arrays.
    queue = queue.then(async () => {
      try {
        const batch = await (await sampler).batch(step)
        const reply: PatchReply = { step, batch }
        port.postMessage(reply, [batch.images.buffer as ArrayBuffer, batch.labels.buffer as ArrayBuffer])
      } catch (error) {
        const reply: PatchReply = { step, error: toErrorData(error) }
        port.postMessage(reply)
      }
    })
  })
}

if (parentPort !== null) serve(parentPort, workerData as PatchWorkerData)

import { throwIfCancelled } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import type { JobOptions } from '../../job-options.ts'
import { sliceNeighbours } from '../../volume/slice-neighbours.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import type { StoredModel } from '../model/model-package.ts'
import { normalisationFor, type Normalisation } from '../normalisation.ts'
import { openSegmentationOutputs } from './segmentation-outputs.ts'
import { createSlicePredictor } from './slice-predictor.ts'
import { tileMemoryBytes } from './tile-memory.ts'

export interface SegmentSlicesOptions extends JobOptions {
  /** Open; stays open. */
  volume: VolumeSource
  /** Positions in the volume, ascending, at least one. */
  positions: readonly number[]
  /** Range of the whole volume. */
  normalisation: Normalisation
  /** Folder of TIFF slices to write, named like the slices of the volume; must not exist. */
  out: string
}

export interface SegmentedSlices {
  voxels: number
  /** Reading, network and writing of all slices. */
  seconds: number
  /** In the network, halo included. */
  networkSeconds: number
}

/**
 * Segments some slices of a volume into a folder of TIFF slices with the values that the training labels had. The first slice goes
 * through the network once beforehand, so that the times hold no start-up.
 *
 * Throws `OutputExists`, `BadInput`, `NoSpace`, `OutOfMemory`, `Cancelled`; an unfinished folder keeps its `.partial` name.
 */
export async function segmentSlices(
  runtime: ComputeRuntime,
  model: StoredModel,
  { volume, positions, normalisation, out, signal, onProgress }: SegmentSlicesOptions,
): Promise<SegmentedSlices> {
  const { meta } = volume
  const [, height, width] = meta.shape
  const { contextSlices } = model.card.architecture
  const scope = model.card.normalisation.scope === 'slice' ? 'per-slice' : normalisation
  const cancel = signal === undefined ? {} : { signal }
  const outputs = await openSegmentationOutputs({
    out,
    format: 'tiff-stack',
    meta: {
      ...meta,
      shape: [positions.length, height, width],
      sliceNames: positions.map((z) => meta.sliceNames[z]),
    },
    first: 0,
    last: positions.length - 1,
    materials: model.card.materials,
    model: model.card.weightsSha256,
    probabilities: false,
    uncertainty: false,
    resume: false,
  })
  const predictor = createSlicePredictor(runtime, model.spec, {
    parameters: model.parameters,
    statistics: model.statistics,
    memoryBytes: tileMemoryBytes(runtime.device),
  })
  const readChannels = (z: number) =>
    Promise.all(
      sliceNeighbours(meta, z, contextSlices).map((neighbour) => volume.readSlice(neighbour, cancel)),
    )
  const predict = (channels: Awaited<ReturnType<typeof readChannels>>) =>
    predictor.predict(
      { channels, height, width, normalisation: normalisationFor(scope, channels[contextSlices]) },
      cancel,
    )
  try {
    predict(await readChannels(positions[0]))
    const began = performance.now()
    let networkSeconds = 0
    for (const [index, z] of positions.entries()) {
      throwIfCancelled(signal)
      const result = predict(await readChannels(z))
      networkSeconds += result.networkSeconds
      await outputs.write(index, result)
      const elapsed = (performance.now() - began) / 1000
      const done = index + 1
      onProgress?.({
        stage: 'segmenting',
        done,
        total: positions.length,
        unit: 'slices',
        etaSeconds: (elapsed / done) * (positions.length - done),
        readings: { 'Mvoxel/s': (done * height * width) / elapsed / 1e6 },
      })
    }
    await outputs.close()
    return {
      voxels: positions.length * height * width,
      seconds: (performance.now() - began) / 1000,
      networkSeconds,
    }
  } catch (error) {
    await outputs.abort()
    throw error
  } finally {
    predictor.dispose()
  }
}

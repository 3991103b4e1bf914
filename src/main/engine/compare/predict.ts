import path from 'node:path'
import { modelLetters, type ComparedModel, type ModelLetter } from '../../../shared/comparison/comparison.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import type { ComputeRuntime } from '../compute/runtime/load.ts'
import { makeFolder } from '../files/atomic-file.ts'
import type { JobOptions } from '../job-options.ts'
import { fitWarnings } from '../learning/prediction/model-fit.ts'
import { segmentSlices } from '../learning/prediction/segment-slices.ts'
import type { ComparedRun } from './compared-run.ts'
import type { OpenDataSet } from './data-sets.ts'
import { measurePeakMemory } from './peak-memory.ts'

export interface PredictSettings extends JobOptions {
  /** Positions to segment, per data set and volume. */
  slices: readonly number[][][]
  folder: string
  /** Grows by what is unlike the training data. */
  warnings: VolumeWarning[]
}

export interface Predictions {
  /** Relative to the folder, per data set and volume. */
  folders: Record<ModelLetter, string>[][]
  costs: Record<ModelLetter, ComparedModel['costs']>
}

/**
 * Segments the chosen slices of all data sets with both models, one after the other so that times and memory are those of one
 * model, into `segmentations/<A|B>/<volume id>/`.
 */
export async function predictAll(
  runtime: ComputeRuntime,
  compared: Record<ModelLetter, ComparedRun>,
  dataSets: readonly OpenDataSet[],
  { slices, folder, warnings, signal, onProgress }: PredictSettings,
): Promise<Predictions> {
  const total = 2 * slices.flat(2).length
  const began = performance.now()
  let finished = 0
  const costs: Predictions['costs'] = { A: [], B: [] }
  for (const letter of modelLetters) {
    const { model } = compared[letter]
    for (const [index, dataSet] of dataSets.entries()) {
      const memory = measurePeakMemory()
      const sum = { voxels: 0, seconds: 0, networkSeconds: 0 }
      for (const [at, { id, source, normalisation }] of dataSet.volumes.entries()) {
        const positions = slices[index][at]
        for (const { kind, message } of fitWarnings(model, normalisation, source))
          warnings.push({ kind, message: `${letter}: ${message}` })
        if (positions.length === 0) continue
        const target = path.join(folder, segmentationFolder(letter, id))
        await makeFolder(path.dirname(target))
        const part = await segmentSlices(runtime, model, {
          ...{ volume: source, positions, normalisation, out: target },
          ...(signal === undefined ? {} : { signal }),
          onProgress: ({ done, unit, readings }) => {
            const elapsed = (performance.now() - began) / 1000
            onProgress?.({
              ...{ stage: 'segmenting', done: finished + done, total, unit },
              etaSeconds: (elapsed / (finished + done)) * (total - finished - done),
              ...(readings === undefined ? {} : { readings }),
            })
          },
        })
        finished += positions.length
        sum.voxels += part.voxels
        sum.seconds += part.seconds
        sum.networkSeconds += part.networkSeconds
      }
      costs[letter].push({
        dataSet: dataSet.kind,
        ...sum,
        voxelsPerSecond: rate(sum.voxels, sum.seconds),
        networkVoxelsPerSecond: rate(sum.voxels, sum.networkSeconds),
        memoryBeforeBytes: memory.beforeBytes,
        peakMemoryBytes: memory.peakBytes(),
      })
    }
  }
  const folders = dataSets.map(({ volumes }) =>
    volumes.map(({ id }) => ({ A: segmentationFolder('A', id), B: segmentationFolder('B', id) })),
  )
  return { folders, costs }
}

function segmentationFolder(letter: ModelLetter, id: string): string {
  return path.join('segmentations', letter, id)
}

function rate(voxels: number, seconds: number): number {
  return seconds > 0 ? voxels / seconds : 0
}

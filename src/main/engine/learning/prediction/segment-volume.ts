import { rm } from 'node:fs/promises'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { hasTag, PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { SliceRange } from '../../../../shared/slice-ranges.ts'
import type { VolumeWarning } from '../../../../shared/volume.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { makeFolder } from '../../files/atomic-file.ts'
import { acquireLock } from '../../files/lock.ts'
import type { JobOptions } from '../../job-options.ts'
import { checkOutput, partialPathOf } from '../../output/output-guard.ts'
import type { OutputFormat } from '../../output/volume-writer.ts'
import { packageVersion } from '../../package-version.ts'
import { withCache } from '../../volume/cached-source.ts'
import type { OpenVolumeOptions } from '../../volume/open-volume.ts'
import { sliceNeighbours } from '../../volume/slice-neighbours.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import { openVolumeInThread } from '../../volume/volume-thread.ts'
import { volumeStatistics } from '../../volume/volume-statistics.ts'
import type { ModelCard } from '../model/model-card.ts'
import { loadModelPackage, type StoredModel } from '../model/model-package.ts'
import { normalisationFor, type Normalisation } from '../normalisation.ts'
import { openSegmentationOutputs, placesBeside, type SegmentationOutputs } from './segmentation-outputs.ts'
import { fitWarnings } from './model-fit.ts'
import {
  finishSettings,
  inputFingerprint,
  provenancePath,
  requireSameSettings,
  writeSettings,
  type SegmentationSettings,
} from './segmentation-settings.ts'
import { createSlicePredictor } from './slice-predictor.ts'
import { tileMemoryBytes } from './tile-memory.ts'

export interface SegmentOptions extends JobOptions {
  volume: string
  open: Omit<OpenVolumeOptions, 'signal'>
  /** Run or model folder. */
  model: string
  out: string
  format: OutputFormat
  /** Positions to segment; the whole volume without it. */
  slices?: SliceRange
  probabilities: boolean
  uncertainty: boolean
  resume: boolean
}

export interface SegmentResult {
  out: string
  /** Folders or files beside it. */
  probabilities: string[]
  uncertainty: string | null
  /** Voxels segmented in this call; less than the volume when it resumed. */
  voxels: number
  seconds: number
  voxelsPerSecond: number
  /** Seconds in the network (halo included) out of `seconds`. */
  networkSeconds: number
  /** Seconds that the pipeline waited for slices to be read, and for the writer. */
  readSeconds: number
  writeSeconds: number
  peakMemoryBytes: number
  slices: { first: number; last: number }
  resumedFromSlice: number
  device: DeviceInfo
  /** The pretrained weights that the model began with, when there were any. */
  pretrained: ModelCard['pretrained']
  warnings: VolumeWarning[]
}

/** Two slices are read while one is in the network. */
const readAhead = 2

/**
 * Segments a volume slice by slice, streamed to disk. Memory does not depend on the number of slices.
 *
 * Throws `WrongUsage` (output in an input, resume with other settings), `OutputExists`, `BadInput`, `NotFound`, `NoSpace`,
 * `Cancelled` with what is done kept for `--resume`.
 */
export async function segmentVolume(
  runtime: ComputeRuntime,
  options: SegmentOptions,
): Promise<SegmentResult> {
  const { out, signal, onProgress } = options
  await checkOutputs(options)
  const model = await loadModelPackage(options.model)
  const opened = await openVolumeInThread(options.volume, {
    ...options.open,
    ...(signal === undefined ? {} : { signal }),
  })
  const volume = withCache(opened, {
    cacheBytes: cacheBytesFor(opened, model.card.architecture.contextSlices),
    readAhead,
  })
  try {
    const depth = volume.meta.shape[0]
    const { first, last } = options.slices ?? { first: 0, last: depth - 1 }
    if (last >= depth) {
      throw new PhasemarkError(
        'WrongUsage',
        `--slices: expected positions 0-${depth - 1} of ${options.volume}, found ${first}-${last}`,
        { argument: '--slices' },
      )
    }
    const statistics = await volumeStatistics(volume, options)
    const normalisation: Normalisation = { method: 'percentile', low: statistics.low, high: statistics.high }
    const warnings = [
      ...volume.meta.warnings,
      ...statistics.warnings,
      ...fitWarnings(model, normalisation, volume),
    ]
    const settings: SegmentationSettings = {
      format: 'phasemark-segmentation',
      version: 1,
      phasemark: packageVersion(),
      volume: options.volume,
      input: await inputFingerprint(volume, statistics.slicesRead, signal),
      model: options.model,
      weightsSha256: model.card.weightsSha256,
      output: options.format,
      first,
      last,
      probabilities: options.probabilities,
      uncertainty: options.uncertainty,
      normalisation,
    }
    return await withOutputLock(out, async () => {
      if (options.resume) await requireSameSettings(settings, out)
      // Another process may have written there while this one was reading.
      else await checkOutputs(options)
      await writeSettings(settings, out)
      const outputs = await openSegmentationOutputs({
        ...options,
        meta: volume.meta,
        first,
        last,
        materials: model.card.materials,
        model: settings.weightsSha256,
      })
      return await run({
        runtime,
        options,
        volume,
        model,
        normalisation,
        outputs,
        first,
        last,
        warnings,
        onProgress,
      })
    })
  } catch (error) {
    if (!hasTag(error, 'Cancelled')) throw error
    const resumeHint = 'repeat the command with --resume to go on'
    throw new PhasemarkError(
      'Cancelled',
      `segmenting stopped; ${resumeHint}`,
      { resumeHint },
      { cause: error },
    )
  } finally {
    await volume.close()
  }
}

/** Everything that will be written is checked before anything is: also what lies beside the segmentation itself. */
async function checkOutputs(options: SegmentOptions): Promise<void> {
  const { out, format, volume, model, resume } = options
  const { probabilityFolder, uncertaintyPath } = placesBeside(options)
  const description = format === 'tiff-stack' ? null : provenancePath(out, format)
  for (const output of [out, probabilityFolder, uncertaintyPath, description]) {
    if (output !== null) await checkOutput({ output, inputs: [volume, model], resume, kind: 'streamed' })
  }
}

/** Keeps a second process from resuming the same output; the lock lies beside it and leaves nothing behind. */
async function withOutputLock<T>(out: string, work: () => Promise<T>): Promise<T> {
  const folder = `${partialPathOf(out)}.lock`
  await makeFolder(folder)
  const lock = await acquireLock(folder, { purpose: 'segmenting' })
  try {
    return await work()
  } finally {
    await lock.release()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Run {
  runtime: ComputeRuntime
  options: SegmentOptions
  volume: VolumeSource
  model: StoredModel
  normalisation: Normalisation
  outputs: SegmentationOutputs
  first: number
  last: number
  warnings: VolumeWarning[]
  onProgress: JobOptions['onProgress']
}

async function run({
  runtime,
  options,
  volume,
  model,
  normalisation,
  outputs,
  ...rest
}: Run): Promise<SegmentResult> {
  const { first, last, warnings, onProgress } = rest
  const { signal, out } = options
  const [, height, width] = volume.meta.shape
  const { contextSlices } = model.card.architecture
  const scope = model.card.normalisation.scope === 'slice' ? 'per-slice' : normalisation
  const predictor = createSlicePredictor(runtime, model.spec, {
    parameters: model.parameters,
    statistics: model.statistics,
    memoryBytes: tileMemoryBytes(runtime.device, bytesOfSlices(volume, model, options)),
  })
  const total = last - first + 1
  const start = outputs.nextSlice
  const began = performance.now()
  let [networkSeconds, readSeconds, writeSeconds] = [0, 0, 0]
  try {
    const tileBefore = predictor.maxTileVoxels
    for (let index = start; index < total; index++) {
      throwIfCancelled(signal)
      const z = first + index
      const readBegan = performance.now()
      const channels = await Promise.all(
        sliceNeighbours(volume.meta, z, contextSlices).map((neighbour) =>
          volume.readSlice(neighbour, signal === undefined ? {} : { signal }),
        ),
      )
      readSeconds += (performance.now() - readBegan) / 1000
      const result = predictor.predict(
        { channels, height, width, normalisation: normalisationFor(scope, channels[contextSlices]) },
        {
          probabilities: options.probabilities || options.uncertainty,
          ...(signal === undefined ? {} : { signal }),
        },
      )
      networkSeconds += result.networkSeconds
      const writeBegan = performance.now()
      await outputs.write(index, result)
      writeSeconds += (performance.now() - writeBegan) / 1000
      const done = index + 1
      const elapsed = (performance.now() - began) / 1000
      onProgress?.({
        stage: 'segmenting',
        done,
        total,
        unit: 'slices',
        etaSeconds: (elapsed / (done - start)) * (total - done),
        readings: { 'Mvoxel/s': ((done - start) * height * width) / elapsed / 1e6 },
      })
    }
    const closing = performance.now()
    await outputs.close()
    writeSeconds += (performance.now() - closing) / 1000
    if (predictor.maxTileVoxels < tileBefore) {
      warnings.push({
        kind: 'other',
        message: 'memory ran out; tiles were made smaller and the work went on',
      })
    }
  } catch (error) {
    await outputs.abort()
    throw error
  } finally {
    predictor.dispose()
  }
  const seconds = (performance.now() - began) / 1000
  const voxels = (total - start) * height * width
  await finishSettings(out, options.format)
  return {
    out,
    probabilities: outputs.probabilityPaths,
    uncertainty: outputs.uncertaintyPath,
    voxels,
    seconds,
    voxelsPerSecond: seconds > 0 ? voxels / seconds : 0,
    networkSeconds,
    readSeconds,
    writeSeconds,
    // `maxRSS` is in kilobytes.
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    slices: { first, last },
    resumedFromSlice: start,
    device: runtime.device,
    pretrained: model.card.pretrained,
    warnings,
  }
}

/** Memory for slices on their way: those read ahead, the network's input, results, and what the writers hold of them. */
function bytesOfSlices(
  volume: VolumeSource,
  { card }: StoredModel,
  { probabilities, uncertainty }: SegmentOptions,
): number {
  const [, height, width] = volume.meta.shape
  const { contextSlices } = card.architecture
  // float32, as a whole and cut into the tile.
  const input = 2 * 4 * (2 * contextSlices + 1)
  // Material indices, file values, and these once more on their way to the disk.
  const labels = 3
  const perProbability = 4
  // All of a slice at once; what is written of it exists raw and packed.
  const results =
    (probabilities || uncertainty ? perProbability * card.materials.length : 0) +
    2 * perProbability * ((probabilities ? card.materials.length : 0) + (uncertainty ? 1 : 0))
  const counted = cacheBytesFor(volume, contextSlices) + height * width * (input + labels + results)
  // Measured on slices of 6144 × 6144: what is let go waits for the garbage collector, and half as much exists besides.
  return 1.5 * counted
}

/** Room for the slices being read ahead and for the neighbours of a 2.5D network. */
function cacheBytesFor(volume: VolumeSource, contextSlices: number): number {
  const sliceBytes = volume.meta.bytes / volume.meta.shape[0]
  return sliceBytes * (2 * contextSlices + 2 + readAhead)
}

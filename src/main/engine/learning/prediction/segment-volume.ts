import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { badInput, hasTag, PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { SliceRange } from '../../../../shared/slice-ranges.ts'
import type { VolumeWarning } from '../../../../shared/volume.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { makeFolder, writeFileAtomic } from '../../files/atomic-file.ts'
import { acquireLock } from '../../files/lock.ts'
import type { JobOptions } from '../../job-options.ts'
import { checkOutput, partialPathOf } from '../../output/output-guard.ts'
import type { OutputFormat } from '../../output/volume-writer.ts'
import { packageVersion } from '../../package-version.ts'
import { withCache } from '../../volume/cached-source.ts'
import { openVolume, type OpenVolumeOptions } from '../../volume/open-volume.ts'
import { sliceNeighbours } from '../../volume/slice-neighbours.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import { volumeStatistics } from '../../volume/volume-statistics.ts'
import { loadModelPackage, type StoredModel } from '../model/model-package.ts'
import type { Normalisation } from '../normalisation.ts'
import { openSegmentationOutputs, type SegmentationOutputs } from './segmentation-outputs.ts'
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
  warnings: VolumeWarning[]
}

/** What decides the values of a segmentation; written beside it, so that a resume can tell whether it is the same. */
const settingsSchema = z.object({
  format: z.literal('phasemark-segmentation'),
  version: z.literal(1),
  phasemark: z.string(),
  volume: z.string(),
  input: z.string(),
  model: z.string(),
  weightsSha256: z.string(),
  output: z.string(),
  first: z.number(),
  last: z.number(),
  probabilities: z.boolean(),
  uncertainty: z.boolean(),
  normalisation: z.object({ method: z.literal('percentile'), low: z.number(), high: z.number() }),
})
type Settings = z.infer<typeof settingsSchema>

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
  await checkOutput({
    output: out,
    inputs: [options.volume, options.model],
    resume: options.resume,
    kind: 'streamed',
  })
  const model = await loadModelPackage(options.model)
  const opened = await openVolume(options.volume, {
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
      ...driftWarnings(model, normalisation, volume),
    ]
    const settings: Settings = {
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
  const predictor = createSlicePredictor(runtime, model.spec, {
    parameters: model.parameters,
    statistics: model.statistics,
    memoryBytes: tileMemoryBytes(runtime.device),
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
        { channels, height, width, normalisation },
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
    warnings,
  }
}

/** Room for the slices being read ahead and for the neighbours of a 2.5D network. */
function cacheBytesFor(volume: VolumeSource, contextSlices: number): number {
  const sliceBytes = volume.meta.bytes / volume.meta.shape[0]
  return sliceBytes * (2 * contextSlices + 2 + readAhead)
}

/** A volume whose grey values span another range than in training may be another scan protocol or material. */
function driftWarnings(
  { card }: StoredModel,
  { low, high }: Normalisation,
  volume: VolumeSource,
): VolumeWarning[] {
  const tolerated = 0.5
  const range = high - low
  const closest = Math.min(
    ...card.normalisation.training.map((training) => {
      const trained = training.high - training.low
      return Math.max(Math.abs(training.low - low), Math.abs(training.high - high)) / Math.min(trained, range)
    }),
  )
  if (closest <= tolerated) return []
  const ranges = card.normalisation.training.map((training) => `${training.low}…${training.high}`).join(', ')
  return [
    {
      kind: 'intensity-drift',
      message: `${volume.meta.path}: grey values span ${low}…${high}, in training ${ranges}; check the result, or train with slices of this scan`,
    },
  ]
}

/** SHA-256 over shape, type and the fixed sample of slices. */
async function inputFingerprint(
  volume: VolumeSource,
  sample: readonly number[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([volume.meta.shape, volume.meta.dtype, volume.meta.sliceNames]))
  for (const z of spread(sample, 4)) {
    const slice = await volume.readSlice(z, signal === undefined ? {} : { signal })
    hash.update(new Uint8Array(slice.buffer, slice.byteOffset, slice.byteLength))
  }
  return hash.digest('hex')
}

function spread(list: readonly number[], count: number): number[] {
  if (list.length <= count) return [...list]
  return Array.from(
    { length: count },
    (_, index) => list[Math.round((index * (list.length - 1)) / (count - 1))],
  )
}

/** While the output grows, its settings lie beside the partial file. */
function settingsPath(out: string): string {
  return `${partialPathOf(out)}.json`
}

/** Where the settings of a finished segmentation are: in the folder of a stack, beside a file. */
function provenancePath(out: string, format: OutputFormat): string {
  return format === 'tiff-stack' ? path.join(out, 'segmentation.json') : `${out}.json`
}

async function writeSettings(settings: Settings, out: string): Promise<void> {
  await writeFileAtomic(settingsPath(out), `${JSON.stringify(settings, null, 2)}\n`)
}

async function finishSettings(out: string, format: OutputFormat): Promise<void> {
  await writeFileAtomic(provenancePath(out, format), await readFile(settingsPath(out)))
  await rm(settingsPath(out), { force: true })
}

async function requireSameSettings(settings: Settings, out: string): Promise<void> {
  const file = [settingsPath(out), provenancePath(out, 'tiff-stack'), provenancePath(out, 'bigtiff')].find(
    existsSync,
  )
  if (file === undefined) return
  let earlier: Settings
  try {
    earlier = settingsSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw badInput(file, 'the settings of an interrupted segmentation', 'something else', { cause })
  }
  // Where things lie and which version began may change; what decides the voxels may not.
  const deciding = [
    'input',
    'weightsSha256',
    'output',
    'first',
    'last',
    'probabilities',
    'uncertainty',
  ] as const
  const names = {
    input: 'the volume',
    weightsSha256: 'the model',
    output: '--format',
    first: '--slices',
    last: '--slices',
    probabilities: '--probabilities',
    uncertainty: '--uncertainty',
  }
  const changed = deciding.filter((key) => earlier[key] !== settings[key]).map((key) => names[key])
  if (changed.length === 0) return
  throw new PhasemarkError(
    'WrongUsage',
    `${out}: --resume expected what the segmentation was begun with, found another ${[...new Set(changed)].join(', ')}`,
    { argument: '--resume' },
  )
}

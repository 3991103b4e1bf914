import { createHash } from 'node:crypto'
import type { Material } from '../../../../shared/materials.ts'
import { quantile } from '../../../../shared/metrics/bootstrap.ts'
import type { VolumeWarning } from '../../../../shared/volume.ts'
import type { JobOptions } from '../../job-options.ts'
import type { LabelSet } from '../../labels/label-source.ts'
import { openLabels } from '../../labels/open-labels.ts'
import type { ProjectMoment } from '../../labels/project-labels.ts'
import { openVolume, type OpenVolumeOptions } from '../../volume/open-volume.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import { spreadSlices, volumeStatistics } from '../../volume/volume-statistics.ts'
import { sliceNormalisation, type IntensityScope, type Normalisation } from '../normalisation.ts'

/** One volume and its labels, as given. */
export interface TrainingInput {
  volume: string
  labels: string
  /** Of labels of a project: which ones exactly; set once they are open, for the threads that open them too. */
  moment?: ProjectMoment
}

/** How volumes and labels are to be read; plain data, so that a worker can open the same. */
export interface TrainingDataOptions {
  open: Omit<OpenVolumeOptions, 'signal'>
  labels: { unlabelled?: number | 'none'; materialsPath?: string }
}

export interface TrainingData {
  volumes: readonly VolumeSource[]
  labels: LabelSet
  close(): Promise<void>
}

/** Opens volumes and labels for training. The caller closes. */
export async function openTrainingData(
  inputs: readonly TrainingInput[],
  options: TrainingDataOptions,
  job: JobOptions,
): Promise<TrainingData> {
  const signal = job.signal === undefined ? {} : { signal: job.signal }
  const volumes: VolumeSource[] = []
  try {
    for (const { volume } of inputs) volumes.push(await openVolume(volume, { ...options.open, ...signal }))
    const labels = await openLabels(
      inputs.map(({ labels: path, moment }, index) => {
        const { meta: volume } = volumes[index]
        return moment === undefined ? { path, volume } : { path, volume, moment }
      }),
      { ...options.labels, ...job },
    )
    return {
      volumes,
      labels,
      close: async () => {
        await Promise.all([...volumes, ...labels.sources].map((source) => source.close()))
      },
    }
  } catch (error) {
    await Promise.allSettled(volumes.map((volume) => volume.close()))
    throw error
  }
}

/** Intensity ranges of all volumes, from their fixed samples. */
export async function normalisationsOf(
  volumes: readonly VolumeSource[],
  job: JobOptions,
): Promise<{ normalisations: Normalisation[]; warnings: VolumeWarning[] }> {
  const normalisations: Normalisation[] = []
  const warnings: VolumeWarning[] = []
  for (const volume of volumes) {
    const statistics = await volumeStatistics(volume, job)
    normalisations.push({ method: 'percentile', low: statistics.low, high: statistics.high })
    warnings.push(...statistics.warnings)
  }
  return { normalisations, warnings }
}

/** Slices looked at to see whether they share a grey scale. */
const comparedSlices = 16

/**
 * Above this, slices do not share a grey scale. Real scans measured 2 to 4 % (nano-CT of batteries, where composition changes
 * along the stack), single micrographs of one alloy 40 %.
 */
const toleratedVariation = 0.15

/**
 * Whether one range suits all slices of all volumes. Compares the ranges of single slices: the spread of their ends (median
 * absolute deviation, scaled to a standard deviation, so that some empty slices do not count) relative to their median width.
 */
export async function intensityScopeOf(
  volumes: readonly VolumeSource[],
  { signal }: JobOptions,
): Promise<{ scope: IntensityScope; warnings: VolumeWarning[] }> {
  const warnings: VolumeWarning[] = []
  for (const volume of volumes) {
    const ranges: Normalisation[] = []
    for (const z of spreadSlices(volume.meta.shape[0], comparedSlices)) {
      ranges.push(sliceNormalisation(await volume.readSlice(z, signal === undefined ? {} : { signal })))
    }
    const width = median(ranges.map(({ low, high }) => high - low))
    const variation =
      Math.max(spread(ranges.map(({ low }) => low)), spread(ranges.map(({ high }) => high))) / width
    if (!(variation > toleratedVariation)) continue
    warnings.push({
      kind: 'intensity-drift',
      message: `${volume.meta.path}: grey values shift by ${Math.round(variation * 100)} % of their range from slice to slice; every slice is normalised on its own (--intensity volume keeps one range)`,
    })
  }
  return { scope: warnings.length > 0 ? 'slice' : 'volume', warnings }
}

function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}

/** Median absolute deviation, times what makes it the standard deviation of normally distributed values. */
function spread(values: readonly number[]): number {
  const middle = median(values)
  return 1.4826 * median(values.map((value) => Math.abs(value - middle)))
}

/**
 * SHA-256 over shapes, types, materials and all labelled slices (grey values and labels) that are used: two runs with the
 * same fingerprint learned from the same data, wherever it lay.
 */
export async function dataFingerprint(
  { volumes, labels }: TrainingData,
  used: readonly (readonly number[])[],
  { signal, onProgress }: JobOptions,
): Promise<string> {
  const hash = createHash('sha256')
  const total = used.reduce((sum, slices) => sum + slices.length, 0)
  let done = 0
  hash.update(JSON.stringify(labels.materials.map((material: Material) => material.value)))
  for (const [index, volume] of volumes.entries()) {
    hash.update(JSON.stringify({ shape: volume.meta.shape, dtype: volume.meta.dtype, slices: used[index] }))
    for (const z of used[index]) {
      const options = signal === undefined ? {} : { signal }
      const image = await volume.readSlice(z, options)
      hash.update(new Uint8Array(image.buffer, image.byteOffset, image.byteLength))
      hash.update(await labels.sources[index].readSlice(z, options))
      onProgress?.({ stage: 'checking data', done: ++done, total, unit: 'slices' })
    }
  }
  return hash.digest('hex')
}

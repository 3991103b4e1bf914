import { rm } from 'node:fs/promises'
import path from 'node:path'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../../shared/errors.ts'
import type { Material } from '../../../../shared/materials.ts'
import type { SliceRange } from '../../../../shared/slice-ranges.ts'
import type { VolumeMeta, VolumeWarning } from '../../../../shared/volume.ts'
import { writeFileAtomic } from '../../files/atomic-file.ts'
import type { JobOptions } from '../../job-options.ts'
import { checkOutput, partialPathOf } from '../../output/output-guard.ts'
import { openVolumeWriter, type VolumeWriter } from '../../output/volume-writer.ts'
import { packageVersion } from '../../package-version.ts'
import { openVolume, type OpenVolumeOptions } from '../../volume/open-volume.ts'
import { smallestDtype, toFileValues } from '../file-values.ts'
import { openLabelFile } from '../label-file.ts'
import type { LabelSource } from '../label-source.ts'
import { bindLabels } from '../open-labels.ts'
import type { ResolveOptions } from '../resolve-labels.ts'
import { drawStrokes, type ScribbleAmount } from './draw-strokes.ts'

export interface ScribbleOptions extends JobOptions {
  /** Dense labels: folder or file. */
  labels: string
  /** Folder of label slices to write. */
  out: string
  /**
   * The volume that the labels belong to. Then positions and names of slices are those of the volume; needed where labels pair
   * with it by position, because sparse slices cannot.
   */
  volume?: string
  open?: Omit<OpenVolumeOptions, 'signal'>
  /** What the values of the dense labels mean. */
  resolve?: Pick<ResolveOptions, 'unlabelled' | 'materialsPath'>
  amount: ScribbleAmount
  /** Width of the brush in pixels. */
  brush: number
  /** Positions to scribble on. Default: all labelled slices. */
  slices?: readonly SliceRange[]
  /** Takes the first of these slices and every n-th after it. Default 1. */
  every?: number
  /** Value of unlabelled pixels in the files written. Default 255. */
  unlabelledValue?: number
  seed: number
}

export interface ScribbledMaterial {
  value: number
  name: string
  colour: string
  /** Pixels of this material in the slices that were scribbled on, dense and scribbled. */
  denseVoxels: number
  voxels: number
  strokes: number
}

export interface ScribbleResult {
  out: string
  /** JSON file in `out` that says how the scribbles were made. */
  record: string
  /** Positions that got scribbles, ascending. */
  slices: number[]
  unlabelledValue: number
  labelledVoxels: number
  /** Labelled share of all pixels of these slices. */
  fraction: number
  materials: ScribbledMaterial[]
  seed: number
  warnings: readonly VolumeWarning[]
}

export const defaultUnlabelledValue = 255
export const scribbleRecordName = 'scribbles.json'

/**
 * Makes reproducible sparse labels out of dense ones: strokes as {@link drawStrokes} draws them, slice by slice. The strokes of a
 * slice depend on seed and position only, so that other slices do not change them.
 *
 * Writes label slices under the names of the dense ones (or of the volume), with names and colours of the materials and the
 * unlabelled value, so that `train` reads them without further options. Slices without any labelled pixel are left out.
 *
 * Throws `WrongUsage` when the unlabelled value is that of a material or nothing is left to do, `BadInput` as `openLabels`
 * does and when no pixel is labelled, `OutputExists`, `NotWritable`, `NoSpace`, `Cancelled`.
 */
export async function scribble(options: ScribbleOptions): Promise<ScribbleResult> {
  const { signal, volume, labels: labelsPath } = options
  requireSettings(options)
  await checkOutput({
    output: options.out,
    inputs: volume === undefined ? [labelsPath] : [labelsPath, volume],
    resume: false,
    kind: 'streamed',
  })
  const job = signal === undefined ? {} : { signal }
  const volumeMeta = volume === undefined ? undefined : await readMeta(volume, { ...options.open, ...job })
  const file = await openLabelFile(labelsPath, {
    ...job,
    ...(volumeMeta === undefined ? {} : { volume: volumeMeta }),
    ...(options.resolve?.unlabelled === undefined ? {} : { unlabelled: options.resolve.unlabelled }),
  })
  try {
    const meta = volumeMeta ?? file.file.meta
    const set = await bindLabels([file], [{ path: labelsPath, volume: meta }], { ...options.resolve, ...job })
    return await scribbleOn(set.sources[0], meta, set.materials, options)
  } finally {
    await file.file.close()
  }
}

async function readMeta(volume: string, options: OpenVolumeOptions): Promise<VolumeMeta> {
  const source = await openVolume(volume, options)
  await source.close()
  return source.meta
}

async function scribbleOn(
  source: LabelSource,
  meta: VolumeMeta,
  materials: readonly Material[],
  options: ScribbleOptions,
): Promise<ScribbleResult> {
  const { out, seed, amount, brush, signal, onProgress } = options
  const unlabelledValue = options.unlabelledValue ?? defaultUnlabelledValue
  requireFreeValue(materials, unlabelledValue)
  const [, height, width] = meta.shape
  const slices = chooseSlices(source, meta, options)
  const values = [unlabelledValue, ...materials.map(({ value }) => value)]
  const dtype = smallestDtype(values)
  const counts = materials.map(() => ({ denseVoxels: 0, voxels: 0, strokes: 0 }))
  const listed = materials.map(({ value, name, colour }) => ({ value, name, colour }))
  const recipe = {
    seed,
    amount,
    brush,
    unlabelled: unlabelledValue,
    generator: `phasemark ${packageVersion()}`,
  }

  const writer = await openVolumeWriter({
    path: out,
    format: 'tiff-stack',
    shape: [slices.length, height, width],
    dtype,
    voxelSize: meta.voxelSize,
    sliceNames: slices.map((z) => meta.sliceNames[z]),
    colourTable: listed,
    unlabelledValue,
    description: [`phasemark-scribbles=${JSON.stringify(recipe)}`],
    resume: false,
  })
  await writeAll(writer, out, async () => {
    for (const [done, z] of slices.entries()) {
      throwIfCancelled(signal)
      const dense = await source.readSlice(z, signal === undefined ? {} : { signal })
      const drawn = drawStrokes(dense, {
        height,
        width,
        materials: materials.length,
        brush,
        amount,
        keys: [seed, z],
      })
      for (let i = 0; i < dense.length; i++) {
        if (dense[i] !== 0) counts[dense[i] - 1].denseVoxels++
        if (drawn.scribbles[i] !== 0) counts[drawn.scribbles[i] - 1].voxels++
      }
      for (const [index, count] of counts.entries()) count.strokes += drawn.strokes[index + 1]
      await writer.writeSlice(done, toFileValues(drawn.scribbles, values, dtype))
      onProgress?.({ stage: 'drawing', done: done + 1, total: slices.length, unit: 'slices' })
    }
  })

  const result: ScribbleResult = {
    out,
    record: path.join(out, scribbleRecordName),
    slices,
    unlabelledValue,
    labelledVoxels: counts.reduce((sum, { voxels }) => sum + voxels, 0),
    fraction: 0,
    materials: listed.map((material, index) => ({ ...material, ...counts[index] })),
    seed,
    warnings: source.warnings,
  }
  result.fraction = result.labelledVoxels / (slices.length * height * width)
  await writeRecord(result, recipe, options.labels, meta)
  return result
}

/** Runs `work`, then names the output. What is unfinished is removed when it fails: drawing anew takes seconds. */
async function writeAll(writer: VolumeWriter, out: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
    await writer.close()
  } catch (error) {
    await writer.abort()
    await rm(partialPathOf(out), { recursive: true, force: true })
    throw error
  }
}

async function writeRecord(
  result: ScribbleResult,
  recipe: object,
  labels: string,
  meta: VolumeMeta,
): Promise<void> {
  const { slices, labelledVoxels, fraction, materials } = result
  const record = {
    what: 'scribbles drawn by a random process inside dense labels',
    labels: path.basename(path.resolve(labels)),
    ...recipe,
    slices: slices.map((z) => ({ position: z, name: meta.sliceNames[z] })),
    labelledVoxels,
    fraction,
    materials,
  }
  await writeFileAtomic(result.record, `${JSON.stringify(record, null, 2)}\n`)
}

function requireSettings({ amount, brush, every = 1, seed }: ScribbleOptions): void {
  const wrong = (argument: string, expected: string, found: number) =>
    new PhasemarkError('WrongUsage', `${argument}: expected ${expected}, found ${found}`, { argument })
  if (amount.kind === 'strokes' && !(Number.isInteger(amount.strokes) && amount.strokes >= 1))
    throw wrong('--strokes', 'a whole number of at least 1', amount.strokes)
  if (amount.kind === 'fraction' && !(amount.fraction > 0 && amount.fraction <= 1))
    throw wrong('--fraction', 'a share above 0 and up to 1', amount.fraction)
  if (!(brush >= 1 && brush <= 1000)) throw wrong('--width', '1 to 1000 pixels', brush)
  if (!(Number.isInteger(every) && every >= 1)) throw wrong('--every', 'a whole number of at least 1', every)
  if (!Number.isInteger(seed) || seed < 0) throw wrong('--seed', 'a whole number of at least 0', seed)
}

function requireFreeValue(materials: readonly Material[], unlabelledValue: number): void {
  const taken = materials.find(({ value }) => value === unlabelledValue)
  if (taken !== undefined)
    throw new PhasemarkError(
      'WrongUsage',
      `expected a value that no material has for unlabelled pixels, found ${unlabelledValue}, ` +
        `which is "${taken.name}"; give another one with --unlabelled-out`,
      { argument: '--unlabelled-out' },
    )
}

/** Labelled slices within the chosen ranges, of these every n-th. */
function chooseSlices(
  source: LabelSource,
  meta: VolumeMeta,
  { slices, every = 1 }: ScribbleOptions,
): number[] {
  const depth = meta.shape[0]
  const beyond = slices?.find(({ last }) => last >= depth)
  if (beyond !== undefined)
    throw new PhasemarkError(
      'WrongUsage',
      `--slices: expected positions from 0 to ${depth - 1}, found ${beyond.first}-${beyond.last}`,
      { argument: '--slices' },
    )
  const labelled = source.labelledSlices.filter((z) => {
    const chosen = slices === undefined || slices.some(({ first, last }) => z >= first && z <= last)
    const counts = source.countSlice(z)
    return chosen && counts.some((count, index) => index > 0 && count > 0)
  })
  if (labelled.length === 0)
    throw badInput(
      source.path,
      `labelled pixels${slices === undefined ? '' : ' in the chosen slices'}`,
      'not a single one',
    )
  return labelled.filter((_, position) => position % every === 0)
}

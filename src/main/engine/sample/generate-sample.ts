import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { badInput, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import type { ListedMaterial } from '../../../shared/materials.ts'
import type { Shape3, VoxelSize } from '../../../shared/volume.ts'
import { makeFolder, writeFileAtomic } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'
import type { JobOptions } from '../job-options.ts'
import { checkOutput } from '../output/output-guard.ts'
import { openVolumeWriter, type VolumeWriter } from '../output/volume-writer.ts'
import { packageVersion } from '../package-version.ts'
import { battery } from './battery.ts'
import { createImaging } from './imaging.ts'
import { niYsz } from './ni-ysz.ts'
import type { SampleRecipe } from './sample-structure.ts'

/** Kinds of sample: the one that models learn from, and the one that they have never seen. */
export const sampleKinds = ['ni-ysz', 'battery'] as const
export type SampleKind = (typeof sampleKinds)[number]

const recipes: Record<SampleKind, SampleRecipe> = { 'ni-ysz': niYsz, battery }

export interface SampleOptions extends JobOptions {
  kind: SampleKind
  shape: Shape3
  seed: number
  /** Folder to write. */
  out: string
  /** Goes on with what an interrupted run left behind; a finished sample stays as it is. */
  resume?: boolean
}

export interface SampleResult {
  kind: SampleKind
  /** Always true: nothing here was measured. */
  synthetic: true
  out: string
  /** Folders of grey and label slices, and the files that describe them. */
  images: string
  labels: string
  materialsFile: string
  record: string
  shape: Shape3
  voxelSize: VoxelSize
  seed: number
  /** Voxels and share of the volume per material. */
  materials: { value: number; name: string; voxels: number; fraction: number }[]
  seconds: number
}

/** Smallest slice in which the slow faults make sense, and the largest that fits comfortably into memory. */
const smallestEdge = 16
const largestEdge = 8192
const largestDepth = 100_000

const notice =
  'SYNTHETIC: computed by a random process, not measured. Do not publish or quantify as if it were a scan of a material.'

/**
 * Writes a synthetic tomogram with its ground truth: `images/*.tif` (16 bit), `labels/*.tif` (every voxel labelled),
 * `materials.json` and `sample.json`. File names, image descriptions and `sample.json` say that it is synthetic.
 *
 * Slice by slice: memory does not grow with depth. Same kind, shape and seed: same voxels.
 *
 * Throws `WrongUsage` on an impossible shape or seed or when a resumed sample was begun with others, `OutputExists`,
 * `NotWritable`, `NoSpace`, `Cancelled` (then `resume` goes on).
 */
export async function generateSample(options: SampleOptions): Promise<SampleResult> {
  const { kind, shape, seed, out, resume = false, signal, onProgress } = options
  requireShape(shape, seed)
  throwIfCancelled(signal)
  await checkOutput({ output: out, inputs: [], resume, kind: 'run' })
  const started = performance.now()
  const recipe = recipes[kind]
  const [depth, height, width] = shape
  const places = {
    images: path.join(out, 'images'),
    labels: path.join(out, 'labels'),
    materialsFile: path.join(out, 'materials.json'),
    record: path.join(out, 'sample.json'),
  }
  await makeFolder(out)
  const header = describe(options, recipe)
  if (resume) await requireSameSample(places.record, header)
  // Before any voxel: a folder that was left unfinished says what it is, too.
  await writeJson(places.record, { ...header, complete: false })
  await writeJson(places.materialsFile, recipe.materials)

  const structure = recipe.createStructure({ seed, height, width })
  const imaging = createImaging(recipe.faults, { seed, height, width })
  const voxels = recipe.materials.map(() => 0)
  const writers: VolumeWriter[] = []
  try {
    const common = {
      format: 'tiff-stack' as const,
      shape,
      voxelSize: recipe.voxelSize,
      sliceNames: sliceNames(kind, depth),
      description: ['synthetic=true', notice, `kind=${kind} seed=${seed}`],
      resume,
    }
    const images = await openVolumeWriter({ ...common, path: places.images, dtype: 'uint16' })
    writers.push(images)
    const labels = await openVolumeWriter({
      ...common,
      path: places.labels,
      dtype: 'uint8',
      colourTable: recipe.materials,
      unlabelledValue: null,
    })
    writers.push(labels)
    for (let slice = 0; slice < depth; slice++) {
      throwIfCancelled(signal)
      const materials = structure.materialsAt(slice)
      for (const material of materials) voxels[material]++
      if (slice >= labels.nextSlice) await labels.writeSlice(slice, toValues(materials, recipe.materials))
      if (slice >= images.nextSlice) await images.writeSlice(slice, imaging.record(slice, structure))
      onProgress?.(progressOf(slice + 1, depth, started))
    }
    for (const writer of writers) await writer.close()
  } finally {
    // After a regular end this does nothing.
    await Promise.all(writers.map((writer) => writer.abort()))
  }
  const all = depth * height * width
  const materials = recipe.materials.map(({ value, name }, index) => ({
    value,
    name,
    voxels: voxels[index],
    fraction: voxels[index] / all,
  }))
  await writeJson(places.record, { ...header, complete: true, materials })
  const seconds = (performance.now() - started) / 1000
  const { voxelSize } = recipe
  return { kind, synthetic: true, out, ...places, shape, voxelSize, seed, materials, seconds }
}

function requireShape(shape: Shape3, seed: number): void {
  const [depth, height, width] = shape
  const fits =
    shape.every((edge) => Number.isInteger(edge)) &&
    depth >= 1 &&
    depth <= largestDepth &&
    [height, width].every((edge) => edge >= smallestEdge && edge <= largestEdge)
  if (!fits)
    throw new PhasemarkError(
      'WrongUsage',
      `--shape: expected z,y,x with 1 to ${largestDepth} slices and edges of ${smallestEdge} to ${largestEdge} voxels, ` +
        `found ${shape.join(',')}`,
      { argument: '--shape' },
    )
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff)
    throw new PhasemarkError(
      'WrongUsage',
      `--seed: expected an integer from 0 to 4294967295, found ${seed}`,
      {
        argument: '--seed',
      },
    )
}

/** `synthetic-ni-ysz_0007`: nobody shall take a slice that lies about alone for a measured one. */
function sliceNames(kind: SampleKind, depth: number): string[] {
  const digits = Math.max(4, String(depth - 1).length)
  return Array.from(
    { length: depth },
    (_, slice) => `synthetic-${kind}_${String(slice).padStart(digits, '0')}`,
  )
}

function toValues(materials: Uint8Array, listed: readonly ListedMaterial[]): Uint8Array {
  const values = listed.map(({ value }) => value)
  return materials.map((material) => values[material])
}

/** What `sample.json` says from the start on. */
function describe({ kind, shape, seed }: SampleOptions, recipe: SampleRecipe): Record<string, unknown> {
  const { title, voxelSize, grey, faults, structure } = recipe
  return {
    synthetic: true,
    notice,
    kind,
    title,
    generator: `phasemark ${packageVersion()}`,
    seed,
    shape,
    voxelSize,
    unlabelled: null,
    recipe: { grey, faults, structure },
  }
}

const recordSchema = z.looseObject({ complete: z.boolean() })

/** Throws `WrongUsage` when the folder was begun with other settings; nothing there is fine. */
async function requireSameSample(record: string, header: Record<string, unknown>): Promise<void> {
  let text
  try {
    text = await readFile(record, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return
    throw badInput(record, 'a readable file', String(error), { cause: error })
  }
  let found
  try {
    found = recordSchema.parse(JSON.parse(text))
  } catch (error) {
    throw badInput(record, 'the record of a sample', 'something else', { cause: error })
  }
  const changed = Object.keys(header).find(
    (key) => JSON.stringify(found[key]) !== JSON.stringify(header[key]),
  )
  if (changed !== undefined)
    throw new PhasemarkError(
      'WrongUsage',
      `--resume: ${record} was begun with other settings: expected ${changed} ${JSON.stringify(header[changed])}, ` +
        `found ${JSON.stringify(found[changed])}`,
      { argument: '--resume' },
    )
}

function progressOf(done: number, total: number, started: number) {
  const elapsed = (performance.now() - started) / 1000
  return {
    stage: 'generating',
    done,
    total,
    unit: 'slices',
    etaSeconds: (elapsed / done) * (total - done),
  }
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`)
}

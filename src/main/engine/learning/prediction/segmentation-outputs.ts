import path from 'node:path'
import type { Material } from '../../../../shared/materials.ts'
import { createTypedArray, type Dtype, type VolumeMeta } from '../../../../shared/volume.ts'
import { makeFolder } from '../../files/atomic-file.ts'
import { openVolumeWriter, type OutputFormat, type VolumeWriter } from '../../output/volume-writer.ts'
import type { SliceResult } from './slice-predictor.ts'

export interface OutputOptions {
  out: string
  format: OutputFormat
  meta: VolumeMeta
  first: number
  last: number
  materials: readonly Material[]
  /** Fingerprint of the model, for the image description. */
  model: string
  probabilities: boolean
  uncertainty: boolean
  resume: boolean
}

/** The volumes that a segmentation writes side by side. */
export interface SegmentationOutputs {
  /** Position (from 0 in the output) of the first slice that is not yet complete in all of them. */
  readonly nextSlice: number
  readonly probabilityPaths: string[]
  readonly uncertaintyPath: string | null
  write(index: number, result: SliceResult): Promise<void>
  close(): Promise<void>
  abort(): Promise<void>
}

/** Where a segmentation puts what was asked for beside the labels; `null` for what was not. */
export function placesBeside({
  out,
  format,
  probabilities,
  uncertainty,
}: Pick<OutputOptions, 'out' | 'format' | 'probabilities' | 'uncertainty'>): {
  probabilityFolder: string | null
  uncertaintyPath: string | null
} {
  const beside = format === 'bigtiff' ? out.replace(/\.tiff?$/i, '') : out.replace(/[\\/]+$/, '')
  return {
    probabilityFolder: probabilities ? `${beside}-probabilities` : null,
    uncertaintyPath: uncertainty ? `${beside}-uncertainty${fileEnding(format)}` : null,
  }
}

function fileEnding(format: OutputFormat): string {
  return format === 'bigtiff' ? '.tif' : ''
}

/** Opens the writers of a segmentation: labels with the values of the training labels, and what else was asked for. */
export async function openSegmentationOutputs(options: OutputOptions): Promise<SegmentationOutputs> {
  const { meta, first, last, materials, format, out } = options
  const common = {
    format,
    shape: [last - first + 1, meta.shape[1], meta.shape[2]] as const,
    voxelSize: meta.voxelSize,
    sliceNames: meta.sliceNames.slice(first, last + 1),
    description: [`phasemark model ${options.model.slice(0, 16)}`],
    resume: options.resume,
  }
  const dtype = labelDtype(materials)
  const opened: VolumeWriter[] = []
  const open = async (writerOptions: Parameters<typeof openVolumeWriter>[0]) => {
    const writer = await openVolumeWriter(writerOptions)
    opened.push(writer)
    return writer
  }
  try {
    const labels = await open({ ...common, path: out, dtype, colourTable: materials })
    const { probabilityFolder, uncertaintyPath } = placesBeside(options)
    const probabilityPaths: string[] = []
    const probabilities: VolumeWriter[] = []
    if (probabilityFolder !== null) {
      await makeFolder(probabilityFolder)
      for (const { value } of materials) {
        const target = path.join(probabilityFolder, `material-${value}${fileEnding(format)}`)
        probabilityPaths.push(target)
        probabilities.push(await open({ ...common, path: target, dtype: 'float32' }))
      }
    }
    const uncertainty =
      uncertaintyPath === null ? null : await open({ ...common, path: uncertaintyPath, dtype: 'float32' })

    const values = materials.map((material) => material.value)
    const put = async (
      writer: VolumeWriter,
      index: number,
      make: () => ReturnType<typeof createTypedArray>,
    ) => {
      // After a kill some volumes may be a slice ahead of others.
      if (index >= writer.nextSlice) await writer.writeSlice(index, make())
    }
    return {
      nextSlice: Math.min(...opened.map((writer) => writer.nextSlice)),
      probabilityPaths,
      uncertaintyPath,
      write: async (index, result) => {
        await put(labels, index, () => toFileValues(result.materials, values, dtype))
        for (const [k, writer] of probabilities.entries()) {
          await put(writer, index, () => oneMaterial(result.probabilities!, k, values.length))
        }
        if (uncertainty !== null)
          await put(uncertainty, index, () => entropy(result.probabilities!, values.length))
      },
      close: async () => {
        // The labels come last: where they have their name, everything beside them is complete too.
        for (const writer of opened.toReversed()) await writer.close()
      },
      abort: async () => {
        await Promise.allSettled(opened.map((writer) => writer.abort()))
      },
    }
  } catch (error) {
    await Promise.allSettled(opened.map((writer) => writer.abort()))
    throw error
  }
}

/** The smallest type that holds all label values. */
function labelDtype(materials: readonly Material[]): Dtype {
  const values = materials.map(({ value }) => value)
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (low < 0) return 'int32'
  if (high <= 255) return 'uint8'
  return high <= 65_535 ? 'uint16' : 'uint32'
}

function toFileValues(materials: Uint8Array, values: readonly number[], dtype: Dtype) {
  const target = createTypedArray(dtype, materials.length)
  for (let i = 0; i < materials.length; i++) target[i] = values[materials[i] - 1]
  return target
}

function oneMaterial(probabilities: Float32Array, material: number, count: number): Float32Array {
  const target = new Float32Array(probabilities.length / count)
  for (let i = 0; i < target.length; i++) target[i] = probabilities[i * count + material]
  return target
}

/** Shannon entropy of the probabilities over its largest value: 0 is certain, 1 is no idea. */
function entropy(probabilities: Float32Array, count: number): Float32Array {
  const target = new Float32Array(probabilities.length / count)
  const scale = 1 / Math.log(count)
  for (let i = 0; i < target.length; i++) {
    let sum = 0
    for (let k = i * count; k < (i + 1) * count; k++) {
      const p = probabilities[k]
      if (p > 0) sum -= p * Math.log(p)
    }
    target[i] = sum * scale
  }
  return target
}

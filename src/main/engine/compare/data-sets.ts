import { readFile } from 'node:fs/promises'
import type { Material } from '../../../shared/materials.ts'
import { maxMaterials, numberMaterials, type ListedMaterial } from '../../../shared/materials.ts'
import {
  isNamed,
  mapMaterials,
  materialMapSchema,
  type MappedMaterial,
  type MaterialMap,
} from '../../../shared/comparison/material-map.ts'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import type { LabelSet, LabelSource } from '../labels/label-source.ts'
import { openLabels } from '../labels/open-labels.ts'
import type { Normalisation } from '../learning/normalisation.ts'
import { withCache } from '../volume/cached-source.ts'
import type { OpenVolumeOptions } from '../volume/open-volume.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import { volumeStatistics } from '../volume/volume-statistics.ts'
import { openVolumeInThread } from '../volume/volume-thread.ts'
import { statesSynthetic } from './synthetic.ts'
import { z } from 'zod'

/** One volume and its labels, as given. */
export interface DataInput {
  volume: string
  labels: string
}

export interface OpenDataSetOptions extends JobOptions {
  kind: 'seen' | 'unseen'
  inputs: readonly DataInput[]
  open: Omit<OpenVolumeOptions, 'signal'>
  labels: { unlabelled?: number | 'none'; materialsPath?: string }
  /** Materials of the models. */
  models: readonly Material[]
  /** Only for the unseen set. */
  map: { path: string; entries: MaterialMap } | null
}

/** A volume of a data set with everything that scoring and predicting need. */
export interface OpenDataVolume {
  /** Name of its folder among the segmentations: `seen`, or `seen-2` when there are several. */
  id: string
  input: DataInput
  source: VolumeSource
  labels: LabelSource
  normalisation: Normalisation
}

/** Volumes under one table of materials. */
export interface OpenDataSet {
  kind: 'seen' | 'unseen'
  volumes: OpenDataVolume[]
  unlabelled: LabelSet['unlabelled']
  synthetic: boolean
  /** What is scored: those of the truth, or those of the models that the map leads to. */
  materials: Material[]
  /** Index in the labels → index in `materials`, 0 = not scored; entry 0 is the unlabelled one. */
  indexOf: Uint8Array
  /** `null` when the truth is scored as it is. */
  mapping: { from: 'file' | 'names-and-values'; entries: MappedMaterial[] } | null
  /** Whether the mapped truth holds other values than the truth. */
  isRemapped: boolean
  warnings: VolumeWarning[]
  close(): Promise<void>
}

/** Slices kept for the neighbours of a 2.5D network and for pictures. */
const cachedSlices = 8

/**
 * Opens volumes, labels and grey ranges of a data set. The caller closes.
 * Throws `BadInput`, `NotFound`, `Cancelled` as the readers do, and `BadInput` on a material map that does not fit.
 */
export async function openDataSet(options: OpenDataSetOptions): Promise<OpenDataSet> {
  const { kind, inputs, signal } = options
  const sources: VolumeSource[] = []
  let labels: LabelSet | null = null
  const close = async () => {
    await Promise.all([...sources, ...(labels?.sources ?? [])].map((source) => source.close()))
  }
  try {
    for (const { volume } of inputs) {
      const opened = await openVolumeInThread(volume, {
        ...options.open,
        ...(signal === undefined ? {} : { signal }),
      })
      const sliceBytes = opened.meta.bytes / opened.meta.shape[0]
      sources.push(withCache(opened, { cacheBytes: sliceBytes * cachedSlices }))
    }
    labels = await openLabels(
      inputs.map((input, index) => ({ path: input.labels, volume: sources[index].meta })),
      { ...options.labels, ...jobOf(options) },
    )
    const { sources: labelSources } = labels
    const warnings: VolumeWarning[] = labelSources.flatMap((source) => source.warnings)
    const volumes: OpenDataVolume[] = []
    let synthetic = false
    for (const [index, input] of inputs.entries()) {
      const source = sources[index]
      const statistics = await volumeStatistics(source, jobOf(options))
      warnings.push(...source.meta.warnings, ...statistics.warnings)
      synthetic ||= (await statesSynthetic(input.volume)) || (await statesSynthetic(input.labels))
      volumes.push({
        id: inputs.length === 1 ? kind : `${kind}-${index + 1}`,
        input,
        source,
        labels: labelSources[index],
        normalisation: { method: 'percentile', low: statistics.low, high: statistics.high },
      })
    }
    return {
      kind,
      volumes,
      unlabelled: labels.unlabelled,
      synthetic,
      ...materialsOf(labels.materials, options),
      warnings,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function materialsOf(
  truth: readonly Material[],
  { kind, models, map, inputs }: OpenDataSetOptions,
): Pick<OpenDataSet, 'materials' | 'indexOf' | 'mapping' | 'isRemapped'> {
  if (kind === 'seen') {
    return {
      materials: nameByModels(truth, models),
      indexOf: Uint8Array.from({ length: truth.length + 1 }, (_, index) => index),
      mapping: null,
      isRemapped: false,
    }
  }
  const entries = mapMaterials(map?.entries ?? null, map?.path ?? inputs[0].labels, truth, models)
  const targets = new Map<number, ListedMaterial>()
  for (const { source, target } of entries) {
    if (target === null) continue
    // Plain numbers on the models' side get the name that the truth has for them.
    const name = isNamed(target) || !isNamed(source) ? target.name : source.name
    if (!targets.has(target.value))
      targets.set(target.value, { value: target.value, name, colour: target.colour })
  }
  const materials = numberMaterials([...targets.values()])
  const indexOf = new Uint8Array(maxMaterials + 1)
  for (const { source, target } of entries)
    indexOf[source.index] = materials.find(({ value }) => value === target?.value)?.index ?? 0
  return {
    materials,
    indexOf,
    mapping: { from: map === null ? 'names-and-values' : 'file', entries },
    isRemapped: entries.some(({ source, target }) => source.value !== target?.value),
  }
}

/** Truth without names takes those that the models learned for its values, as `evaluate` does. */
function nameByModels(truth: readonly Material[], models: readonly Material[]): Material[] {
  const taken = new Set(truth.map(({ name }) => name))
  return truth.map((material) => {
    const known = models.find(({ value }) => value === material.value)
    if (known === undefined || isNamed(material) || taken.has(known.name)) return material
    return { ...material, name: known.name, colour: known.colour }
  })
}

/** Materials of both models, one per file value; names that differ for the same value are a warning. */
export function joinMaterials(
  a: readonly Material[],
  b: readonly Material[],
): { materials: Material[]; warnings: VolumeWarning[] } {
  const warnings: VolumeWarning[] = []
  const joined = [...a]
  for (const material of b) {
    const known = a.find(({ value }) => value === material.value)
    if (known === undefined) joined.push(material)
    else if (known.name !== material.name && isNamed(known) && isNamed(material))
      warnings.push({
        kind: 'other',
        message: `the label value ${material.value} is "${known.name}" to A and "${material.name}" to B; they are compared as one material`,
      })
  }
  const missing = (from: readonly Material[], other: readonly Material[]) =>
    other.filter(({ value }) => !from.some((material) => material.value === value))
  for (const [letter, lacking] of [
    ['A', missing(a, b)],
    ['B', missing(b, a)],
  ] as const)
    if (lacking.length > 0)
      warnings.push({
        kind: 'other',
        message: `${letter} never learned ${lacking.map(({ name }) => `"${name}"`).join(', ')}, which the other model knows`,
      })
  return { materials: joined.sort((one, two) => one.value - two.value), warnings }
}

/** Reads `--material-map`. Throws `NotFound`, `BadInput`. */
export async function readMaterialMap(file: string): Promise<{ path: string; entries: MaterialMap }> {
  const expected = 'JSON such as {"graphite": "active material", "separator": null}'
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new PhasemarkError(
      'NotFound',
      `${file}: expected a material map, found none`,
      { path: file },
      { cause },
    )
  }
  let json: unknown
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw badInput(file, expected, 'text that is not JSON', { cause })
  }
  const parsed = materialMapSchema.safeParse(json)
  if (parsed.success) return { path: file, entries: parsed.data }
  throw badInput(file, expected, z.prettifyError(parsed.error).replace(/\s*\n\s*/g, ' '))
}

function jobOf({ signal, onProgress }: JobOptions): JobOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  }
}

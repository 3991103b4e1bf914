import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import {
  defaultName,
  maxMaterials,
  numberMaterials,
  unlabelledIndex,
  type ListedMaterial,
  type Material,
} from '../../../shared/materials.ts'
import type { VolumeWarning } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import { placeOf, type LabelFile } from './label-file.ts'
import { readMaterials } from './label-metadata.ts'
import type { LabelSet } from './label-source.ts'
import { countValues, tooManyValues, type ValueCounts } from './label-values.ts'
import { listNames } from './pair-slices.ts'
import { readInOrder, readsAhead } from './read-in-order.ts'

/** How label values are to be understood. */
export interface ResolveOptions extends JobOptions {
  /** File value that means unlabelled, or `none`: every value is a material. Default: what the files say, else none. */
  unlabelled?: number | 'none'
  /** JSON list of `{ value, name, colour }` that fixes the materials and overrules what the files say. */
  materialsPath?: string
}

/** Unnamed materials beyond this number are rather the grey values of an image given by mistake. */
const plausibleMaterials = 32

/** Values that label tools use for voxels nobody has labelled, and the share from which they are suspected to mean that. */
const usualUnlabelledValues = [0, 255]
const suspiciousShare = 0.9

/** What the values in a set of label files mean, and how often each occurs. */
export interface ResolvedLabels {
  materials: Material[]
  unlabelled: LabelSet['unlabelled']
  /** Per file, per label slice in file order. */
  counts: ValueCounts[][]
  /** File value → index; the unlabelled value maps to 0. */
  indexOf: ReadonlyMap<number, number>
  /** Per file. */
  warnings: VolumeWarning[][]
}

/**
 * Reads every slice of the files once and settles unlabelled value and materials: the options first, then what the files
 * say, then every value that occurs.
 * Throws `BadInput` on a slice that holds no labels (fractions, too many values), on a value that no listed material has,
 * and on files that contradict each other.
 */
export async function resolveLabels(
  files: readonly LabelFile[],
  options: ResolveOptions = {},
): Promise<ResolvedLabels> {
  throwIfCancelled(options.signal)
  const { unlabelled, warnings } = settleUnlabelled(files, options.unlabelled)
  const listed = options.materialsPath === undefined ? null : await readMaterials(options.materialsPath)
  const clash = listed?.find((material) => material.value === unlabelled.value)
  if (clash !== undefined)
    throw badInput(
      options.materialsPath!,
      `materials other than the unlabelled value ${clash.value} (to make it a material, say so: --unlabelled none)`,
      `the material "${clash.name}" with that value`,
    )

  const occurring = new Set<number>()
  const counts: ValueCounts[][] = []
  const total = files.reduce((sum, { file }) => sum + file.meta.shape[0], 0)
  let done = 0
  for (const [index, labelFile] of files.entries()) {
    warnings[index].push(...(labelFile.warnings ?? []))
    const known = listed ?? labelFile.stated?.metadata.materials ?? null
    const allowed = known === null ? null : new Set(known.map(({ value }) => value))
    const list = listed === null ? labelFile.stated?.path : options.materialsPath
    const perSlice: ValueCounts[] = []
    const inFile = new Set<number>()
    const { file } = labelFile
    const sliceBytes = file.meta.bytes / file.meta.shape[0]
    const slices = readInOrder(file.meta.shape[0], readsAhead(sliceBytes), (z) =>
      file.readSlice(z, options.signal === undefined ? {} : { signal: options.signal }),
    )
    for await (const slice of slices) {
      throwIfCancelled(options.signal)
      const place = placeOf(file.meta, perSlice.length)
      const found = countValues(slice, place)
      for (const value of found.values) {
        if (value === unlabelled.value) continue
        if (allowed !== null && !allowed.has(value))
          throw badInput(
            place,
            `label values listed in ${list ?? 'the materials'} (${listNames([...allowed].sort((a, b) => a - b))})`,
            `the value ${value}, which no material has`,
          )
        occurring.add(value)
        inFile.add(value)
      }
      if (occurring.size > maxMaterials) throw tooManyValues(place, occurring.size)
      perSlice.push(found)
      options.onProgress?.({ stage: 'reading labels', done: ++done, total, unit: 'slices' })
    }
    counts.push(perSlice)
    if (allowed === null && unlabelled.from === 'default')
      warnings[index].push(...suspectedUnlabelled(labelFile.path, perSlice))
    if (allowed === null && inFile.size > plausibleMaterials)
      warnings[index].push({
        kind: 'other',
        message: `${labelFile.path} holds ${inFile.size} different values, each taken for a material: is this a grey image?`,
      })
  }
  const materials = numberMaterials(listed ?? mergeMaterials(files, occurring, unlabelled.value))
  if (materials.length > maxMaterials)
    throw tooManyValues(files.map(({ path }) => path).join(', '), materials.length)
  const indexOf = new Map(materials.map(({ value, index }) => [value, index]))
  if (unlabelled.value !== null) indexOf.set(unlabelled.value, unlabelledIndex)
  return { materials, unlabelled, counts, indexOf, warnings }
}

function settleUnlabelled(
  files: readonly LabelFile[],
  option: number | 'none' | undefined,
): Pick<ResolvedLabels, 'unlabelled' | 'warnings'> {
  const none = files.map((): VolumeWarning[] => [])
  if (option !== undefined)
    return { unlabelled: { value: option === 'none' ? null : option, from: 'option' }, warnings: none }
  const stating = files.flatMap(({ stated }) =>
    stated?.metadata.unlabelled === undefined
      ? []
      : [{ path: stated.path, value: stated.metadata.unlabelled }],
  )
  const first = stating.at(0)
  if (first === undefined) return { unlabelled: { value: null, from: 'default' }, warnings: none }
  const other = stating.find(({ value }) => value !== first.value)
  if (other !== undefined)
    throw badInput(
      other.path,
      `the unlabelled value of ${first.path} (${first.value ?? 'none'}), or --unlabelled to settle it for all`,
      String(other.value ?? 'none'),
    )
  const warnings = files.map(({ path, stated }): VolumeWarning[] => {
    if (stated?.metadata.unlabelled !== undefined || first.value === null) return []
    const message = `${path} does not say which value is unlabelled; ${first.value} is taken from ${first.path}`
    return [{ kind: 'other', message }]
  })
  return { unlabelled: { value: first.value, from: 'file' }, warnings }
}

/**
 * Scribbles on a background of 0 or 255 train a network that sees that background everywhere, and nothing fails: so ask.
 */
function suspectedUnlabelled(path: string, slices: readonly ValueCounts[]): VolumeWarning[] {
  let all = 0
  const covered = new Map(usualUnlabelledValues.map((value) => [value, 0]))
  for (const { values, counts } of slices)
    for (const [i, value] of values.entries()) {
      all += counts[i]
      const before = covered.get(value)
      if (before !== undefined) covered.set(value, before + counts[i])
    }
  return [...covered]
    .filter(([, voxels]) => voxels > suspiciousShare * all && voxels < all)
    .map(([value, voxels]) => ({
      kind: 'other',
      message: `${path}: the value ${value} covers ${((100 * voxels) / all).toFixed(1)} % and is taken for a material; if it means unlabelled, say --unlabelled ${value}`,
    }))
}

/** Union of the materials that the files list and of the values that occur. */
function mergeMaterials(
  files: readonly LabelFile[],
  occurring: ReadonlySet<number>,
  unlabelled: number | null,
): ListedMaterial[] {
  const merged = new Map<number, { material: ListedMaterial; path: string }>()
  const valueOfName = new Map<string, { value: number; path: string }>()
  for (const { stated } of files) {
    for (const material of stated?.metadata.materials ?? []) {
      // Only `--unlabelled` can name a value that the file lists as a material; then the option wins.
      if (stated === null || material.value === unlabelled) continue
      const before = merged.get(material.value)
      if (before !== undefined && before.material.name !== material.name)
        throw badInput(
          stated.path,
          `the value ${material.value} to be "${before.material.name}" as in ${before.path} (or --materials to settle it for all)`,
          `"${material.name}"`,
        )
      const named = valueOfName.get(material.name)
      if (named !== undefined && named.value !== material.value)
        throw badInput(
          stated.path,
          `"${material.name}" to have the value ${named.value} as in ${named.path} (or --materials to settle it for all)`,
          String(material.value),
        )
      valueOfName.set(material.name, { value: material.value, path: stated.path })
      if (before === undefined) merged.set(material.value, { material, path: stated.path })
    }
  }
  for (const value of occurring)
    if (!merged.has(value)) merged.set(value, { material: { value, name: defaultName(value) }, path: '' })
  return [...merged.values()].map(({ material }) => material)
}

import type { Material } from '../../../shared/materials.ts'
import { defaultName } from '../../../shared/materials.ts'
import type { TalliedScores } from '../../../shared/metrics/evaluation-tally.ts'
import {
  micrometresPerUnit,
  type TypedArray,
  type VolumeWarning,
  type VoxelSize,
} from '../../../shared/volume.ts'
import { listNames } from '../labels/pair-slices.ts'
import type { OpenPair } from './open-pairs.ts'

/** Below this number of slices, percentile intervals are noticeably too narrow. */
const fewSlices = 10

/** Edges that differ by less are the same edge, written with another number of digits. */
const relativeTolerance = 1e-4

/** Different values that a warning lists; more are counted as others. */
const maxListedValues = 16

/**
 * Gives materials that the truth leaves unnamed the name and colour that the predictions state for their value: a
 * segmentation remembers them from its training labels, while plain ground truth has numbers only.
 */
export function nameMaterials(
  materials: readonly Material[],
  pairs: readonly OpenPair[],
  areFixed: boolean,
): Material[] {
  if (areFixed) return [...materials]
  const stated = pairs.flatMap(({ predicted }) => predicted.stated?.metadata.materials ?? [])
  const taken = new Set(materials.map(({ name }) => name))
  return materials.map((material) => {
    const named = stated.find(({ value }) => value === material.value)
    const isUnnamed = material.name === defaultName(material.value)
    if (named === undefined || !isUnnamed || taken.has(named.name)) return material
    return { ...material, name: named.name, colour: (named.colour ?? material.colour).toLowerCase() }
  })
}

/** Collects what was predicted on labelled voxels that is no material of the truth. */
export class OutsideValues {
  private readonly voxels = new Map<number, number>()
  private others = 0

  /** @param truth indices; @param predicted indices, 0 = outside; @param values what the file holds; all kept */
  add(truth: Uint8Array, predicted: Uint8Array, values: TypedArray): void {
    for (let i = 0; i < truth.length; i++) {
      if (predicted[i] !== 0 || truth[i] === 0) continue
      const value = values[i]
      const count = this.voxels.get(value)
      if (count === undefined && this.voxels.size >= maxListedValues) this.others++
      else this.voxels.set(value, (count ?? 0) + 1)
    }
  }

  warnings(): VolumeWarning[] {
    if (this.voxels.size === 0) return []
    const listed = [...this.voxels]
      .sort(([a], [b]) => a - b)
      .map(([value, count]) => `${value} (${count} ${count === 1 ? 'voxel' : 'voxels'})`)
    const others = this.others > 0 ? `, and others (${this.others} voxels)` : ''
    return [
      {
        kind: 'other',
        message: `predicted values that no material of the truth has count as errors: ${listed.join(', ')}${others}`,
      },
    ]
  }
}

/** Edge of a voxel within the slice in µm, the same for all pairs and for y and x; `um` is `null` when there is none. */
export function pixelSize(
  pairs: readonly OpenPair[],
  given: VoxelSize | undefined,
): { um: number | null; warnings: VolumeWarning[] } {
  const sizes: { path: string; size: VoxelSize | null }[] =
    given === undefined
      ? pairs.map(({ truth, predicted }) =>
          truth.file.meta.voxelSize === null
            ? { path: predicted.path, size: predicted.file.meta.voxelSize }
            : { path: truth.path, size: truth.file.meta.voxelSize },
        )
      : [{ path: '--voxel-size', size: given }]
  const edges: { path: string; um: number | null }[] = sizes.flatMap(({ path, size }) => [
    { path, um: inMicrometres(size?.y ?? null, size) },
    { path, um: inMicrometres(size?.x ?? null, size) },
  ])
  const first = edges.at(0)?.um ?? null
  if (edges.every(({ um }) => um === null)) return { um: null, warnings: [] }
  const other = edges.find(({ um }) => um === null || first === null || !isSameEdge(um, first))
  if (other === undefined) return { um: first, warnings: [] }
  const message = `surface distances are given in voxels only: the voxel size differs between y and x or between volumes (${[
    ...new Set(edges.map(({ path, um }) => `${path}: ${um === null ? 'unknown' : `${um} µm`}`)),
  ].join('; ')})`
  return { um: null, warnings: [{ kind: 'other', message }] }
}

function inMicrometres(edge: number | null, size: VoxelSize | null): number | null {
  return edge === null || size === null ? null : edge * micrometresPerUnit[size.unit]
}

function isSameEdge(a: number, b: number): boolean {
  return Math.abs(a - b) <= relativeTolerance * Math.max(a, b)
}

/** What a reader of the scores should know about the data they rest on. */
export function evaluationWarnings(scores: TalliedScores, partlyUnlabelled: boolean): VolumeWarning[] {
  const messages: string[] = []
  const absent = scores.perMaterial.filter(({ support }) => support === 0).map(({ name }) => name)
  if (absent.length > 0)
    messages.push(
      `not in the truth of the scored slices, so without F1 and left out of the means: ${listNames(absent)}`,
    )
  if (partlyUnlabelled)
    messages.push(
      'the truth is partly unlabelled: surface distances are upper bounds, and volume fractions are those of the labelled voxels',
    )
  const { slices } = scores.confidence
  if (slices < 2) messages.push('one slice only: no confidence intervals')
  else if (slices < fewSlices)
    messages.push(`${slices} slices only: confidence intervals are rough and rather too narrow`)
  return messages.map((message) => ({ kind: 'other', message }))
}

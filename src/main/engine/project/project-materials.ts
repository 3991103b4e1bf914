import { z } from 'zod'
import type { ProjectMaterial } from '../../../shared/contract/projects.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import { defaultColour, maxMaterials, materialSchema } from '../../../shared/materials.ts'
import type { StoredMaterial } from './project-schema.ts'

/**
 * The list of materials of a project and what may happen to it. Voxels hold indices: an index is given once and never again,
 * also not after its material was removed. All functions return a new list. `place` is the project, for messages.
 */

/** A material as an import asks for it. */
export interface WantedMaterial {
  value: number
  name: string
  colour?: string
}

/** Adds a material with the next index, the smallest value from 1 that is free, and the next colour. Throws `BadInput`. */
export function addMaterial(
  place: string,
  materials: readonly StoredMaterial[],
  { name, colour }: { name: string; colour?: string | undefined },
): { materials: StoredMaterial[]; added: StoredMaterial } {
  requireFreeName(place, materials, name, null)
  const taken = new Set(materials.map(({ value }) => value))
  let value = 1
  while (taken.has(value)) value++
  const added = createMaterial(place, materials, { value, name, ...(colour === undefined ? {} : { colour }) })
  return { materials: [...materials, added], added }
}

/**
 * For imports: finds each wanted material by its value and adds what is missing. One that was removed comes back, because its
 * voxels would otherwise be unseen. A name that another material has gets its value added. Throws `BadInput` beyond 255.
 */
export function addWantedMaterials(
  place: string,
  materials: readonly StoredMaterial[],
  wanted: readonly WantedMaterial[],
): { materials: StoredMaterial[]; found: StoredMaterial[] } {
  let list = [...materials]
  for (const material of wanted) {
    const existing = list.find(({ value }) => value === material.value)
    if (existing?.removed === true)
      list = list.map((each) => (each === existing ? { ...each, removed: false } : each))
    if (existing !== undefined) continue
    const names = new Set(list.map(({ name }) => name))
    let { name } = material
    for (let attempt = 1; names.has(name); attempt++)
      name = `${material.name} (${material.value}${attempt === 1 ? '' : `, ${attempt}`})`
    list = [...list, createMaterial(place, list, { ...material, name })]
  }
  return { materials: list, found: wanted.map(({ value }) => list.find((each) => each.value === value)!) }
}

export type MaterialChange = Partial<
  Pick<ProjectMaterial, 'name' | 'colour' | 'visible' | 'locked' | 'removed' | 'value'>
>

/** Throws `NotFound` for an index that the project does not have, `BadInput` when name or value is another material's. */
export function updateMaterial(
  place: string,
  materials: readonly StoredMaterial[],
  index: number,
  change: MaterialChange,
): StoredMaterial[] {
  const current = materials.find((material) => material.index === index)
  if (current === undefined)
    throw new PhasemarkError('NotFound', `${place}: no material ${index} in this project`, { path: place })
  if (change.name !== undefined) requireFreeName(place, materials, change.name, index)
  if (change.value !== undefined) {
    const owner = materials.find((material) => material.value === change.value && material.index !== index)
    if (owner !== undefined)
      throw taken(place, `a value that no other material has`, `${change.value}, which is "${owner.name}"`)
  }
  const changed = { ...current, ...change, index }
  changed.colour = changed.colour.toLowerCase()
  return materials.map((material) => (material === current ? changed : material))
}

/** Brings materials into the order of `indices`, which must name every one once. Throws `BadInput`. */
export function orderMaterials(
  place: string,
  materials: readonly StoredMaterial[],
  indices: readonly number[],
): StoredMaterial[] {
  const byIndex = new Map(materials.map((material) => [material.index, material]))
  const isPermutation =
    indices.length === materials.length &&
    new Set(indices).size === indices.length &&
    indices.every((index) => byIndex.has(index))
  if (!isPermutation)
    throw taken(
      place,
      `each of the materials ${materials.map(({ index }) => index).join(', ')} once`,
      indices.join(', ') || 'none',
    )
  return indices.map((index) => byIndex.get(index)!)
}

/**
 * File value for voxels without a label, where labels of a project become files: 0, unless a material has it, then 255, then
 * the smallest free one. Removed materials do not count: files leave them out.
 */
export function unlabelledValueOf(materials: readonly { value: number; removed?: boolean }[]): number {
  const taken = new Set(materials.filter(({ removed }) => removed !== true).map(({ value }) => value))
  if (!taken.has(0)) return 0
  if (!taken.has(255)) return 255
  let value = 1
  while (taken.has(value)) value++
  return value
}

function createMaterial(
  place: string,
  materials: readonly StoredMaterial[],
  { value, name, colour }: WantedMaterial,
): StoredMaterial {
  const index = Math.max(0, ...materials.map((material) => material.index)) + 1
  if (index > maxMaterials)
    throw taken(place, `at most ${maxMaterials} materials, removed ones included`, 'one more')
  const material = {
    index,
    value,
    name,
    colour: (colour ?? freeColour(materials)).toLowerCase(),
    visible: true,
    locked: false,
    removed: false,
  }
  const checked = materialSchema.loose().safeParse(material)
  if (!checked.success)
    throw taken(place, 'a material with a name, a value and a colour', z.prettifyError(checked.error))
  return material
}

/** The first colour of the palette that no material has. */
function freeColour(materials: readonly StoredMaterial[]): string {
  const used = new Set(materials.map(({ colour }) => colour.toLowerCase()))
  let position = 0
  while (used.has(defaultColour(position)) && position < maxMaterials) position++
  return defaultColour(position)
}

function requireFreeName(
  place: string,
  materials: readonly StoredMaterial[],
  name: string,
  except: number | null,
): void {
  const owner = materials.find((material) => material.name === name && material.index !== except)
  if (owner === undefined) return
  const state = owner.removed ? ', which was removed and can be taken back' : ''
  throw taken(
    place,
    'a name that no other material has',
    `"${name}", which is material ${owner.index}${state}`,
  )
}

function taken(place: string, expected: string, found: string): PhasemarkError<'BadInput'> {
  return new PhasemarkError('BadInput', `Materials: expected ${expected}, found ${found}`, {
    path: place,
    expected,
    found,
  })
}

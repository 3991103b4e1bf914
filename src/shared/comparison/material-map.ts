import { z } from 'zod'
import { badInput } from '../errors.ts'
import { defaultName, type Material } from '../materials.ts'

/**
 * `--material-map`: which material of the models a material of the unseen data set is. Keys are names or file values of the
 * unseen set; values are names or file values of the models, or `null` for a material that shall not be scored.
 */
export const materialMapSchema = z.record(
  z.string().min(1).max(200),
  z.union([z.string().min(1).max(200), z.number().int(), z.null()]),
)
export type MaterialMap = z.infer<typeof materialMapSchema>

export interface MappedMaterial {
  /** Of the unseen data set. */
  source: Material
  /** Of the models; `null`: not scored. */
  target: Pick<Material, 'value' | 'name' | 'colour'> | null
  by: 'map' | 'name' | 'value'
}

/**
 * Settles for every material of an unseen data set which material of the models it is: by the map, else by the same name,
 * else by the same file value.
 *
 * @param place file of the map, or of the labels when there is none; for messages
 * @param sources materials of the unseen set
 * @param targets materials of both models, one per file value
 * Throws `BadInput` when the map names a material that there is not, leaves one out or says two things about one, and,
 * without a map, when a material has no counterpart: that needs a decision, which only the user can make.
 */
export function mapMaterials(
  map: MaterialMap | null,
  place: string,
  sources: readonly Material[],
  targets: readonly Material[],
): MappedMaterial[] {
  if (map === null) return matchMaterials(place, sources, targets)
  const said = new Map<number, MappedMaterial>()
  for (const [key, wanted] of Object.entries(map)) {
    const source = findMaterial(key, sources)
    if (source === undefined)
      throw badInput(place, `materials of the unseen labels as keys (${describe(sources)})`, `"${key}"`)
    if (said.has(source.index))
      throw badInput(place, `each material once`, `${source.name} (${source.value}) by name and by value`)
    const target = wanted === null ? null : findMaterial(wanted, targets)
    if (target === undefined)
      throw badInput(
        place,
        `materials of the models (${describe(targets)}) or null as values`,
        `${JSON.stringify(wanted)} for "${key}"`,
      )
    said.set(source.index, { source, target, by: 'map' })
  }
  const silent = sources.filter(({ index }) => !said.has(index))
  if (silent.length > 0)
    throw badInput(
      place,
      `a line for each material of the unseen labels (null where it shall not be scored)`,
      `none for ${describe(silent)}`,
    )
  if ([...said.values()].every(({ target }) => target === null))
    throw badInput(place, 'at least one material that is scored', 'null for all of them')
  return sources.map(({ index }) => said.get(index)!)
}

function matchMaterials(
  place: string,
  sources: readonly Material[],
  targets: readonly Material[],
): MappedMaterial[] {
  return sources.map((source) => {
    const named = isNamed(source) ? targets.find(({ name }) => sameName(name, source.name)) : undefined
    if (named !== undefined) return { source, target: named, by: 'name' }
    const valued = targets.find(({ value }) => value === source.value)
    // Two names that differ are two materials, whatever their values.
    const contradicts = valued !== undefined && isNamed(source) && isNamed(valued)
    if (valued === undefined || contradicts)
      throw badInput(
        place,
        `labels with the materials of the models (${describe(targets)}), or --material-map with a line such as {"${source.name}": ${JSON.stringify(targets[0]?.name ?? null)}} or {"${source.name}": null}`,
        `${source.name} (${source.value}), which ${contradicts ? `has the value of "${valued.name}"` : 'no model knows'}`,
      )
    return { source, target: valued, by: 'value' }
  })
}

function findMaterial(wanted: string | number, materials: readonly Material[]): Material | undefined {
  if (typeof wanted === 'string') {
    const named = materials.find(({ name }) => sameName(name, wanted))
    if (named !== undefined) return named
    if (!/^-?\d{1,10}$/.test(wanted)) return undefined
  }
  return materials.find(({ value }) => value === Number(wanted))
}

function sameName(a: string, b: string): boolean {
  return a.trim().toLowerCase() === b.trim().toLowerCase()
}

/** Whether somebody gave the material a name, rather than the program by its value. */
export function isNamed({ name, value }: Pick<Material, 'name' | 'value'>): boolean {
  return name !== defaultName(value)
}

function describe(materials: readonly Material[]): string {
  return materials.map(({ name, value }) => `${name} = ${value}`).join(', ')
}

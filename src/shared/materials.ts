import { z } from 'zod'

/** Inside the program, 0 means unlabelled; materials are 1…255. */
export const unlabelledIndex = 0
export const maxMaterials = 255

const valueSchema = z.number().int().min(-2147483648).max(4294967295)
const nameSchema = z
  .string()
  .trim()
  .min(1)
  .max(200)
  // Names come from files and end up in terminals and pages.
  .regex(/^\P{Cc}*$/u, 'expected a name without control characters')
const colourSchema = z.string().regex(/^#[0-9a-f]{6}$/i, 'expected a colour such as "#56b4e9"')

/**
 * A material as labels know it. `index` is ours (1…255, in order of file value); `value` is what the label files hold and
 * what segmentations are written with.
 */
export const materialSchema = z.object({
  index: z.number().int().min(1).max(maxMaterials),
  value: valueSchema,
  name: nameSchema,
  colour: colourSchema,
})
export type Material = z.infer<typeof materialSchema>

/** A material as a file lists it: the index follows from the order of values, the colour may be left to the palette. */
export const listedMaterialSchema = z.strictObject({
  value: valueSchema,
  name: nameSchema,
  colour: colourSchema.optional(),
})
export type ListedMaterial = z.infer<typeof listedMaterialSchema>

/** Materials as a file lists them; every value and every name occurs once. */
export const materialListSchema = z
  .array(listedMaterialSchema)
  .max(maxMaterials)
  .superRefine((materials, context) => {
    for (const key of ['value', 'name'] as const) {
      const seen = new Set<number | string>()
      for (const material of materials) {
        if (seen.has(material[key]))
          context.addIssue({ code: 'custom', message: `the ${key} ${material[key]} occurs twice` })
        seen.add(material[key])
      }
    }
  })

/**
 * What a label file says about itself: which file value means unlabelled (`null`: none, every voxel is labelled) and the
 * materials. A part that is missing is not stated. Unknown keys are refused: a misspelt `unlabelled` would otherwise turn
 * unlabelled voxels into a material without a word.
 */
export const labelMetadataSchema = z
  .strictObject({
    unlabelled: valueSchema.nullable().optional(),
    materials: materialListSchema.optional(),
  })
  .superRefine((metadata, context) => {
    const clash = metadata.materials?.find((material) => material.value === metadata.unlabelled)
    if (clash !== undefined)
      context.addIssue({
        code: 'custom',
        message: `the value ${clash.value} is both unlabelled and the material "${clash.name}"`,
      })
  })
export type LabelMetadata = z.infer<typeof labelMetadataSchema>

/**
 * Okabe & Ito's colours (Color Universal Design, 2008), told apart with any common type of colour vision, in an order in
 * which neighbours also differ in lightness; black gives way to a light neutral that shows on grey voxels.
 */
const palette = ['#56b4e9', '#e69f00', '#009e73', '#cc79a7', '#f0e442', '#d55e00', '#0072b2', '#e8e8e8']

/**
 * Colour of the material at `position` (0-based, in order of file value) when its files name none. From the ninth on the
 * same hues return darker; no palette of that size is safe for all eyes, so a view adds a pattern there.
 */
export function defaultColour(position: number): string {
  const base = palette[position % palette.length] ?? '#e8e8e8'
  const round = Math.floor(position / palette.length)
  // The rounds halve the range of shades again and again (van der Corput), so that early ones lie far apart.
  let shade = 0
  for (let rest = round, weight = 0.5; rest > 0; rest >>= 1, weight /= 2) shade += (rest & 1) * weight
  const brightness = 1 - 0.8 * shade
  const channels = [1, 3, 5].map((at) =>
    Math.round(Number.parseInt(base.slice(at, at + 2), 16) * brightness)
      .toString(16)
      .padStart(2, '0'),
  )
  return `#${channels.join('')}`
}

/** Name of a material when its files give none. */
export function defaultName(value: number): string {
  return `material ${value}`
}

/** Completes a list of materials: ascending by value, indices from 1, palette colours where none is given. */
export function numberMaterials(listed: readonly ListedMaterial[]): Material[] {
  return [...listed]
    .sort((a, b) => a.value - b.value)
    .map(({ value, name, colour }, position) => ({
      index: position + 1,
      value,
      name,
      colour: (colour ?? defaultColour(position)).toLowerCase(),
    }))
}

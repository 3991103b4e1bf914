import { z } from 'zod'

/** Inside the program, 0 means unlabelled; materials are 1…255. */
export const unlabelledIndex = 0
export const maxMaterials = 255

/**
 * A material as labels know it. `index` is ours (1…255, in order of file value); `value` is what the label files hold and
 * what segmentations are written with.
 */
export const materialSchema = z.object({
  index: z.number().int().min(1).max(maxMaterials),
  value: z.number().int().min(-2147483648).max(4294967295),
  name: z.string().min(1),
  colour: z.string().regex(/^#[0-9a-f]{6}$/i),
})
export type Material = z.infer<typeof materialSchema>

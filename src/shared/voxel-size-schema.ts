import { z } from 'zod'
import { lengthUnits, type VoxelSize } from './volume.ts'

/** Apart from volume.ts, because each thread that reads volumes would wait for the schema library at its start. */
export const voxelSizeSchema = z.object({
  z: z.number().positive().nullable(),
  y: z.number().positive().nullable(),
  x: z.number().positive().nullable(),
  unit: z.enum(lengthUnits),
}) satisfies z.ZodType<VoxelSize>

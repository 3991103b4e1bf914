import { z } from 'zod'
import { materialSchema } from '../../../../shared/materials.ts'
import { trainConfigSchema } from '../training/train-config.ts'

/** `run.json`: what a run is made of, enough to repeat it. Grows only; readers ignore what they do not know. */
export const runRecordSchema = z.object({
  format: z.literal('phasemark-run'),
  version: z.literal(1),
  createdAt: z.string(),
  updatedAt: z.string(),
  status: z.enum(['running', 'interrupted', 'finished']),
  config: trainConfigSchema,
  /** Length of the schedule once it is known; `null` while a time limit is still being measured. */
  totalSteps: z.number().int().nullable(),
  /** SHA-256 over the labelled slices used, see `dataFingerprint`. */
  dataFingerprint: z.string(),
  data: z.array(
    z.object({
      volume: z.string(),
      labels: z.string(),
      shape: z.tuple([z.number(), z.number(), z.number()]),
      dtype: z.string(),
      pairing: z.enum(['stem', 'position']),
      training: z.array(z.number()),
      validation: z.array(z.number()),
      gap: z.array(z.number()),
    }),
  ),
  materials: z.array(materialSchema),
  unlabelled: z.object({ value: z.number().nullable(), from: z.enum(['option', 'file', 'default']) }),
  versions: z.record(z.string(), z.string()),
  device: z.record(z.string(), z.unknown()),
})
export type RunRecord = z.infer<typeof runRecordSchema>

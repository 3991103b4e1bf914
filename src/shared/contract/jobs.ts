import { z } from 'zod'
import { method, service } from './definition.ts'

/** Long work. `start…` methods of other services answer with an id at once; everything after that is told here. */
export const jobIdSchema = z.uuid()

export const progressSchema = z.object({
  stage: z.string(),
  done: z.number(),
  total: z.number(),
  unit: z.string(),
  etaSeconds: z.number().optional(),
  readings: z.record(z.string(), z.number()).optional(),
})

export const errorDataSchema = z.object({
  _tag: z.string(),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()),
  cause: z.string().optional(),
})

export const jobStateSchema = z.enum(['waiting', 'running', 'done', 'stopped', 'failed'])

export const jobSchema = z.object({
  id: jobIdSchema,
  /** For programs: `label-import`, `label-export`, `pyramid`, `device-test`. */
  kind: z.string(),
  /** For people: `Importing labels into NMC811`. */
  title: z.string(),
  state: jobStateSchema,
  progress: progressSchema.nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  /** One sentence at the end: what was done, how fast, what was not done. Before that, what it waits for, when that is known. */
  summary: z.string().nullable(),
  error: errorDataSchema.nullable(),
  /** Shown in the background only, without a notice at its end. */
  quiet: z.boolean(),
})
export type Job = z.infer<typeof jobSchema>

export const jobsService = service({
  methods: {
    list: method(z.object({}), z.array(jobSchema)),
    cancel: method(z.object({ id: jobIdSchema }), z.object({})),
    /** Forgets an ended job. */
    dismiss: method(z.object({ id: jobIdSchema }), z.object({})),
  },
  events: { changed: jobSchema },
})

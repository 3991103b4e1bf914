import { z } from 'zod'
import { deviceInfoSchema } from '../device.ts'
import { method, service } from './definition.ts'
import { jobIdSchema } from './jobs.ts'

/** What was found out about one way to compute. */
export const deviceStateSchema = z.object({
  state: z.enum(['unknown', 'loading', 'ready', 'unavailable']),
  device: deviceInfoSchema.nullable(),
  /** Why there is none, and what to do about it. */
  problem: z.object({ message: z.string(), remedy: z.string() }).nullable(),
  /** What was looked for, in order: `NVIDIA driver`, `found, 560.35`. */
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  /** What to do to get a better device, as one sentence; `null` when there is nothing to do. */
  advice: z.string().nullable(),
  /** From the last device test on this computer; `null` when it was never run. */
  measured: z
    .object({
      at: z.iso.datetime(),
      unetVoxelsPerSecond: z.number(),
      vgg16VoxelsPerSecond: z.number(),
      selfTestSeconds: z.number(),
    })
    .nullable(),
})
export type DeviceState = z.infer<typeof deviceStateSchema>

export const deviceService = service({
  methods: {
    /** Loads the compute runtime when it is not loaded yet. */
    state: method(z.object({}), deviceStateSchema),
    /** Runs both networks on generated slices and measures them; a job. */
    startTest: method(z.object({}), z.object({ jobId: jobIdSchema })),
  },
  events: { changed: deviceStateSchema },
})

import { z } from 'zod'

/** The device that computes. Part of every result, of the status bar and of each run's provenance. */
export const deviceInfoSchema = z.object({
  kind: z.enum(['gpu', 'cpu']),
  /** Model name as the operating system or the driver gives it. */
  name: z.string().min(1),
  /** Memory that belongs to the device: of the graphics card, or of the machine within its container. `null` when unknown. */
  memoryBytes: z.number().int().positive().nullable(),
  tensorflowVersion: z.string(),
  /** Version of the package `@tensorflow/tfjs-node-gpu` whose addon is loaded. */
  addonVersion: z.string(),
  /** Why not the better device, as one clause for people; `null` when there is no better one. */
  reasonNotBetter: z.string().nullable(),
  /** Threads that one operation may use on the CPU. */
  threads: z.number().int().positive(),
})
export type DeviceInfo = z.infer<typeof deviceInfoSchema>

import { z } from 'zod'

/**
 * What a host and an engine process say to each other beside the contract. Everything that belongs to a client's connection goes
 * over that connection.
 */

/** Ends the process after it has let go of everything. */
const shutdownSchema = z.object({ phasemark: z.literal('shutdown') })

/** A new client. Electron only: the message brings one port, on which the client is served. */
const connectSchema = z.object({ phasemark: z.literal('connect') })

export const processRequestSchema = z.discriminatedUnion('phasemark', [shutdownSchema, connectSchema])
export type ProcessRequest = z.infer<typeof processRequestSchema>

/** Sent once by the process: clients may connect now. */
export const readyMessage = { phasemark: 'ready' } as const

export function isReadyMessage(message: unknown): boolean {
  return (
    typeof message === 'object' && message !== null && 'phasemark' in message && message.phasemark === 'ready'
  )
}

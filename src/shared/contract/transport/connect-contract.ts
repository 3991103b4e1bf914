import { createBirpc } from 'birpc'
import { PhasemarkError, cancelled, fromErrorData } from '../../errors.ts'
import type { CallOptions, Channel, Contract, ContractClient } from '../definition.ts'
import { createContractClient } from './contract-client.ts'
import type { Caller } from './contract-client.ts'
import { frameProblem, isAnswerFrame } from './frames.ts'
import type { ClientFunctions, ServerFunctions } from './frames.ts'

/** The calling end of a contract over one channel. It lives as long as the channel. */
export interface ContractConnection<Services extends Contract> extends Caller {
  readonly client: ContractClient<Services>
  /** Called once when the connection has ended; at once when that was before. */
  onClose(listener: (reason: string) => void): void
  /** Ends the connection: calls that run reject with `Disconnected`. */
  close(): void
}

/**
 * Connects to the process at the other end of `channel`.
 *
 * Calls reject with the error that the method threw, with `Cancelled` at once when their signal fires, and with
 * `Disconnected` when the connection ends before the answer.
 *
 * @param processName for the message and fields of `Disconnected`: `data`
 */
export function connectContract<Services extends Contract>(
  contract: Services,
  channel: Channel,
  processName: string,
): ContractConnection<Services> {
  const handlers = new Map<string, Set<(payload: unknown) => void>>()
  const pending = new Set<(error: PhasemarkError) => void>()
  let lastId = 0
  let endReason: string | null = null

  const functions: ClientFunctions = {
    event(service, name, payload) {
      // A copy, because handlers may take themselves off while they run.
      for (const handler of [...(handlers.get(`${service}.${name}`) ?? [])]) callHandler(handler, payload)
    },
  }
  const remote = createBirpc<ServerFunctions, ClientFunctions, false>(functions, {
    proxify: false,
    timeout: -1,
    post: (message) => {
      channel.post(message)
    },
    on: (receive) => {
      channel.onMessage((message) => {
        const problem = frameProblem(message, ['event'])
        if (problem === null) receive(message)
        else channel.close(`malformed frame: ${problem}`)
      })
    },
  })
  channel.onClose((reason) => {
    endReason = reason
    for (const reject of pending) reject(disconnected(processName, reason))
    remote.$close()
  })

  const caller: Caller = {
    async call(service, method, request, { signal }: CallOptions) {
      if (signal?.aborted) throw cancelled()
      if (endReason !== null) throw disconnected(processName, endReason)
      const id = ++lastId
      let giveUp: (error: PhasemarkError) => void = () => undefined
      const gaveUp = new Promise<never>((_, reject) => (giveUp = reject))
      const onAbort = (): void => {
        // A cancel that cannot be sent needs no second report: the end of the channel is told anyway.
        remote.$callEvent('cancel', id).catch(() => undefined)
        giveUp(cancelled())
      }
      pending.add(giveUp)
      signal?.addEventListener('abort', onAbort)
      try {
        const answered = remote.$call('call', { id, service, method, request }).catch((cause: unknown) => {
          throw unsendable(`${service}.${method}`, cause)
        })
        const answer: unknown = await Promise.race([answered, gaveUp])
        if (!isAnswerFrame(answer)) {
          channel.close('malformed frame: an answer without a result or an error')
          throw disconnected(processName, `its answer to ${service}.${method} cannot be read`)
        }
        if (answer.ok) return answer.result
        throw fromErrorData(answer.error)
      } finally {
        pending.delete(giveUp)
        signal?.removeEventListener('abort', onAbort)
      }
    },
    subscribe(service, event, handler) {
      const name = `${service}.${event}`
      const listening = handlers.get(name) ?? new Set()
      // Wrapped, so that the same function may be registered twice and each registration ends on its own.
      const own = (payload: unknown): void => {
        handler(payload)
      }
      handlers.set(name, listening.add(own))
      return () => {
        listening.delete(own)
        if (listening.size === 0 && handlers.get(name) === listening) handlers.delete(name)
      }
    },
  }
  return {
    ...caller,
    client: createContractClient(contract, caller),
    onClose: (listener) => {
      channel.onClose(listener)
    },
    close() {
      channel.close()
    },
  }
}

/** The process ended, or the line broke, before the answer came. */
export function disconnected(processName: string, reason: string): PhasemarkError<'Disconnected'> {
  return new PhasemarkError(
    'Disconnected',
    `the connection to the ${processName} process ended before it answered: ${reason}`,
    { process: processName },
  )
}

function unsendable(where: string, cause: unknown): PhasemarkError<'Internal'> {
  return new PhasemarkError('Internal', `the request of ${where} could not be sent`, {}, { cause })
}

/** What a handler throws is its own defect: it must neither keep the others from the event nor vanish. */
function callHandler(handler: (payload: unknown) => void, payload: unknown): void {
  try {
    handler(payload)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

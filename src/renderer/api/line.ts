import type { CallOptions, Channel, Contract } from '../../shared/contract/definition.ts'
import type { Caller } from '../../shared/contract/transport/contract-client.ts'
import { connectContract, disconnected } from '../../shared/contract/transport/connect-contract.ts'
import type { ContractConnection } from '../../shared/contract/transport/connect-contract.ts'
import { cancelled } from '../../shared/errors.ts'

/** How long a call waits for a process that is being started again. Starting takes a second or two. */
export const longestWaitMs = 20_000

/** `connecting`: not there yet, or being restored. */
export type ConnectionState = 'connecting' | 'connected'

/** Calls and subscriptions to one process that outlive its connections. */
export interface Line extends Caller {
  readonly state: ConnectionState
  /**
   * Sets what has to be done on a new connection before other calls go over it. Until that has settled the line reads as
   * `connecting`. It tells failures by itself and never rejects.
   */
  beforeUse(restore: (connection: Caller) => Promise<void>): void
  /** Takes a new connection; the one before it is closed. */
  use(channel: Channel): void
  /** Ends it for good; calls that run or wait reject with `Disconnected`. */
  close(): void
}

interface Subscription {
  service: string
  event: string
  handler: (payload: unknown) => void
  unsubscribe: () => void
}

/**
 * A line to the process `processName`. A call made while it is down waits for the next connection, at most `longestWaitMs`. A
 * call that was sent and not answered rejects with `Disconnected`: only its caller knows whether it may be sent again.
 */
export function createLine(
  contract: Contract,
  processName: string,
  onState: (state: ConnectionState) => void,
): Line {
  const subscriptions = new Set<Subscription>()
  const waiting = new Set<(outcome: ContractConnection<Contract> | Error) => void>()
  /** The newest connection; calls go over it once it is restored. */
  let newest = null as ContractConnection<Contract> | null
  let connection = null as ContractConnection<Contract> | null
  let restore: ((connection: Caller) => Promise<void>) | null = null
  let closed = false

  function subscribeNow(subscription: Subscription, to: ContractConnection<Contract>): void {
    subscription.unsubscribe = to.subscribe(subscription.service, subscription.event, subscription.handler)
  }

  function nextConnection(signal: CallOptions['signal']): Promise<ContractConnection<Contract>> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: ContractConnection<Contract> | Error): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        waiting.delete(settle)
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      const onAbort = (): void => {
        settle(cancelled())
      }
      const timer = setTimeout(() => {
        settle(disconnected(processName, `no connection within ${longestWaitMs / 1000} s`))
      }, longestWaitMs)
      signal?.addEventListener('abort', onAbort)
      waiting.add(settle)
    })
  }

  function becomeConnecting(): void {
    if (connection === null) return
    connection = null
    onState('connecting')
  }

  function putToUse(made: ContractConnection<Contract>): void {
    // It may have ended meanwhile, or another one may have come.
    if (newest !== made) return
    connection = made
    onState('connected')
    for (const settle of [...waiting]) settle(made)
  }

  return {
    get state() {
      return connection === null ? 'connecting' : 'connected'
    },
    use(channel) {
      if (closed) {
        channel.close()
        return
      }
      const previous = newest
      const made = connectContract(contract, channel, processName)
      newest = made
      if (connection !== null && restore !== null) becomeConnecting()
      previous?.close()
      for (const subscription of subscriptions) subscribeNow(subscription, made)
      made.onClose(() => {
        if (newest !== made) return
        newest = null
        becomeConnecting()
      })
      if (restore === null) putToUse(made)
      else void restore(made).then(() => putToUse(made))
    },
    beforeUse(next) {
      restore = next
    },
    async call(service, method, request, options) {
      if (options.signal?.aborted) throw cancelled()
      if (closed) throw disconnected(processName, 'the window has closed it')
      const current = connection ?? (await nextConnection(options.signal))
      return current.call(service, method, request, options)
    },
    subscribe(service, event, handler) {
      const subscription: Subscription = { service, event, handler, unsubscribe: () => undefined }
      subscriptions.add(subscription)
      if (newest !== null) subscribeNow(subscription, newest)
      return () => {
        subscriptions.delete(subscription)
        subscription.unsubscribe()
      }
    },
    close() {
      closed = true
      newest?.close()
      for (const settle of [...waiting]) settle(disconnected(processName, 'the window has closed it'))
    },
  }
}

import { computeContract, dataContract, hostContract } from '../../../src/shared/contract/contract.ts'
import type {
  Contract,
  ContractImplementation,
  ServiceImplementation,
} from '../../../src/shared/contract/definition.ts'
import { createContractClient } from '../../../src/shared/contract/transport/contract-client.ts'
import { fromErrorData, toErrorData } from '../../../src/shared/errors.ts'
import type { Api, ProcessName } from '../../../src/renderer/api/api.ts'

/** All services as plain functions that a test may replace one by one. */
export interface FakeServices {
  host: { host: Mutable<ServiceImplementation<(typeof hostContract)['host']>> }
  data: MutableServices<ContractImplementation<typeof dataContract>>
  compute: MutableServices<ContractImplementation<typeof computeContract>>
}
type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] }
type MutableServices<Value> = { -readonly [Key in keyof Value]: Mutable<Value[Key]> }

/** An `Api` without processes: calls go to `services`, requests and answers are checked against the contract as over a wire. */
export interface FakeApi {
  api: Api
  services: FakeServices
  /** `data.projects.create` and its request, in order. */
  calls: { method: string; request: unknown }[]
  emit: (process: ProcessName, service: string, event: string, payload: unknown) => void
  /** Ends or restores the connection to a process. */
  setConnected: (process: ProcessName, isConnected: boolean) => void
}

export function createFakeApi(services: FakeServices): FakeApi {
  const calls: FakeApi['calls'] = []
  const handlers = new Map<string, Set<(payload: unknown) => void>>()
  const connected: Record<ProcessName, boolean> = { host: true, data: true, compute: true }
  const listeners = new Set<Parameters<Api['onConnection']>[0]>()
  let restore: Parameters<Api['beforeDataIsUsed']>[0] | null = null

  function clientOf<Services extends Contract>(process: ProcessName, contract: Services) {
    return createContractClient(contract, {
      async call(service, method, request, { signal }) {
        calls.push({ method: `${process}.${service}.${method}`, request })
        const definition = contract[service].methods[method]
        // What the implementation is given has been checked, so the table of functions may be called with it.
        const table = services[process] as unknown as Record<
          string,
          Record<string, (request: unknown, context: unknown) => unknown>
        >
        await Promise.resolve()
        try {
          // A port refuses what cannot be copied: a reactive object, a function.
          const copy = structuredClone(request)
          const answer: unknown = await table[service][method](definition.request.parse(copy), {
            signal: signal ?? new AbortController().signal,
          })
          return definition.result.parse(answer)
        } catch (error) {
          // As over a wire: an error is rebuilt from its data.
          throw fromErrorData(toErrorData(error))
        }
      },
      subscribe(service, event, handler) {
        const key = `${process}.${service}.${event}`
        const listening = handlers.get(key) ?? new Set()
        handlers.set(key, listening.add(handler))
        return () => listening.delete(handler)
      },
    })
  }

  const api: Api = {
    host: clientOf('host', hostContract).host,
    data: clientOf('data', dataContract),
    compute: clientOf('compute', computeContract),
    connection: (process) => (connected[process] ? 'connected' : 'connecting'),
    beforeDataIsUsed(next) {
      restore = next
    },
    onConnection(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    pathForFile: (file) => `/dropped/${file.name}`,
    close: () => undefined,
  }
  return {
    api,
    services,
    calls,
    emit(process, service, event, payload) {
      for (const handler of [...(handlers.get(`${process}.${service}.${event}`) ?? [])]) handler(payload)
    },
    setConnected(process, isConnected) {
      const set = (): void => {
        connected[process] = isConnected
        for (const listener of [...listeners]) listener(process, isConnected ? 'connected' : 'connecting')
      }
      if (isConnected && process === 'data' && restore !== null) void restore(api.data).then(set)
      else set()
    },
  }
}

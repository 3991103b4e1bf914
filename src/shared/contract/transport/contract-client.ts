import type { CallOptions, Contract, ContractClient } from '../definition.ts'

/** The untyped ways to call and to listen that a typed client is made of. */
export interface Caller {
  call(service: string, method: string, request: unknown, options: CallOptions): Promise<unknown>
  subscribe(service: string, event: string, handler: (payload: unknown) => void): () => void
}

/** A client with one function per method of the contract. */
export function createContractClient<Services extends Contract>(
  contract: Services,
  caller: Caller,
): ContractClient<Services> {
  const services = Object.entries(contract).map(([service, definition]) => {
    const methods = Object.keys(definition.methods).map((method) => [
      method,
      (request: unknown, options: CallOptions = {}) => caller.call(service, method, request, options),
    ])
    const on = (event: string, handler: (payload: unknown) => void) =>
      caller.subscribe(service, event, handler)
    return [service, { ...(Object.fromEntries(methods) as object), on }]
  })
  // The table has been walked completely, so the result has exactly its shape; no type can express the walk.
  return Object.fromEntries(services) as ContractClient<Services>
}

import './zod-without-eval.ts'
import { computeContract, dataContract, hostContract } from '../../shared/contract/contract.ts'
import type { ContractClient } from '../../shared/contract/definition.ts'
import { createContractClient } from '../../shared/contract/transport/contract-client.ts'
import type { HostBridge } from './bridge.ts'
import { createLine } from './line.ts'
import type { ConnectionState, Line } from './line.ts'

export type ProcessName = 'host' | 'data' | 'compute'

/**
 * All that the window can ask for: `api.host.chooseFolder({ … })`, `api.data.labels.apply({ … }, { signal })`,
 * `api.compute.device.on('changed', …)`.
 *
 * It outlives the processes. A call made while one is away waits for it, at most 20 s, and then rejects with `Disconnected`; so
 * does one that was under way when the process ended, which may or may not have been carried out. Subscriptions go on with the
 * next connection; what happened in between is not told again, so ask anew when a process is `connected` again.
 */
export interface Api {
  readonly host: ContractClient<typeof hostContract>['host']
  readonly data: ContractClient<typeof dataContract>
  readonly compute: ContractClient<typeof computeContract>
  connection(process: ProcessName): ConnectionState
  /**
   * Sets what has to be done on each new connection to the data process before other calls go over it: a process that was
   * started again has nothing open. It gets a client over that connection, tells failures by itself and never rejects.
   */
  beforeDataIsUsed(restore: (data: ContractClient<typeof dataContract>) => Promise<void>): void
  /** Called whenever a connection comes or goes. Returns a function that forgets the listener. */
  onConnection(listener: (process: ProcessName, state: ConnectionState) => void): () => void
  /** Path of a dropped file or folder; `null` where the window cannot know it (a browser). */
  pathForFile(file: File): string | null
  /** Ends all connections for good. */
  close(): void
}

export function createApi(bridge: HostBridge): Api {
  const listeners = new Set<(process: ProcessName, state: ConnectionState) => void>()
  const announce = (process: ProcessName) => (state: ConnectionState) => {
    for (const listener of [...listeners]) listener(process, state)
  }
  const lines: Record<ProcessName, Line> = {
    host: createLine(hostContract, 'host', announce('host')),
    data: createLine(dataContract, 'data', announce('data')),
    compute: createLine(computeContract, 'compute', announce('compute')),
  }
  const api: Api = {
    host: createContractClient(hostContract, lines.host).host,
    data: createContractClient(dataContract, lines.data),
    compute: createContractClient(computeContract, lines.compute),
    connection: (process) => lines[process].state,
    beforeDataIsUsed(restore) {
      lines.data.beforeUse((connection) => restore(createContractClient(dataContract, connection)))
    },
    onConnection(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    pathForFile: (file) => bridge.pathForFile(file),
    close() {
      for (const line of Object.values(lines)) line.close()
    },
  }
  for (const process of ['host', 'data', 'compute'] as const) {
    bridge.connect(process, (channel) => {
      lines[process].use(channel)
    })
  }
  return api
}

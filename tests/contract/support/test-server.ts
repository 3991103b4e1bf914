import type { ContractServer } from '../../../src/shared/contract/transport/serve-contract.ts'
import { serveContract } from '../../../src/shared/contract/transport/serve-contract.ts'
import { badInput, cancelled } from '../../../src/shared/errors.ts'
import { testContract } from './test-contract.ts'

/** Serves the test contract; each call makes a server with counters of its own. */
export function createTestServer(): ContractServer {
  let holding = 0
  let cancelledCalls = 0
  const defects: string[] = []
  const server: ContractServer = serveContract(
    testContract,
    (emitter) => {
      const emit = emitter('sample')
      return {
        sample: {
          double: ({ value }) => ({ value: 2 * value }),
          greet: ({ name }) => ({ text: `hello ${name}` }),
          echo: ({ data }) => ({ data }),
          slice: ({ count }) => ({ data: new Float32Array(1e6).fill(7).subarray(10, 10 + count) }),
          refuse: () => {
            throw badInput('/data/slice.tif', 'uint16', 'float32', { cause: new Error('the cause') })
          },
          stumble: () => {
            throw new TypeError('a defect on purpose')
          },
          lie: () => ({ nested: { value: 'no number' as unknown as number } }),
          hold: (_request, { signal }) =>
            new Promise((_, reject) => {
              holding++
              signal.addEventListener('abort', () => {
                holding--
                cancelledCalls++
                reject(cancelled())
              })
            }),
          tick({ count }) {
            for (let at = 0; at < count; at++) emit('ticked', { count: at })
            return {}
          },
          mistick() {
            emit('ticked', { count: 'many' as unknown as number })
            return {}
          },
          status: () => ({
            pid: process.pid,
            connections: server.connections,
            holding,
            cancelled: cancelledCalls,
            defects,
          }),
        },
      }
    },
    { reportDefect: (error, where) => defects.push(`${where}: ${String(error)}`) },
  )
  return server
}

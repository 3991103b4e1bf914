import { openProcessLine } from '../../../src/main/hosts/processes/process-line.ts'
import { createTestServer } from './test-server.ts'

// An engine process that serves the test contract.
const server = createTestServer()
openProcessLine({
  connect: (channel) => {
    server.connect(channel)
  },
  shutdown: () => {
    server.close()
    return Promise.resolve()
  },
})
